// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.analysis.recurrent.Maps.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

class RecurrentMapTest {
  @ParameterizedTest
  @CsvSource({"tanh, 1", "tanh, 7", "relu, 5", "gamma, 1", "gamma, 6"})
  void jacobiansAreThoseOfDifferences(String activation, int size) {
    Nonlinearity f =
        switch (activation) {
          case "tanh" -> Nonlinearity.tanh();
          case "relu" -> Nonlinearity.relu();
          default -> Nonlinearity.gamma(random(size, .5, 8), random(size, 0, 1));
        };
    double[] bias = Maps.states(1, size, 1, 3)[0];
    RecurrentMap map = RecurrentMap.of(Maps.random(size, 1, 4), bias, f);
    double[] state = Maps.states(1, size, 1, 5)[0];
    double[] jacobian = map.jacobian(state);
    double[] kept = Maps.states(1, size * size, 1, 6)[0];
    map.jacobian(state, kept);
    assertThat(kept).isEqualTo(jacobian);
    assertThatThrownBy(() -> map.jacobian(state, new double[size * size + 1]))
        .isInstanceOf(ShapeException.class)
        .hasMessage((size * size + 1) + " elements for a Jacobian of " + size + " units");
    for (int j = 0; j < size; j++) {
      double[] up = state.clone();
      double[] down = state.clone();
      up[j] += 1e-6;
      down[j] -= 1e-6;
      double[] above = map.apply(up);
      double[] below = map.apply(down);
      for (int i = 0; i < size; i++) {
        assertThat(jacobian[i * size + j]).isCloseTo((above[i] - below[i]) / 2e-6, within(1e-8));
      }
    }
  }

