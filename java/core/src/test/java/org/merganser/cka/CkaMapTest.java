// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Golden;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Maps of layers, and the way from a target back to activations. */
class CkaMapTest {

  @Test
  void debiasedMapOfC() {
    double[][] x = Golden.C.x;
    double[][] two = Oracle.columns(x, new int[] {0, 1});
    double[][] one = Oracle.columns(x, new int[] {2});
    try (CkaMap map = debiased(two, Golden.C.y, x, one)) {
      double[][] values = map.values();
      Close.absolute(
          "row 0", values[0], new double[] {1, 0.4451670305, 0.8838552918, 0.2584777016}, 5.1e-11);
      Close.absolute(
          "row 2", values[2], new double[] {0.8838552918, 0.4850088392, 1, 0.6803215201}, 5.1e-11);
    }
  }

  @Test
  void rbfMapOfC() {
    double[][][] both = {Golden.C.x, Golden.C.y};
    try (CkaMap one = rbf(both, 1);
        CkaMap half = rbf(both, 0.5)) {
      assertThat(one.get(0, 1)).isCloseTo(0.6806324950, within(1e-10));
      assertThat(half.get(1, 0)).isCloseTo(0.8177842095, within(1e-10));
    }
  }

  /** Beside differences of the loss by definition, with bandwidths that stay. */
  @Cases(30)
  void gradientsAreThoseOfDifferences(Draw draw) {
    int b = draw.integer(5, 14);
    double[][][] x = layers(draw, b, draw.integer(2, 5));
    double t = draw.of(Double.NaN, 1.0, 0.5);
    CkaMapLoss.Distance distance = draw.of(CkaMapLoss.Distance.values());
    CkaMapLoss loss = CkaMapLoss.to(target(x.length, draw), 500).withDistance(distance);
    double[] gammas =
        Arrays.stream(x)
            .mapToDouble(each -> 1 / (2 * t * t * Naive.median(Naive.distances(each))))
            .toArray();
    int l = draw.integer(0, x.length - 1);
    double[][] direction = Oracle.gaussian(b, x[l][0].length, draw.seed());
    double along;
    try (CkaMap map = Double.isNaN(t) ? debiased(x) : rbf(x, t)) {
      assertThat(loss.value(map)).isCloseTo(naive(x, gammas, loss, distance), within(1e-9));
      List<Matrix> gradients = loss.gradients(map, WS);
      along = Naive.inner(array(gradients.get(l)), direction);
      gradients.forEach(Matrix::close);
    }
    double[][] kept = x[l];
    double[] values = new double[4];
    double h = 2e-4;
    for (int s = 0; s < 4; s++) {
      x[l] = added(kept, direction, h * (s < 2 ? s - 2 : s - 1));
      values[s] = naive(x, gammas, loss, distance);
    }
    double difference = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h);
    assertThat(along).isCloseTo(difference, within(1e-7 * Math.abs(difference) + 1e-8));
  }

  /** Activations that may go where they like reach any target of two layers. */
  @Test
  void descentReachesTheTarget() {
    double[][][] x = {Oracle.gaussian(12, 3, 1), Oracle.gaussian(12, 4, 2)};
    CkaMapLoss loss = CkaMapLoss.to(CkaTargets.ones(2), 1);
    double before;
    try (CkaMap map = debiased(x)) {
      before = loss.error(map);
    }
    for (int step = 0; step < 400; step++) {
      try (CkaMap map = debiased(x)) {
        List<Matrix> gradients = loss.gradients(map, WS);
        for (int l = 0; l < x.length; l++) {
          x[l] = added(x[l], array(gradients.get(l)), -4);
          gradients.get(l).close();
        }
      }
    }
    try (CkaMap map = debiased(x)) {
      assertThat(before).isGreaterThan(0.3);
      assertThat(loss.error(map)).isLessThan(0.03);
    }
  }

  @Test
  void aDeadLayerIsCountedAndLeftOut() {
    double[][] dead = Oracle.map(Golden.C.y, each -> 0.1);
    CkaMapLoss loss = CkaMapLoss.to(CkaTargets.ones(3), 1);
    for (boolean rbf : new boolean[] {false, true}) {
      double[][][] x = {Golden.C.x, dead, Golden.C.y};
      try (CkaMap map = rbf ? rbf(x, 1) : debiased(x)) {
        assertThat(map.dead()).isEqualTo(1);
        assertThat(map.get(0, 1)).isNaN();
        assertThat(map.get(1, 1)).isNaN();
        double cka = rbf ? 0.6806324950 : 0.4850088392;
        assertThat(map.get(0, 2)).isCloseTo(cka, within(1e-9));
        assertThat(loss.value(map)).isCloseTo(2 * Math.log(Math.cosh(1 - cka)) / 9, within(1e-9));
        assertThat(loss.error(map)).isCloseTo(2 * (1 - cka) / 4, within(1e-9));
        List<Matrix> gradients = loss.gradients(map, WS);
        assertThat(Oracle.flat(array(gradients.get(1)))).containsOnly(0);
        assertThat(Naive.inner(array(gradients.get(0)), array(gradients.get(0)))).isPositive();
        gradients.forEach(Matrix::close);
      }
    }
  }

  @Test
  void targets() {
    assertThat(CkaTargets.ones(2)).isDeepEqualTo(new double[][] {{1, 1}, {1, 1}});
    assertThat(CkaTargets.identity(2)).isDeepEqualTo(new double[][] {{1, 0}, {0, 1}});
    assertThat(CkaTargets.withPair(CkaTargets.identity(3), 0, 2, 0.5))
        .isDeepEqualTo(new double[][] {{1, 0, 0.5}, {0, 1, 0}, {0.5, 0, 1}});
    assertThat(CkaTargets.tree())
        .isDeepEqualTo(
            new double[][] {
              {1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3},
              {0.3, 1, 1, 1, 1, 0.3, 0.3, 0.3},
              {0.3, 1, 1, 1, 0.3, 0.9, 0.3, 0.3},
              {0.3, 1, 1, 1, 1, 1, 1, 1},
              {0.3, 1, 0.3, 1, 1, 1, 1, 0.9},
              {0.3, 0.3, 0.9, 1, 1, 1, 0.3, 0.3},
              {0.3, 0.3, 0.3, 1, 1, 0.3, 1, 0.3},
              {0.3, 0.3, 0.3, 1, 0.9, 0.3, 0.3, 1}
            });
    assertThatThrownBy(() -> CkaTargets.withPair(CkaTargets.ones(3), 1, 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("layers 1 and 1 are no pair of 3");
  }

  @Test
  void refusesWhatIsNoBatchOrTarget() {
    assertThatThrownBy(() -> debiased(new double[0][][]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no layers");
    assertThatThrownBy(() -> debiased(Golden.C.x, Golden.A.x))
        .isInstanceOf(ShapeException.class)
        .hasMessage("layer 0 has 8 samples and layer 1 has 4: all need the same batch");
    double[][] three = Arrays.copyOf(Golden.C.x, 3);
    assertThatThrownBy(() -> debiased(three, three))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("debiased CKA needs at least 4 samples, and there are 3");
    double[][] broken = Oracle.map(Golden.C.y, each -> each == 8 ? Double.NaN : each);
    assertThatThrownBy(() -> debiased(Golden.C.x, broken))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("layer 1")
        .hasMessageContaining("NaN");
    double[][] twice = {{1}, {1}, {1}, {1}, {1}, {2}};
    assertThatThrownBy(() -> rbf(new double[][][] {twice}, 1))
        .isInstanceOf(NumericalException.class)
        .hasMessageContaining("layer 0: the median squared distance of 6 samples is 0");
    assertThatThrownBy(() -> rbf(new double[][][] {twice}, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("bandwidth t is 0.0");
    assertThatThrownBy(() -> CkaMapLoss.to(new double[][] {{1, 0}, {1}}, 1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("row 1 of the target has 1 entries for 2 layers");
    assertThatThrownBy(() -> CkaMapLoss.to(new double[][] {{Double.NaN}}, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("entry (0, 0) of the target is NaN");
    assertThatThrownBy(() -> CkaMapLoss.to(CkaTargets.ones(2), Double.NaN))
        .isInstanceOf(IllegalArgumentException.class);
    try (CkaMap map = debiased(Golden.C.x, Golden.C.y)) {
      assertThatThrownBy(() -> CkaMapLoss.to(CkaTargets.ones(3), 1).value(map))
          .isInstanceOf(ShapeException.class)
          .hasMessage("the target has 3 layers and the map 2");
    }
  }

  /** {@code weight * mean d(M - T)}, by definition; linear where gammas are NaN. */
  private static double naive(
      double[][][] x, double[] gammas, CkaMapLoss loss, CkaMapLoss.Distance distance) {
    double sum = 0;
    double[][] target = loss.target();
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < x.length; j++) {
        double cka =
            Double.isNaN(gammas[i])
                ? Naive.debiased(x[i], x[j])
                : Naive.ckaOfGrams(Naive.rbf(x[i], gammas[i]), Naive.rbf(x[j], gammas[j]));
        double d = cka - target[i][j];
        sum += distance == CkaMapLoss.Distance.SQUARED ? d * d : Math.log(Math.cosh(d));
      }
    }
    return loss.weight() * sum / (x.length * x.length);
  }

  private static double[][][] layers(Draw draw, int b, int count) {
    double[][][] x = new double[count][][];
    for (int l = 0; l < count; l++) {
      x[l] = Oracle.gaussian(b, draw.integer(2, 20), draw.seed());
    }
    return x;
  }

  private static double[][] target(int layers, Draw draw) {
    return Oracle.map(Oracle.gaussian(layers, layers, draw.seed()), Math::tanh);
  }

  private static double[][] added(double[][] x, double[][] direction, double factor) {
    double[][] sum = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      sum[i] = x[i].clone();
      for (int j = 0; j < sum[i].length; j++) {
        sum[i][j] += factor * direction[i][j];
      }
    }
    return sum;
  }

  private static CkaMap debiased(double[][]... x) {
    return of(x, layers -> CkaMap.debiased(layers, WS));
  }

  private static CkaMap rbf(double[][][] x, double t) {
    return of(x, layers -> CkaMap.rbf(layers, t, WS));
  }

  private static CkaMap of(double[][][] x, Function<List<Matrix>, CkaMap> map) {
    List<Matrix> layers = new ArrayList<>();
    for (double[][] each : x) {
      layers.add(Matrix.of(each));
    }
    try {
      return map.apply(layers);
    } finally {
      layers.forEach(Matrix::close);
    }
  }
}
