// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.merganser.analysis.geometry.Phate.Options;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;

/** A branching tree beside the same steps in numpy; see make.py beside the file. */
class PhatePeerTest {
  /** What numpy found. */
  private record Tree(
      int t, double stress, double[] potential, double[][] points, double[][] plane) {
    static Tree read() throws IOException {
      try (InputStream in = Tree.class.getResourceAsStream("/fixtures/phate/tree.txt")) {
        List<String> lines = new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        double[][] rows = lines.stream().skip(2).map(Tree::numbers).toArray(double[][]::new);
        int n = rows[0].length;
        double[][] points = new double[n][];
        double[][] plane = new double[n][];
        for (int i = 0; i < n; i++) {
          points[i] = Arrays.copyOf(rows[1 + i], 6);
          plane[i] = Arrays.copyOfRange(rows[1 + i], 6, 8);
        }
        return new Tree(
            Integer.parseInt(lines.get(0)),
            Double.parseDouble(lines.get(1)),
            rows[0],
            points,
            plane);
      }
    }

    private static double[] numbers(String line) {
      return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }
  }

  @ParameterizedTest
  @EnumSource(value = Mds.Solver.class, mode = Mode.EXCLUDE, names = "CLASSICAL")
  void aBranchingTreeIsThatOfNumpy(Mds.Solver solver) throws IOException {
    Tree tree = Tree.read();
    assertThat(tree.points()).hasDimensions(90, 6);
    double[][] far = new double[90][90];
    for (int i = 0; i < 90; i++) {
      for (int j = 0; j < 90; j++) {
        far[i][j] = Stress.distance(tree.points()[i], tree.points()[j]);
      }
    }
    try (Workspace ws = Workspace.builder().threads(1).open();
        Matrix distances = Matrix.of(far)) {
      Phate.Result found = new Phate(Options.defaults().with("solver", solver)).fit(distances, ws);
      assertThat(found.t()).isEqualTo(tree.t());
      assertThat(found.potential()[0]).containsExactly(tree.potential(), within(1e-6));
      double[] wanted = PhateTest.pairs(tree.plane());
      assertThat(PhateTest.correlation(PhateTest.pairs(found.points()), wanted))
          .isGreaterThanOrEqualTo(0.99);
      assertThat(found.stress()).isLessThanOrEqualTo(1.02 * tree.stress());
    }
  }
}
