// SPDX-License-Identifier: Apache-2.0
package org.merganser;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.merganser.testing.RunsOnce;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

@RunsOnce("reads the build's files, computes nothing")
class DependenciesTest {

  /** Whoever embeds core gets these and nothing else. */
  @Test
  void coreHasTwoCompileDependencies() throws Exception {
    Element project =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(Path.of(System.getProperty("basedir", "."), "pom.xml").toFile())
            .getDocumentElement();
    List<String> compile = new ArrayList<>();
    for (Element dependency : children(child(project, "dependencies"))) {
      Element scope = child(dependency, "scope");
      String name = scope == null ? "compile" : scope.getTextContent().trim();
      if (name.equals("compile") || name.equals("provided")) {
        compile.add(
            child(dependency, "groupId").getTextContent().trim()
                + ":"
                + child(dependency, "artifactId").getTextContent().trim());
      }
    }
    assertThat(compile)
        .containsExactlyInAnyOrder(
            "org.merganser:merganser-native", "com.fasterxml.jackson.core:jackson-core");
  }

  private static Element child(Element parent, String name) {
    return children(parent).stream()
        .filter(c -> c.getTagName().equals(name))
        .findFirst()
        .orElse(null);
  }

  private static List<Element> children(Element parent) {
    List<Element> result = new ArrayList<>();
    for (Node n = parent.getFirstChild(); n != null; n = n.getNextSibling()) {
      if (n instanceof Element element) {
        result.add(element);
      }
    }
    return result;
  }
}
