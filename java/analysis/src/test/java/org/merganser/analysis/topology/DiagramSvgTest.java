// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.topology;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.merganser.analysis.topology.Diagram.Point;
import org.w3c.dom.Document;

class DiagramSvgTest {
  private static Document parsed(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void everyClassHasABarAndAPoint() throws Exception {
    List<Diagram> diagrams =
        List.of(
            new Diagram(
                0,
                List.of(new Point(0, 1), new Point(0, 3), new Point(0, Double.POSITIVE_INFINITY))),
            new Diagram(1, List.of(new Point(2, Double.NEGATIVE_INFINITY))));
    Document bars = parsed(DiagramSvg.barcode(diagrams));
    assertThat(bars.getElementsByTagName("title").getLength()).isEqualTo(4);
    assertThat(bars.getDocumentElement().getTextContent())
        .contains("degree 0: 3 classes", "degree 1: 1 class", "born at 0.00000, never dies");
    Document points = parsed(DiagramSvg.diagram(diagrams));
    // One circle of the legend a degree.
    assertThat(points.getElementsByTagName("circle").getLength()).isEqualTo(6);
  }

  @Test
  void aBarcodeOfManyHasTheLongest() throws Exception {
    List<Point> points =
        IntStream.rangeClosed(1, 500).mapToObj(k -> new Point(0, k / 500.0)).toList();
    String svg = DiagramSvg.barcode(List.of(new Diagram(0, points)));
    assertThat(parsed(svg).getElementsByTagName("title").getLength()).isEqualTo(200);
    assertThat(svg)
        .contains("degree 0: the longest 200 of 500")
        .doesNotContain("dies at 0.600000<");
  }

  @Test
  void emptyAndConstantDiagramsArePictures() throws Exception {
    parsed(DiagramSvg.barcode(List.of(new Diagram(0, List.of()))));
    parsed(DiagramSvg.diagram(List.of(new Diagram(0, List.of(new Point(1, 1))))));
    assertThat(DiagramSvg.diagram(List.of())).doesNotContain("NaN");
  }
}
