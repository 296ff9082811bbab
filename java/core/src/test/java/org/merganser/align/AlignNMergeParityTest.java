// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.model.Architecture;
import org.merganser.model.MapFamily;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Fixtures;
import org.merganser.testing.Fixtures.Problem;
import org.merganser.testing.Oracle;

/** The same maps as the code published with CCA Merge, run in float64. */
class AlignNMergeParityTest {

  static List<Problem> problems() throws IOException {
    return Fixtures.problems();
  }

  @ParameterizedTest
  @MethodSource("problems")
  void ccaFromTheirCovariance(Problem problem) throws IOException {
    for (String gamma : Fixtures.GAMMAS) {
      for (int model = 1; model < problem.models(); model++) {
        double g = Double.parseDouble(gamma);
        Cca cca =
            Cca.map(
                Matrix.of(problem.block(0, 0)),
                Matrix.of(problem.block(model, model)),
                Matrix.of(problem.block(0, model)),
                g,
                g,
                WS);
        String method = "cca_gamma" + gamma;
        Close.relative(method + " T", cca.map(), problem.map(method, model), 1e-9);
        Close.relative(method + " T^-1", cca.inverse(), problem.inverse(method, model), 1e-9);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("problems")
  void ccaFromTheirFeatures(Problem problem) throws IOException {
    for (String gamma : Fixtures.GAMMAS) {
      CcaAligner aligner = CcaAligner.absoluteGamma(Double.parseDouble(gamma));
      AlignmentSet found = aligner.align(alignmentProblem(problem), WS);
      assertThat(found.of(0).map("s")).isInstanceOf(IdentityMap.class);
      for (int model = 1; model < problem.models(); model++) {
        FeatureMap map = found.of(model).map("s");
        String method = "cca_gamma" + gamma;
        Close.relative(method + " T", map.toMatrix(WS), problem.map(method, model), 1e-7);
        Close.relative(
            method + " T^-1", map.inverse().toMatrix(WS), problem.inverse(method, model), 1e-7);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("problems")
  void momentsGiveTheirCovariance(Problem problem) throws IOException {
    List<double[][]> samples = problem.samples();
    try (var moments = Activations.moments(Precision.F64, WS, samples.toArray(double[][][]::new))) {
      for (int i = 0; i < problem.models(); i++) {
        for (int j = i; j < problem.models(); j++) {
          String what = "covariance " + i + ", " + j;
          double[][] found = array(moments.covariance(i, j, WS));
          Close.relative(what, found, Oracle.covariance(samples.get(i), samples.get(j)), 1e-12);
          // Theirs is of the features before these were stored as float32.
          Close.relative(what, found, problem.block(i, j), 1e-7);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("problems")
  void permutations(Problem problem) throws IOException {
    AlignmentSet found = PermutationAligner.byCorrelation().align(alignmentProblem(problem), WS);
    for (int model = 1; model < problem.models(); model++) {
      int[] theirs = permutation(problem, model);
      int[] ours = ((ScaledPermutation) found.of(model).map("s")).permutation();
      double[][] correlation = correlation(problem, model);
      assertThat(Oracle.sumAt(correlation, ours))
          .isCloseTo(Oracle.sumAt(correlation, theirs), within(1e-9));
      if (isUnique(correlation, ours)) {
        assertThat(ours).isEqualTo(theirs);
      }
      double[][] inverse = problem.inverse("permute", model);
      Close.absolute("unmerge", found.of(model).map("s").inverse().toMatrix(WS), inverse, 0);
    }
  }

  @ParameterizedTest
  @MethodSource("problems")
  void identity(Problem problem) throws IOException {
    AlignmentSet found = new IdentityAligner().align(alignmentProblem(problem), WS);
    for (int model = 1; model < problem.models(); model++) {
      Matrix map = found.of(model).map("s").toMatrix(WS);
      // Their merge divides by count + 1e-5, which shrinks what it merges by 5e-6 and more.
      Close.absolute("T", map, problem.map("identity", model), 2e-5);
      Close.absolute("T^-1", map, problem.inverse("identity", model), 0);
    }
  }

  private static AlignmentProblem alignmentProblem(Problem problem) {
    Architecture architecture = Activations.oneSpace(problem.n(), MapFamily.PERMUTATION);
    double[][][] samples = problem.samples().toArray(double[][][]::new);
    return AlignmentProblem.of(
        architecture, Activations.of(Activations.moments(Precision.F64, WS, samples)));
  }

  /** Undoes the division by (count + 1e-5): the one entry of each row that is not 0. */
  private static int[] permutation(Problem problem, int model) throws IOException {
    double[][] map = problem.map("permute", model);
    int[] permutation = new int[map.length];
    for (int r = 0; r < map.length; r++) {
      int entries = 0;
      for (int c = 0; c < map.length; c++) {
        if (map[r][c] != 0) {
          assertThat(map[r][c]).isCloseTo(1, within(2e-5));
          permutation[r] = c;
          entries++;
        }
      }
      assertThat(entries).isEqualTo(1);
    }
    return permutation;
  }

  private static double[][] correlation(Problem problem, int model) {
    double[][] block = problem.block(0, model);
    double[][] x = problem.block(0, 0);
    double[][] y = problem.block(model, model);
    for (int i = 0; i < block.length; i++) {
      for (int j = 0; j < block.length; j++) {
        block[i][j] /= Math.sqrt(x[i][i] * y[j][j]);
      }
    }
    return block;
  }

  /** Whether forbidding any one of the chosen pairs costs something. */
  private static boolean isUnique(double[][] value, int[] chosen) {
    double best = Oracle.sumAt(value, chosen);
    for (int r = 0; r < chosen.length; r++) {
      double[][] without = Oracle.map(value, x -> x);
      without[r][chosen[r]] = Double.NEGATIVE_INFINITY;
      if (Assignment.maximise(Matrix.of(without), WS).value() > best - 1e-9) {
        return false;
      }
    }
    return true;
  }
}