  @Test
  void aCheckpointWithTheNamesOfTorch() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("rnn.weight_ih_l0", Tensor.of(new float[] {1, 2, 3, 4}, 2, 2));
    tensors.put("rnn.weight_hh_l0", Tensor.of(new float[] {0, 1, -1, 0}, 2, 2));
    tensors.put("rnn.bias_ih_l0", Tensor.of(new float[] {.5f, 0}, 2));
    tensors.put("rnn.bias_hh_l0", Tensor.of(new float[] {0, .25f}, 2));
    try (MemoryCheckpoint network = MemoryCheckpoint.of(tensors)) {
      RecurrentMap map = RecurrentMap.of(network, "rnn.", Nonlinearity.tanh(), WS);
      double[] next = map.with(new double[] {1, -1}).apply(new double[] {.1, .2});
      assertThat(next[0]).isCloseTo(Math.tanh(.2 + .5 - 1), within(1e-7));
      assertThat(next[1]).isCloseTo(Math.tanh(-.1 + .25 - 1), within(1e-7));
      assertThatThrownBy(() -> map.with(new double[3]))
          .isInstanceOf(ShapeException.class)
          .hasMessage("3 inputs for a layer of 2 units that takes 2");
    }
  }

  /** The step of section 12: rows are scaled, not columns. */
  @Test
  void theJacobianScalesRows() {
    Nonlinearity gamma = Nonlinearity.gamma(new double[] {5, 2}, new double[] {0, 1});
    RecurrentMap map = RecurrentMap.of(Matrix.of(new double[][] {{0, 1}, {-1, 0}}), gamma);
    double[] state = {.39851849, .11592936}; // h_2, which leads to a_3 and h_3
    assertThat(map.apply(state)).containsExactly(new double[] {.20487885, .31065969}, within(1e-8));
    assertThat(map.jacobian(state))
        .containsExactly(new double[] {0, .64098614, -.4283005, 0}, within(1e-8));
    StepJacobian found = StepJacobian.along(map, new double[][] {state}, WS).get(0);
    assertThat(found.spectrum().imaginary()[0]).isCloseTo(.52396057, within(1e-8));
    assertThat(found.spectrum().real()[0]).isCloseTo(0, within(1e-12));
    assertThat(found.singularValues().get(0)).isCloseTo(.64098614, within(1e-8));
    assertThat(found.singularValues().get(1)).isCloseTo(.4283005, within(1e-8));
    assertThat(found.frobenius()).isCloseTo(Math.hypot(.64098614, .4283005), within(1e-8));
    assertThat(found.summed()).isCloseTo(.64098614, within(1e-8));
    assertThat(found.spectrum().period(0)).isCloseTo(4, within(1e-12));
  }

  @Test
  void whatIsNotFiniteIsNamed() throws IOException {
    String rest = "; a map needs finite weights, of a network that did not diverge";
    Matrix weights = Matrix.zeros(3, 3);
    weights.set(1, 2, Double.NaN);
    assertThatThrownBy(() -> RecurrentMap.of(weights, Nonlinearity.tanh()))
        .isInstanceOf(NumericalException.class)
        .hasMessage("V is NaN in row 1, column 2" + rest);
    double[] bias = {0, 0, Double.NEGATIVE_INFINITY};
    assertThatThrownBy(() -> RecurrentMap.of(Matrix.zeros(3, 3), bias, Nonlinearity.tanh()))
        .isInstanceOf(NumericalException.class)
        .hasMessage("the bias is -Infinity in row 2" + rest);
    RecurrentMap map = RecurrentMap.of(Matrix.zeros(3, 3), Nonlinearity.tanh());
    assertThatThrownBy(() -> map.withInputWeights(weights))
        .isInstanceOf(NumericalException.class)
        .hasMessage("U is NaN in row 1, column 2" + rest);
    assertThatThrownBy(() -> Nonlinearity.gamma(new double[] {5, Double.NaN}, new double[2]))
        .isInstanceOf(NumericalException.class)
        .hasMessage("the gain of unit 1 is NaN; take that of a network that did not diverge");
    assertThatThrownBy(
            () -> Nonlinearity.gamma(new double[] {5}, new double[] {Double.POSITIVE_INFINITY}))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("the saturation of unit 0 is Infinity");
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("weight_hh_l0", Tensor.of(new float[] {0, 1, -1, Float.NaN}, 2, 2));
    try (MemoryCheckpoint network = MemoryCheckpoint.of(tensors)) {
      assertThatThrownBy(() -> RecurrentMap.of(network, "", Nonlinearity.tanh(), WS))
          .isInstanceOf(NumericalException.class)
          .hasMessage("weight_hh_l0 is NaN in row 1, column 1" + rest);
    }
  }

  private static double[] random(int count, double from, double to) {
    return Seeds.stream(count, "shapes").doubles(count, from, to).toArray();
  }

  @Test
  void aShapeForEachUnitOrOneForAll() {
    Nonlinearity two = Nonlinearity.gamma(new double[] {5, 2}, new double[] {0, 1});
    assertThatThrownBy(() -> RecurrentMap.of(Matrix.zeros(3, 3), two))
        .isInstanceOf(ShapeException.class)
        .hasMessage("2 gains and saturations for 3 units");
    assertThatThrownBy(() -> Nonlinearity.gamma(new double[1], new double[2]))
        .isInstanceOf(ShapeException.class)
        .hasMessage("1 gains and 2 saturations; as many of both, or one");
    assertThat(Nonlinearity.gamma(new double[] {20}, new double[] {1}).maxSlope(7)).isEqualTo(5);
  }

  @Test
  void theRegionThatCanExplodeEndsAtItsBoundary() {
    assertThat(ExplodingRegion.boundary(9)).isCloseTo(.25, within(1e-15));
    assertThat(ExplodingRegion.boundary(4)).isInfinite();
    for (double gain : new double[] {1, 4, 4.5, 6, 9, 20}) {
      for (double s = 0; s <= 1; s += 1.0 / 64) {
        boolean beyond = ExplodingRegion.contains(gain, s);
        assertThat(beyond).as(gain + ", " + s).isEqualTo(s > ExplodingRegion.boundary(gain));
      }
    }
  }

  @Test
  void spectraAreSortedByModulus() {
    Matrix a = Matrix.of(new double[][] {{.5, 0, 0}, {0, 0, -2}, {0, 2, 0}});
    Spectrum spectrum = Spectrum.of(a, WS);
    assertThat(spectrum.radius()).isCloseTo(2, within(1e-14));
    assertThat(spectrum.imaginary()).containsExactly(new double[] {2, -2, 0}, within(1e-14));
    assertThat(spectrum.unstable()).isEqualTo(2);
    assertThat(List.of(spectrum.period(0), spectrum.period(2)))
        .containsExactly(4.0, Double.POSITIVE_INFINITY);
  }

  /** 4 x 9 has as many elements as 6 x 6; an LSTM has [4H x H]. */
  @ParameterizedTest
  @CsvSource({"4, 9", "8, 2", "9, 4"})
  void recurrentWeightsAreSquare(int rows, int columns) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("weight_hh_l0", Tensor.of(new float[rows * columns], rows, columns));
    try (MemoryCheckpoint network = MemoryCheckpoint.of(tensors)) {
      assertThatThrownBy(() -> RecurrentMap.of(network, "", Nonlinearity.tanh(), WS))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("weight_hh_l0 is F32 [%d, %d], not square", rows, columns);
    }
  }

  @Test
  void inputsOfAnotherTypeAreRefusedWithTheStep() {
    RecurrentMap map =
        RecurrentMap.of(Maps.random(3, 1, 2), Nonlinearity.tanh())
            .withInputWeights(Matrix.zeros(3, 2));
    try (Orbits orbits = new Orbits(map, 2, WS);
        Matrix wide = Matrix.zeros(2, 2);
        Matrix narrow = Matrix.of(Tensor.of(new float[4], 2, 2))) {
      orbits.advance(wide);
      assertThatThrownBy(() -> orbits.advance(narrow))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("step 2 takes inputs of F64, not ");
    }
  }
}
