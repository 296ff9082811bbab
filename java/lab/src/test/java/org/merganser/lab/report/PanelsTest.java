// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.report.Panels.Axis;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class PanelsTest {
  @TempDir Path folder;

  @Test
  void axesPlaceValues() {
    Axis plain = Axis.of("x", DoubleStream.of(3, 1, 2, Double.NaN));
    assertThat(plain.share(1.5)).isEqualTo(.25);
    assertThat(plain.share(9)).isEqualTo(1);
    Axis log = Axis.log("x", DoubleStream.of(0, 1, 100, -5, Double.POSITIVE_INFINITY));
    assertThat(log.low()).isEqualTo(1);
    assertThat(log.share(10)).isCloseTo(.5, within(1e-12));
    assertThat(log.share(0)).isZero();
    assertThat(log.share(Double.POSITIVE_INFINITY)).isEqualTo(1);
    assertThat(Axis.of("x", DoubleStream.of(4)).share(4)).isZero();
    assertThat(Axis.log("x", DoubleStream.empty()).share(1)).isZero();
    assertThatThrownBy(() -> new Axis("x", 0, 1, true))
        .hasMessage("an axis from 0.0 to 1.0 with logarithms");
    assertThatThrownBy(() -> new Axis("x", Double.NaN, 1, false)).hasMessageContaining("NaN");
  }

  @Test
  void everythingIsDrawnWhereItLies() throws Exception {
    Axis x = new Axis("across <1>", 0, 10, false);
    Axis y = new Axis("up & down", 0, 1, false);
    Panels panels = new Panels(2);
    panels
        .panel("first", x, y)
        .line("#123456", 1, List.of(0.0, 10.0), List.of(0.0, 1.0))
        .band("#0000ff", List.of(0.0, 10.0), List.of(0.0, 0.0), List.of(.5, .5))
        .point("red", 3, true, 5, .5)
        .cell("green", 0, 5, 0, .5);
    panels.panel("second", x, y);
    panels.panel("third", x, y).point("blue", 3, false, 20, 2);
    panels.legend("a thing", "red");
    String svg = new String(panels.chart("file", "text").bytes(), StandardCharsets.UTF_8);
    Element root =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)))
            .getDocumentElement();
    // Plot areas are 220 x 170, 62 from the left and 30 from above.
    Element line = (Element) root.getElementsByTagName("polyline").item(0);
    assertThat(line.getAttribute("points")).isEqualTo("62.0,200.0 282.0,30.0");
    Element band = (Element) root.getElementsByTagName("polygon").item(0);
    assertThat(band.getAttribute("points"))
        .isEqualTo("62.0,115.0 282.0,115.0 282.0,200.0 62.0,200.0");
    NodeList circles = root.getElementsByTagName("circle");
    assertThat(circles.getLength()).isEqualTo(3);
    Element marked = (Element) circles.item(0);
    assertThat(marked.getAttribute("cx")).isEqualTo("172.0");
    assertThat(marked.getAttribute("cy")).isEqualTo("115.0");
    assertThat(marked.getAttribute("stroke")).isEqualTo("black");
    // Beyond both axes: at the corner.
    assertThat(((Element) circles.item(1)).getAttribute("cx")).isEqualTo("282.0");
    assertThat(((Element) circles.item(1)).getAttribute("cy")).isEqualTo("30.0");
    assertThat(svg)
        .contains(
            "across &lt;1>", "up &amp; down", ">a thing<", "translate(298 0)", "translate(0 244)");
  }

  @Test
  void coloursAreDifferent() {
    assertThat(Panels.colour(0)).isNotEqualTo(Panels.colour(1)).isEqualTo(Panels.colour(8));
    assertThat(Panels.shade(-1)).isEqualTo("#440154");
    assertThat(Panels.shade(2)).isEqualTo("#fde725");
  }

  /** What moves stands in the page as it is, and beside it. */
  @Test
  void whatMovesIsPartOfThePage() throws IOException {
    String part = "<div>a & b</div>\n<script>\"use strict\";</script>\n";
    Section<?> section =
        new Section<>("x", "X", "", List.of())
            .chart(Chart.html("moving", "It \"moves\"", part))
            .chart(Chart.svg("still", "Still", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
    new Report("Title", "Text", Map.of(), List.of(section), Map.of(), Map.of()).write(folder);
    String page = Files.readString(folder.resolve("report.html"));
    assertThat(page)
        .contains("<figure aria-label=\"It &quot;moves&quot;\">\n" + part, "<img alt=\"Still\"")
        .doesNotContain("<img alt=\"It");
    assertThat(Files.readString(folder.resolve("moving.html"))).isEqualTo(part);
  }
}
