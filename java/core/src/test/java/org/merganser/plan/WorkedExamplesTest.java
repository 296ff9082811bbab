// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.testing.RunsOnce;

/** The files that the pages on adding a method show compile as they stand. */
@RunsOnce("only compiles")
class WorkedExamplesTest {
  private static final Pattern FILE = Pattern.compile("```java\\n(// SPDX.*?)```", Pattern.DOTALL);

  @TempDir Path classes;

  @ParameterizedTest
  @CsvSource({"adding-an-aligner.md, align/GreedyAligner", "adding-a-merger.md, merge/LerpMerger"})
  void theFileOfAPageCompiles(String page, String name) throws IOException {
    String text = Files.readString(Path.of("..", "..", "docs", page));
    List<String> files = FILE.matcher(text).results().map(match -> match.group(1)).toList();
    assertThat(files).hasSize(1);
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> problems;
    try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
      DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
      List<String> options = List.of("-proc:none", "-Xlint:all", "-d", classes.toString());
      compiler
          .getTask(null, manager, found, options, null, List.of(source(name, files.get(0))))
          .call();
      problems = found.getDiagnostics().stream().map(Object::toString).toList();
    }
    assertThat(problems).isEmpty();
    assertThat(classes.resolve("org/merganser/" + name + ".class")).exists();
  }

  private static JavaFileObject source(String name, String text) {
    URI uri = URI.create("string:///org/merganser/" + name + ".java");
    return new SimpleJavaFileObject(uri, JavaFileObject.Kind.SOURCE) {
      @Override
      public CharSequence getCharContent(boolean ignoreEncodingErrors) {
        return text;
      }
    };
  }
}
