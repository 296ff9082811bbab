// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShapePlaneTest {
  @TempDir Path folder;

  private String drawn(Chart chart) throws IOException {
    Section<String> section = new Section<>("s", "title", "", List.of("row"));
    new Report("t", "", Map.of(), List.of(section.chart(chart)), Map.of(), Map.of()).write(folder);
    return Files.readString(folder.resolve("map.svg"), StandardCharsets.UTF_8);
  }

  @Test
  void contoursHaveTheColoursOfTheirEndsAndTheValues() throws IOException {
    double[][] values = {{.1, .2, .3}, {.4, .5, .9}};
    String svg =
        drawn(
            ShapePlane.contours(
                "map", "", "title", List.of(1.0, 5.0, 20.0), List.of(0.0, 1.0), values));
    assertThat(svg).contains("#440154", "#fde725", ">0.100<", ">0.900<", "stroke-dasharray");
    // The lower left corner is the least value, the first cell that is drawn.
    int cells = svg.indexOf("<rect x=");
    assertThat(svg.substring(cells, svg.indexOf("/>", cells))).contains("#440154");
  }

  @Test
  void arrowsPointFromTheStartToTheEnd() throws IOException {
    String svg =
        drawn(
            ShapePlane.arrows(
                "map",
                "",
                "title",
                List.of(new ShapePlane.Arrow(2, 0, 3, 1), new ShapePlane.Arrow(10, .5, 8, -.25))));
    Matcher lines =
        Pattern.compile("<line x1=\"([\\d.]+)\" y1=\"([\\d.]+)\" x2=\"([\\d.]+)\" y2=\"([\\d.]+)\"")
            .matcher(svg);
    double[][] ends = new double[2][4];
    for (int i = 0; i < 2; i++) {
      assertThat(lines.find()).isTrue();
      for (int k = 0; k < 4; k++) {
        ends[i][k] = Double.parseDouble(lines.group(k + 1));
      }
    }
    assertThat(ends[0][2]).isGreaterThan(ends[0][0]);
    // Up on the page is less.
    assertThat(ends[0][3]).isLessThan(ends[0][1]);
    assertThat(ends[1][2]).isLessThan(ends[1][0]);
    assertThat(ends[1][3]).isGreaterThan(ends[1][1]);
  }

  @Test
  void aGridOfOneStartIsDrawnToo() throws IOException {
    double[][] values = {{.5}};
    assertThat(drawn(ShapePlane.contours("map", "", "t", List.of(5.0), List.of(0.0), values)))
        .contains(">0.500<")
        .doesNotContain("NaN");
  }
}
