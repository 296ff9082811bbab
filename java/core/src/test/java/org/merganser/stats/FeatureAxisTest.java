// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Inputs;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Tokens by features as well as channels first: the space names the axis of its features. */
class FeatureAxisTest {
  private static final int SAMPLES = 11;
  private static final int TOKENS = 6;
  private static final int FEATURES = 4;

  /** [samples x tokens x features] as rows of one token each. */
  private static final double[][] X = Oracle.gaussian(SAMPLES * TOKENS, FEATURES, 1);

  private static final double[][] Y = Oracle.gaussian(SAMPLES * TOKENS, FEATURES, 2);
  private static final SpaceMoments WANTED = Activations.moments(Precision.F64, WS, X, Y);

  private static final Moments.Options F64 =
      new Moments.Options(Precision.F64, NonFinite.FAIL, 1L << 30);

  @TempDir Path root;

  /** 2 of 3, or the last; also with a further axis of samples, or of positions behind. */
  @ParameterizedTest
  @CsvSource({
    "2, 11 6 4",
    "-1, 11 6 4",
    "3, 11 2 3 4",
    "-1, 11 2 3 4",
    "1, 66 4",
    "-1, 66 4",
    "2, 11 6 4 1"
  })
  void activationsInMemory(int axis, String dims) {
    long[] shape = shape(dims);
    try (MomentAccumulator accumulator = Activations.accumulator(Precision.F64, WS, X, Y)) {
      accumulator.update(List.of(tensor(X, shape), tensor(Y, shape)), axis);
      assertWanted(accumulator.moments());
    }
  }

  @Test
  void positionsMayStandOnBothSides() {
    double[][] rows = Oracle.gaussian(4 * 3, FEATURES, 5);
    // [2 samples x 2 x features x 3]: the last axis varies fastest.
    double[] flat = new double[12 * FEATURES];
    for (int outer = 0; outer < 4; outer++) {
      for (int f = 0; f < FEATURES; f++) {
        for (int inner = 0; inner < 3; inner++) {
          flat[(outer * FEATURES + f) * 3 + inner] = rows[outer * 3 + inner][f];
        }
      }
    }
    try (MomentAccumulator accumulator = Activations.accumulator(Precision.F64, WS, rows)) {
      accumulator.update(List.of(Tensor.of(flat, 2, 2, FEATURES, 3)), -2);
      SpaceMoments found = accumulator.moments();
      assertThat(found.samples()).isEqualTo(12);
      Close.relative(
          "covariance", array(found.covariance(0, 0, WS)), Oracle.covariance(rows, rows), 1e-13);
    }
  }

  @Test
  void activationsInFiles() throws IOException {
    for (String model : List.of("a", "b")) {
      Files.createDirectory(root.resolve(model));
      Npy.write(
          tensor(model.equals("a") ? X : Y, SAMPLES, TOKENS, FEATURES),
          root.resolve(model).resolve("s.npy"));
    }
    List<Path> folders = List.of(root.resolve("a"), root.resolve("b"));
    try (Moments found = Moments.fromFiles(architecture(-1), folders, Activations.ALL, F64, WS)) {
      assertWanted(found.space("s"));
    }
    assertThatThrownBy(() -> Moments.fromFiles(architecture(1), folders, Activations.ALL, F64, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining(
            "the space has 4 features, and they come last: give the space \"feature-axis\": -1");
    assertThatThrownBy(() -> Moments.fromFiles(architecture(3), folders, Activations.ALL, F64, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("needed [samples, 4], features on axis 3");
  }

  @Test
  void activationsOfANetwork() throws IOException {
    MemoryCheckpoint a = MemoryCheckpoint.of(Map.of("in.weight", weight(X)));
    MemoryCheckpoint b = MemoryCheckpoint.of(Map.of("in.weight", weight(Y)));
    try (Moments found =
        Moments.collect(new Tokens(), List.of(a, b), new Ones(), Activations.ALL, F64, WS)) {
      assertWanted(found.space("s"));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, -2, -3, 0})
  void anAxisThatIsNotThereIsRefused(int axis) {
    try (MomentAccumulator accumulator = Activations.accumulator(Precision.F64, WS, X)) {
      assertThatThrownBy(
              () -> accumulator.update(List.of(tensor(X, SAMPLES * TOKENS, FEATURES)), axis))
          .isInstanceOf(ShapeException.class)
          .hasMessage("activations of space 's' are F64 [66, 4]: no features on axis " + axis);
    }
  }

  @Test
  void samplesAreNoFeatures() {
    FeatureSpace space = architecture(1).space("s");
    assertThatThrownBy(() -> space.withFeatureAxis(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("space 's' has its features on axis 0, which is that of the samples");
  }

  private static void assertWanted(SpaceMoments found) {
    assertThat(found.samples()).isEqualTo(SAMPLES * TOKENS);
    Close.relative("mean", found.mean(1), WANTED.mean(1), 1e-12);
    WANTED
        .blocks()
        .forEach(
            (pair, block) ->
                Close.relative(
                    "block " + pair, array(found.block(pair.i(), pair.j())), array(block), 1e-12));
  }

  private static Architecture architecture(int axis) {
    FeatureSpace space =
        Activations.oneSpace(FEATURES, MapFamily.PERMUTATION).space("s").withFeatureAxis(axis);
    return Architecture.builder().space(space).build();
  }

  private static long[] shape(String dims) {
    return List.of(dims.split(" ")).stream().mapToLong(Long::parseLong).toArray();
  }

  private static Tensor tensor(double[][] rows, long... shape) {
    return Activations.tensor(DType.F64, rows, WS).reshape(shape);
  }

  private static Tensor weight(double[][] rows) {
    return tensor(rows, FEATURES, (long) SAMPLES * TOKENS);
  }

  /** Gives its parameters as activations [samples x tokens x features]. */
  private static final class Tokens implements Network {
    @Override
    public Architecture architecture() {
      FeatureSpace space = FeatureAxisTest.architecture(-1).space("s");
      return Architecture.builder()
          .space(
              new FeatureSpace(
                  "s", FEATURES, MapFamily.PERMUTATION, -1, List.of(space.bindings().get(0))))
          .build();
    }

    @Override
    public Session open(Checkpoint theta, Workspace ws) throws IOException {
      Tensor values = theta.read("in.weight", ws);
      return new Session() {
        @Override
        public void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out)
            throws IOException {
          out.accept("s", values.reshape(SAMPLES, TOKENS, FEATURES));
        }

        @Override
        public void close() {
          values.close();
        }
      };
    }
  }

  /** One batch. */
  private static final class Ones implements Inputs {
    @Override
    public Iterator<Tensor> open(long seed) {
      return List.of(Tensor.zeros(DType.F64, SAMPLES, 1)).iterator();
    }

    @Override
    public long samples() {
      return SAMPLES;
    }
  }
}
