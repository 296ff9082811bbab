// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.Alignment;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Plain;

class VanillaRnnTest {
  private final Workspace ws = Workspace.builder().threads(1).seed(1).open();

  @AfterEach
  void close() {
    ws.close();
  }

  private static Sequences random(int count, int steps, int width, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[][][] inputs = new float[count][steps][width];
    int[] labels = new int[count];
    for (int i = 0; i < count; i++) {
      for (float[] step : inputs[i]) {
        for (int k = 0; k < width; k++) {
          step[k] = (float) random.nextGaussian();
        }
      }
      labels[i] = random.nextInt(3);
    }
    return Sequences.of(inputs, labels, 3);
  }

  /** Plain loops over one sequence; the inputs of drift are 0. */
  private static double[][] plain(VanillaRnn rnn, MemoryCheckpoint theta, float[] x, int drift) {
    double[] u = theta.tensor(VanillaRnn.U).toDoubleArray();
    double[] v = theta.tensor(VanillaRnn.V).toDoubleArray();
    double[] b = rnn.bias() ? theta.tensor(VanillaRnn.B).toDoubleArray() : new double[rnn.hidden()];
    int steps = x.length / rnn.inputs();
    double[][] h = new double[steps + drift][rnn.hidden()];
    for (int t = 0; t < h.length; t++) {
      for (int i = 0; i < rnn.hidden(); i++) {
        double a = b[i];
        for (int k = 0; t < steps && k < rnn.inputs(); k++) {
          a += u[i * rnn.inputs() + k] * x[t * rnn.inputs() + k];
        }
        for (int j = 0; t > 0 && j < rnn.hidden(); j++) {
          a += v[i * rnn.hidden() + j] * h[t - 1][j];
        }
        h[t][i] = value(rnn.unit(), theta, a, i);
      }
    }
    return h;
  }

  private static double value(RecurrentUnit unit, MemoryCheckpoint theta, double a, int i) {
    if (unit instanceof Gamma) {
      Tensor gain = theta.tensor(VanillaRnn.N);
      double n = gain.get(i % gain.size());
      double s = theta.tensor(VanillaRnn.S).get(i % gain.size());
      return (1 - s) * Math.log1p(Math.exp(n * a)) / n + s / (1 + Math.exp(-n * a));
    }
    return unit == Plain.TANH ? Math.tanh(a) : Math.max(0, a);
  }

  static List<RecurrentUnit> units() {
    List<RecurrentUnit> all = new ArrayList<>(List.of(Plain.values()));
    for (RecurrentUnit.Mode mode : RecurrentUnit.Mode.values()) {
      all.add(Gamma.random(mode));
      all.add(Gamma.of(mode, 2.5, .75));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("units")
  void statesAreThoseOfPlainLoops(RecurrentUnit unit) throws IOException {
    for (boolean bias : new boolean[] {true, false}) {
      VanillaRnn rnn = VanillaRnn.of(4, 7, 3, unit).withPrecision(DType.F64).withBias(bias);
      Sequences data = random(5, 6, 4, 2);
      try (MemoryCheckpoint theta = rnn.initialise(3)) {
        if (bias) {
          theta.tensor(VanillaRnn.B).set(2, 0.5);
        }
        try (RnnSession session = rnn.open(theta, ws)) {
          session.states(
              data,
              3,
              (from, states) -> {
                assertThat(from).isZero();
                assertThat(states.shape()).containsExactly(9, 5, 7);
                for (int s = 0; s < 5; s++) {
                  double[][] wanted;
                  try (Tensor x = data.inputs(s)) {
                    wanted = plain(rnn, theta, x.toFloatArray(), 3);
                  }
                  for (int k = 0; k < 9 * 7; k++) {
                    assertThat(states.get((k / 7 * 5 + s) * 7L + k % 7))
                        .isCloseTo(wanted[k / 7][k % 7], within(1e-12));
                  }
                }
              });
        }
      }
    }
  }

  @Test
  void statesComeInBatchesAndAreTheSameInAll() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 6, 3, Plain.TANH);
    Sequences data = random(1203, 3, 4, 5);
    List<Integer> starts = new ArrayList<>();
    try (MemoryCheckpoint theta = rnn.initialise(3);
        RnnSession session = rnn.open(theta, ws)) {
      List<float[]> last = new ArrayList<>();
      session.states(
          data,
          0,
          (from, states) -> {
            starts.add(from);
            last.add(states.rows(2, 3).toFloatArray());
          });
      assertThat(starts).containsExactly(0, 500, 1000);
      float[][] alone = new float[1][];
      session.states(
          data.select(1202), 0, (from, states) -> alone[0] = states.rows(2, 3).toFloatArray());
      float[] batch = last.get(2);
      for (int i = 0; i < 6; i++) {
        assertThat(batch[batch.length - 6 + i]).isCloseTo(alone[0][i], within(1e-6f));
      }
    }
  }

