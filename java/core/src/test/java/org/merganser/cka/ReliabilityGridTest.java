// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.cka.ReliabilityReport.Grid;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Golden;
import org.merganser.similarity.SimilarityGrid.Cell;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Maps of two networks, each cell with what speaks for it. */
class ReliabilityGridTest {
  private static final double[][] X = Golden.C.x;
  private static final double[][] Y = Golden.C.y;

  @Test
  void theGridOfC() {
    Grid grid =
        of(Map.of("X", X), layers("Y", Y, "X", X, "third", Oracle.columns(X, new int[] {2})));
    assertThat(grid.values().namesA()).containsExactly("X");
    assertThat(grid.values().namesB()).containsExactly("Y", "X", "third");
    Close.absolute(
        "biased",
        grid.values().cells().get(0).stream().mapToDouble(Cell::biased).toArray(),
        new double[] {0.6403567760, 1, 0.6912113007},
        5.1e-11);
    Close.absolute(
        "debiased",
        grid.values().cells().get(0).stream().mapToDouble(Cell::debiased).toArray(),
        new double[] {0.4850088392, 1, 0.6803215201},
        5.1e-11);
    Cell first = grid.values().cell(0, 0);
    assertThat(first.p()).isEqualTo(740 / 40320.0);
    assertThat(first.chance()).isCloseTo(0.2973441559, within(5.1e-11));
    assertThat(first.topInfluenceIndex()).isEqualTo(2);
    assertThat(first.topInfluence()).isCloseTo(0.6403567760 - 0.7309686186, within(1e-9));
    assertThat(grid.q(0, 0)).isBetween(first.p(), 3 * first.p());
    assertThat(grid.values().svg()).contains("0.64");
    assertThat(grid.toCsv())
        .startsWith("layerA,layerB,biased,debiased,p,q,chance,topInfluenceIndex,topInfluence")
        .contains("\nX,Y,0.64035677");
  }

  /** A cell says why it has no numbers; the others have theirs. */
  @Test
  void aConstantLayerLeavesTheOthersAlone() {
    Grid grid = of(layers("X", X, "dead, it is", Oracle.map(X, each -> 3)), Map.of("Y", Y));
    assertThat(grid.values().cell(0, 0).biased()).isCloseTo(0.6403567760, within(5.1e-11));
    assertThat(grid.q(0, 0)).isEqualTo(grid.values().cell(0, 0).p());
    Cell dead = grid.values().cell(1, 0);
    assertThat(dead.biased()).isNaN();
    assertThat(grid.q(1, 0)).isNaN();
    assertThat(dead.reason()).startsWith("layer 'dead, it is' is constant");
    assertThat(grid.toCsv())
        .contains("\n\"dead, it is\",Y,,,,,,,,\"layer 'dead, it is' is constant");
  }

  @Test
  void aGridInLinesAndAsJson(@TempDir Path folder) throws IOException {
    Grid grid = of(layers("X", X, "dead", Oracle.map(X, each -> 3)), Map.of("Y", Y));
    assertThat(grid.toText())
        .contains("CKA reliability   n=8  2 x 1 layers   linear kernel")
        .contains("  X     Y   0.6404    0.4850   0.2973   0.0184   0.0184  #2 -0.0906")
        .contains("  dead  Y  layer 'dead' is constant");
    grid.toJson(folder.resolve("grid.json"));
    assertThat(Files.readString(folder.resolve("grid.json")).replaceAll("\\s+", ""))
        .contains("{\"a\":\"X\",\"b\":\"Y\",\"biased\":0.64035677")
        .contains("\"p\":0.018353174603174604,\"q\":0.018353174603174604,\"chance\":0.29734")
        .contains("{\"a\":\"dead\",\"b\":\"Y\",\"biased\":null,\"debiased\":null,\"p\":null")
        .contains("\"reason\":\"layer'dead'isconstant");
  }

  @Test
  void ratesOfFalseDiscovery() {
    Close.absolute(
        "q",
        FalseDiscovery.rates(new double[] {0.01, 0.04, 0.03, 0.005, 0.5}),
        new double[] {0.025, 0.05, 0.05, 0.025, 0.5},
        1e-15);
    assertThat(FalseDiscovery.rates(new double[] {0.02, Double.NaN, 0.01}))
        .containsExactly(0.02, Double.NaN, 0.02);
  }

  @Cases(10)
  void ratesAreOrderedAsTheirValuesAndNotBelow(Draw draw) {
    double[] p = draw.random().doubles(draw.integer(1, 30)).toArray();
    double[] q = FalseDiscovery.rates(p);
    for (int i = 0; i < p.length; i++) {
      assertThat(q[i]).isBetween(p[i], 1.0);
      for (int j = 0; j < p.length; j++) {
        assertThat(p[i] <= p[j]).as("order").isEqualTo(p[i] <= p[j] && q[i] <= q[j]);
      }
    }
  }

  /**
   * One sample far away makes linear CKA of anything near 1; a kernel of small width is not moved.
   */
  @Test
  void measuresThatDisagreeAreNamed() {
    double[][] base = Oracle.gaussian(40, 6, 1);
    Map<String, double[][]> a = new LinkedHashMap<>();
    Map<String, double[][]> b = layers("base", base);
    for (int k = 0; k < 6; k++) {
      double[][] layer = new double[40][6];
      double[][] noise = Oracle.gaussian(40, 6, 10 + k);
      for (int i = 0; i < 40; i++) {
        for (int j = 0; j < 6; j++) {
          layer[i][j] = base[i][j] + 0.3 * k * noise[i][j];
        }
      }
      for (int j = 0; j < 6; j++) {
        layer[0][j] += (6 - k) * 10;
      }
      a.put("layer" + k, layer);
    }
    Grid grid = of(a, b);
    assertThat(grid.warnings())
        .extracting(ReliabilityReport.Warning::code)
        .containsExactly("DISAGREEMENT");
    assertThat(grid.warnings().get(0).numbers().get("spearman")).isLessThan(0.5);
  }

  @Test
  void refusesWhatIsNoGrid() {
    assertThatThrownBy(() -> of(Map.of(), Map.of("Y", Y)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("0 layers beside 1: a grid needs one on each side");
    assertThatThrownBy(() -> of(Map.of("X", X), Map.of("Y", Golden.A.y)))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 'Y' has 4 samples and others have 8: all need the same ones");
    assertThatThrownBy(() -> of(Map.of("X", Golden.A.x), Map.of("Y", Golden.A.y)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a grid with debiased CKA needs at least 5 samples, and there are 4");
  }

  private static Map<String, double[][]> layers(Object... namesAndLayers) {
    Map<String, double[][]> layers = new LinkedHashMap<>();
    for (int k = 0; k < namesAndLayers.length; k += 2) {
      layers.put((String) namesAndLayers[k], (double[][]) namesAndLayers[k + 1]);
    }
    return layers;
  }

  private static Grid of(Map<String, double[][]> a, Map<String, double[][]> b) {
    Map<String, Matrix> left = new LinkedHashMap<>();
    Map<String, Matrix> right = new LinkedHashMap<>();
    a.forEach((name, x) -> left.put(name, Matrix.of(x)));
    b.forEach((name, y) -> right.put(name, Matrix.of(y)));
    try {
      return CkaReliability.grid(left, right, 99, WS);
    } finally {
      left.values().forEach(Matrix::close);
      right.values().forEach(Matrix::close);
    }
  }
}
