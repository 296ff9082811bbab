// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

class SlerpMergerTest {
  private static final double[] A = {1, 2, 2};
  private static final double[] C = {2, -1, 2};

  @Test
  void betweenTwoVectors() throws IOException {
    check(.25, A, C, 1.437542051, 1.345677696, 2.263321539);
    check(.5, A, C, 1.765045216, .588348405, 2.353393622);
    check(0, A, C, A);
    check(1, A, C, C);
    // Parallel ones, and a zero one, whose angle counts as a right one.
    check(.25, A, new double[] {2, 4, 4}, 1.25, 2.5, 2.5);
    double root = Math.sqrt(.5);
    check(.5, A, new double[3], root, 2 * root, 2 * root);
  }

  /** Their squares are beyond F64. */
  @Test
  void vectorsOfAnySize() throws IOException {
    double[] a = new double[3];
    double[] c = new double[3];
    double[] expected = {1.437542051e300, 1.345677696e300, 2.263321539e300};
    for (int i = 0; i < 3; i++) {
      a[i] = A[i] * 1e300;
      c[i] = C[i] * 1e300;
    }
    check(.25, a, c, expected);
    for (double size : new double[] {1e153, 1e155, 1e160, 1e200, 1e300}) {
      for (int i = 0; i < 3; i++) {
        a[i] = A[i] * size;
      }
      check(.25, a, C, slerp(.25, a, C));
      check(.25, C, a, slerp(.25, C, a));
    }
  }

  /** With the angle of A and C, which lengths do not change. */
  private static double[] slerp(double t, double[] a, double[] c) {
    double angle = Math.acos(cosine(A, C));
    double[] between = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      between[i] =
          (Math.sin((1 - t) * angle) * a[i] + Math.sin(t * angle) * c[i]) / Math.sin(angle);
    }
    return between;
  }

  private static double cosine(double[] a, double[] c) {
    double dot = 0;
    double aa = 0;
    double cc = 0;
    for (int i = 0; i < a.length; i++) {
      dot += a[i] * c[i];
      aa += a[i] * a[i];
      cc += c[i] * c[i];
    }
    return dot / Math.sqrt(aa * cc);
  }

  @Test
  void hugeNumbersHaveNoArc() {
    SlerpMerger far = SlerpMerger.of(SlerpMerger.Options.defaults().withT(Double.MAX_VALUE));
    Checkpoint merged =
        far.merge(MergeProblem.of(model(new double[] {1, 0}), model(new double[] {0, 1})), WS);
    assertThatThrownBy(() -> merged.read("w", WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "slerp at 1.7976931348623157E308: the weights of 'w' are [NaN, NaN]; take t nearer to 0 and 1");
  }

  @Test
  void badOptionsAreRefused() {
    assertThatThrownBy(() -> SlerpMerger.Options.defaults().withT(Double.NaN))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("t must be finite, not NaN");
  }

  private static void check(double t, double[] a, double[] c, double... expected)
      throws IOException {
    SlerpMerger merger = SlerpMerger.of(SlerpMerger.Options.defaults().withT(t));
    Checkpoint merged = merger.merge(MergeProblem.of(model(a), model(c)), WS);
    Close.relative(merger.toString(), merged.read("w", WS).toDoubleArray(), expected, 1e-9);
  }

  private static Checkpoint model(double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(DType.F64, values, WS)));
  }
}