  @Test
  void tapsAreStatesAndLogitsOfTheLastStep() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 6, 3, Plain.RELU).withPrecision(DType.F64);
    Sequences data = random(5, 4, 4, 5);
    try (MemoryCheckpoint theta = rnn.initialise(3);
        RnnSession session = rnn.open(theta, ws);
        Tensor x = data.inputs(0, 1, 2, 3, 4)) {
      double[][] found = new double[2][];
      session.run(
          x,
          Mode.EVAL,
          Set.of(VanillaRnn.HIDDEN, Network.OUTPUT),
          (tap, tensor) -> {
            boolean states = tap.equals(VanillaRnn.HIDDEN);
            found[states ? 0 : 1] = tensor.toDoubleArray();
            assertThat(tensor.rank()).isEqualTo(states ? 3 : 2);
          });
      double[] last = new double[5 * 6];
      for (int s = 0; s < 5; s++) {
        System.arraycopy(found[0], (s * 4 + 3) * 6, last, s * 6, 6);
      }
      try (Tensor states = Tensor.of(last, 5, 6);
          Tensor logits = session.readout(states)) {
        assertThat(logits.toDoubleArray()).containsExactly(found[1]);
      }
    }
  }

  private double[] outputs(VanillaRnn rnn, Checkpoint theta, Sequences data) throws IOException {
    double[][] found = new double[1][];
    try (RnnSession session = rnn.open(theta, ws);
        Tensor x = data.inputs(0, 1, 2)) {
      session.run(x, Mode.EVAL, Set.of(Network.OUTPUT), (tap, z) -> found[0] = z.toDoubleArray());
    }
    return found[0];
  }

  @ParameterizedTest
  @MethodSource("units")
  void itsMapsOfUnitsKeepTheFunction(RecurrentUnit unit) throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 5, 3, unit).withPrecision(DType.F64);
    int[] order = {3, 0, 4, 1, 2};
    double[] scales =
        unit == Plain.TANH
            ? new double[] {1, -1, -1, 1, -1}
            : unit == Plain.RELU ? new double[] {.5, 2, 3, 1, .25} : new double[] {1, 1, 1, 1, 1};
    Sequences data = random(3, 5, 4, 7);
    try (MemoryCheckpoint theta = rnn.initialise(9)) {
      theta.tensor(VanillaRnn.B).set(1, 0.7);
      Alignment map =
          Alignment.of(
              "planted",
              rnn.architecture(),
              Map.of(VanillaRnn.HIDDEN, ScaledPermutation.of(order, scales)));
      double[] plain = outputs(rnn, theta, data);
      try (Checkpoint moved = map.apply(theta)) {
        double[] found = outputs(rnn, moved, data);
        for (int i = 0; i < plain.length; i++) {
          assertThat(found[i]).isCloseTo(plain[i], within(1e-12));
        }
      }
    }
  }

  @Test
  void aModeIsAdoptedWithTheSameFunction() throws IOException {
    VanillaRnn fixed =
        VanillaRnn.of(4, 5, 3, Gamma.of(RecurrentUnit.Mode.STATIC, 2.5, .25))
            .withPrecision(DType.F64);
    Sequences data = random(3, 4, 4, 1);
    try (MemoryCheckpoint theta = fixed.initialise(2)) {
      double[] plain = outputs(fixed, theta, data);
      for (RecurrentUnit.Mode mode : RecurrentUnit.Mode.values()) {
        VanillaRnn other = fixed.withUnit(Gamma.of(mode, 9, 1));
        try (MemoryCheckpoint adopted = other.adopt(theta, ws);
            MemoryCheckpoint back = fixed.adopt(adopted, ws)) {
          assertThat(outputs(other, adopted, data)).containsExactly(plain);
          assertThat(back.tensor(VanillaRnn.N).sameBytes(theta.tensor(VanillaRnn.N))).isTrue();
        }
      }
      // Different ones become their mean.
      theta.tensor(VanillaRnn.N).set(0, 7.5);
      VanillaRnn shared = fixed.withUnit(Gamma.of(RecurrentUnit.Mode.HOMOGENEOUS, 1, 0));
      try (MemoryCheckpoint adopted = shared.adopt(theta, ws)) {
        assertThat(adopted.tensor(VanillaRnn.N).toDoubleArray()).containsExactly(3.5);
      }
    }
  }

  @Test
  void sigmoidsBeginWhereTheyAreTold() throws IOException {
    Gamma gamma =
        Gamma.of(RecurrentUnit.Mode.HETEROGENEOUS, .01, .25).withConstraint(Constraint.SIGMOID);
    VanillaRnn rnn = VanillaRnn.of(2, 3, 2, gamma).withPrecision(DType.F64);
    try (MemoryCheckpoint theta = rnn.initialise(1);
        RnnSession session = rnn.open(theta, ws)) {
      for (int i = 0; i < 3; i++) {
        assertThat(session.shape().gain().get(i)).isCloseTo(.01, within(1e-15));
        assertThat(session.shape().saturation().get(i)).isCloseTo(.25, within(1e-15));
      }
    }
    assertThatThrownBy(() -> Gamma.of(gamma.mode(), 1, 0).withConstraint(Constraint.SIGMOID))
        .hasMessageContaining("no value of a sigmoid");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, 1e-4, Double.NaN, Double.POSITIVE_INFINITY})
  void gainsNearZeroAreRefused(double gain) {
    assertThatThrownBy(() -> Gamma.of(RecurrentUnit.Mode.STATIC, gain, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("gain");
  }

  @Test
  void theFirstStateThatIsNotFiniteIsNamed() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(1, 2, 3, Plain.RELU).withPrecision(DType.F64);
    float[][][] inputs = new float[3][4][1];
    inputs[2][1][0] = Float.NaN;
    Sequences data = Sequences.of(inputs, new int[3], 3);
    try (MemoryCheckpoint theta = rnn.initialise(1);
        RnnSession session = rnn.open(theta, ws)) {
      assertThatThrownBy(() -> session.states(data, 2, (from, states) -> {}))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("unit 0 is NaN after step 1 of sequence 2");
      assertThatThrownBy(() -> session.score(data))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("unit 0 is NaN after step 1 of sequence 2");
      try (Tensor x = data.inputs(1, 2)) {
        assertThatThrownBy(() -> session.run(x, Mode.EVAL, Set.of(Network.OUTPUT), (tap, z) -> {}))
            .isInstanceOf(NumericalException.class)
            .hasMessageContaining("unit 0 is NaN after step 1 of sequence 1");
      }
    }
  }

  @Test
  void anOutputThatIsNotFiniteIsSaid() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 2, 3, Plain.TANH);
    Sequences data = random(3, 4, 4, 1);
    try (MemoryCheckpoint theta = rnn.initialise(1)) {
      theta.tensor(VanillaRnn.C).set(1, Double.NaN);
      try (RnnSession session = rnn.open(theta, ws);
          Tensor x = data.inputs(0)) {
        assertThatThrownBy(() -> session.score(data))
            .isInstanceOf(NumericalException.class)
            .hasMessage("the loss is NaN; all states are finite");
        assertThatThrownBy(() -> session.run(x, Mode.EVAL, Set.of(Network.OUTPUT), (tap, z) -> {}))
            .isInstanceOf(NumericalException.class)
            .hasMessage("an output is not finite; all states are");
      }
    }
  }

  @Test
  void inputsOfAnotherShapeAreRefused() throws IOException {
    VanillaRnn rnn = VanillaRnn.of(4, 2, 3, Plain.TANH);
    try (MemoryCheckpoint theta = rnn.initialise(1);
        RnnSession session = rnn.open(theta, ws);
        Tensor none = Tensor.zeros(DType.F32, 2, 0, 4);
        Tensor flat = Tensor.zeros(DType.F32, 2, 4)) {
      for (Tensor bad : List.of(none, flat)) {
        assertThatThrownBy(() -> session.run(bad, Mode.EVAL, Set.of(), (tap, z) -> {}))
            .isInstanceOf(ShapeException.class)
            .hasMessageContaining("of at least one step");
      }
      assertThatThrownBy(() -> session.states(random(2, 3, 5, 1), 0, (from, h) -> {}))
          .hasMessageContaining("reads 4 values a step");
    }
  }
}
