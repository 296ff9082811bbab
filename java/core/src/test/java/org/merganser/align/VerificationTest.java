// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.align.Verification.LayerFit;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.LinearStack;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Oracle;

/** What makes an alignment doubtful is said, with its numbers; what holds is left alone. */
class VerificationTest {
  private static final int WIDTH = 7;

  @TempDir Path folder;

  static Stream<Arguments> methodsAndSizes() {
    return Catalogue.aligners().ids().stream()
        .filter(id -> !id.equals("identity"))
        .flatMap(
            id ->
                Stream.of(
                    Arguments.of(id, 100, 4),
                    Arguments.of(id, 300, 12),
                    Arguments.of(id, 2000, 24),
                    Arguments.of(id, 400, 60)));
  }

  /** Whatever the features of one model have to do with each other. */
  @ParameterizedTest
  @MethodSource("methodsAndSizes")
  void unrelatedActivationsAreToldFromRelatedOnes(String method, int samples, int width) {
    for (int seed = 0; seed < 6; seed++) {
      double[][] x = features(samples, width, seed);
      double[][] unrelated = features(samples, width, 100 + seed);
      double[][] related = features(samples, width, seed);
      double[][] noise = features(samples, width, 200 + seed);
      for (int i = 0; i < samples; i++) {
        for (int j = 0; j < width; j++) {
          related[i][j] = x[i][(j + 1) % width] + 0.5 * noise[i][j];
        }
      }
      String text = method + " " + samples + " x " + width + " seed " + seed;
      Verification none = align(method, x, unrelated).verify(WS);
      assertThat(none.warnings())
          .as(text)
          .anyMatch(w -> w.startsWith("space 's': matched features correlate by "))
          .anyMatch(w -> w.contains("of " + samples + " samples and " + width + " features would"));
      assertThat(align(method, x, related).verify(WS).warnings())
          .as(text)
          .noneMatch(w -> w.contains("correlate"));
    }
  }

  /** Positive, skewed, and with something in common, as after a ReLU. */
  private static double[][] features(int samples, int width, long seed) {
    double[][] x = Oracle.gaussian(samples, width + 1, seed);
    double[][] result = new double[samples][width];
    for (int i = 0; i < samples; i++) {
      for (int j = 0; j < width; j++) {
        result[i][j] = Math.max(0, (1 + j % 3) * x[i][j] + 0.7 * x[i][width] + 0.2);
      }
    }
    return result;
  }

  private static Alignment align(String method, double[][] x, double[][] y) {
    Architecture architecture = Activations.oneSpace(x[0].length, MapFamily.PERMUTATION);
    Moments moments = Moments.of(Map.of("s", Activations.moments(Precision.F64, WS, x, y)));
    return Catalogue.aligner(method).align(AlignmentProblem.of(architecture, moments), WS).of(1);
  }

  @Test
  void chanceIsThatOfTheFormula() {
    SpaceAlignment pairs =
        align("permutation", features(400, 9, 1), features(400, 9, 2)).spaces().get("s");
    assertThat(pairs.evidence().samples()).isEqualTo(400);
    assertThat(pairs.evidence().fit()).isEqualTo(pairs.score());
    assertThat(pairs.evidence().chance())
        .isCloseTo(Math.sqrt(2 * Math.log(9) / 400), within(1e-12));
    SpaceAlignment dense = align("cca", features(400, 9, 1), features(400, 9, 2)).spaces().get("s");
    assertThat(dense.evidence().chance())
        .isCloseTo(8 / (3 * Math.PI) * Math.sqrt(9.0 / 400), within(1e-12));
    assertThat(align("procrustes", features(5, 9, 1), features(5, 9, 2)).verify(WS).warnings())
        .contains(
            "space 's': 5 samples for 9 features; give more samples than features, better 30 times"
                + " as many");
  }

  @Test
  void evidenceIsKeptInTheFile() throws IOException {
    Alignment found = align("permutation", features(100, 4, 1), features(100, 4, 2));
    Path file = folder.resolve("maps.mgalign");
    found.save(file, WS);
    Alignment loaded = Alignment.load(file, WS);
    assertThat(loaded.spaces().get("s").evidence()).isEqualTo(found.spaces().get("s").evidence());
    assertThat(loaded.verify(WS).warnings()).isEqualTo(found.verify(WS).warnings()).isNotEmpty();
    assertThat(found.inverse().verify(WS).warnings()).isEqualTo(found.verify(WS).warnings());
  }

  @Test
  void illConditionedMapsAreSaid() {
    Matrix t = Matrix.of(new double[][] {{1, 0}, {0, 1e-4}});
    Matrix inverse = Matrix.of(new double[][] {{1, 0}, {0, 1e4}});
    Alignment alignment =
        Alignment.of(
            "test",
            Activations.oneSpace(2, MapFamily.ANY_LINEAR),
            Map.of("s", LinearMap.of(t, inverse)));
    assertThat(alignment.verify(WS).warnings())
        .containsExactly(
            "space 's': the condition number of the map is 1.00e+04; it multiplies noise in the"
                + " weights; raise gamma or give more samples");
  }

  /** A network shows a binding that is missing, although all maps are permutations. */
  @Test
  void aForgottenBindingIsMeasuredWithANetwork() throws IOException {
    JavaNetwork network = JavaNetwork.mlp(Activation.RELU, 5, 8, 6, 3);
    MemoryCheckpoint model = network.random(DType.F32, 1, WS);
    for (boolean forget : new boolean[] {false, true}) {
      Architecture.Builder builder = Architecture.builder();
      Map<String, FeatureMap> maps = new LinkedHashMap<>();
      network
          .architecture()
          .spaces()
          .forEach(
              space -> {
                List<Binding> bindings = new ArrayList<>(space.bindings());
                bindings.removeIf(b -> forget && b.tensor().equals("fc2.weight"));
                builder.space(
                    space.id(), space.width(), space.symmetry(), bindings.toArray(Binding[]::new));
                maps.put(
                    space.id(), ScaledPermutation.of(Oracle.permutation((int) space.width(), 3)));
              });
      Alignment alignment = Alignment.of("test", builder.build(), maps);
      assertThat(alignment.isExact()).isTrue();
      Verification measured =
          alignment.verify(network, model, JavaNetwork.inputs(Oracle.gaussian(40, 5, 2), 20), WS);
      Verification declared = alignment.verify(model, WS);
      if (forget) {
        assertThat(measured.warnings()).hasSize(1);
        assertThat(measured.warnings().get(0))
            .startsWith("all maps keep the function by their family, but the outputs change by ");
        assertThat(declared.warnings())
            .containsExactly(
                "space 'fc1': no weight reads it (no weight-in binding), so its map changes what"
                    + " the network computes; a binding is missing, or it is an output and should"
                    + " be fixed",
                "1 axis has 6 entries that nothing binds, as many as space fc1: 'fc2.weight' axis"
                    + " 1; right for inputs and outputs, else a binding is missing");
      } else {
        assertThat(measured.warnings()).isEmpty();
        assertThat(declared.warnings()).isEmpty();
      }
    }
  }

  @Test
  void inputsAndOutputsThatAreDeclaredFixedLeaveNoDoubt() {
    MemoryCheckpoint model =
        MemoryCheckpoint.of(
            Map.of(
                "in.weight", Tensor.zeros(DType.F32, 4, 4), "steps", Tensor.zeros(DType.F32, 4)));
    Binding write = Binding.of("in.weight", 0, Role.WEIGHT_OUT);
    Binding read = Binding.of("in.weight", 1, Role.WEIGHT_IN);
    assertThat(
            Architecture.builder()
                .space("out", 4, MapFamily.PERMUTATION, write)
                .build()
                .doubts(model))
        .hasSize(2)
        .anyMatch(
            doubt ->
                doubt.startsWith("2 axes have 4 entries that nothing binds, as many as space out:")
                    && doubt.contains("'in.weight' axis 1")
                    && doubt.contains("'steps' axis 0"));
    assertThat(
            Architecture.builder()
                .space("in", 4, MapFamily.FIXED, read)
                .space("out", 4, MapFamily.FIXED, write)
                .counter("steps")
                .build()
                .doubts(model))
        .isEmpty();
  }

  @Test
  void manyUnboundAxesAreCountedAndAFewNamed() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (int i = 0; i < 50; i++) {
      tensors.put("t" + i, Tensor.zeros(DType.F32, 3));
    }
    List<String> doubts =
        Architecture.builder()
            .space(
                "s",
                3,
                MapFamily.PERMUTATION,
                Binding.of("t0", 0, Role.WEIGHT_OUT),
                Binding.of("t1", 0, Role.WEIGHT_IN))
            .build()
            .doubts(MemoryCheckpoint.of(tensors));
    assertThat(doubts)
        .containsExactly(
            "48 axes have 3 entries that nothing binds, as many as space s: 't2' axis 0, 't3' axis"
                + " 0, 't4' axis 0, 't5' axis 0, 't6' axis 0, 't7' axis 0 and 42 more; right for"
                + " inputs and outputs, else a binding is missing");
  }

  /** Three layers of one width with f between them, and the activations of both spaces. */
  private MemoryCheckpoint stack(DoubleUnaryOperator f, boolean before, DType dtype)
      throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    double[][] h = Oracle.gaussian(50, WIDTH, 5);
    SplittableRandom random = new SplittableRandom(6);
    for (int k = 0; k < 3; k++) {
      Tensor weight = gaussian(random, WIDTH * WIDTH, dtype).reshape(WIDTH, WIDTH);
      Tensor bias = gaussian(random, WIDTH, dtype);
      tensors.put("fc" + k + ".weight", weight);
      tensors.put("fc" + k + ".bias", bias);
      double[] z = new double[50 * WIDTH];
      double[] next = new double[z.length];
      for (int i = 0; i < z.length; i++) {
        z[i] = bias.get(i % WIDTH);
        for (int j = 0; j < WIDTH; j++) {
          z[i] += weight.get(i % WIDTH * WIDTH + j) * h[i / WIDTH][j];
        }
        next[i] = f.applyAsDouble(z[i]);
      }
      for (int s = 0; s < 50; s++) {
        System.arraycopy(next, s * WIDTH, h[s], 0, WIDTH);
      }
      Npy.write(
          host(Tensor.of(DType.F32, before ? z : next, WS)).reshape(50, WIDTH),
          folder.resolve("fc" + k + ".npy"));
    }
    return MemoryCheckpoint.of(tensors);
  }

  private static Tensor gaussian(SplittableRandom random, int count, DType dtype) {
    double[] values = random.doubles(count).map(u -> 2 * u - 1).toArray();
    return host(Tensor.of(dtype, values, WS));
  }

  private static Alignment reversed(Architecture architecture) {
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    int[] order = new int[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      order[i] = WIDTH - 1 - i;
    }
    architecture.spaces().forEach(s -> maps.put(s.id(), ScaledPermutation.of(order)));
    return Alignment.of("test", architecture, maps);
  }

  static Stream<Arguments> nonlinearities() {
    return Stream.of(
        Arguments.of("relu", (DoubleUnaryOperator) z -> Math.max(0, z)),
        Arguments.of("leaky_relu", (DoubleUnaryOperator) z -> Math.max(0.01 * z, z)),
        Arguments.of("tanh", (DoubleUnaryOperator) Math::tanh),
        Arguments.of("sigmoid", (DoubleUnaryOperator) z -> 1 / (1 + Math.exp(-z))),
        Arguments.of("silu", (DoubleUnaryOperator) z -> z / (1 + Math.exp(-z))),
        Arguments.of("elu", (DoubleUnaryOperator) z -> z > 0 ? z : Math.expm1(z)));
  }

  @ParameterizedTest
  @MethodSource("nonlinearities")
  void activationsAreRecomputedFromThoseBefore(String name, DoubleUnaryOperator f)
      throws IOException {
    MemoryCheckpoint model = stack(f, false, DType.F32);
    Alignment alignment = reversed(LinearStack.infer(model));
    Verification checks = alignment.verify(model, folder, WS);
    assertThat(checks.warnings()).isEmpty();
    LayerFit fit = checks.measured("fc1").orElseThrow();
    assertThat(checks.layers()).containsExactly(fit);
    assertThat(fit.from()).isEqualTo("fc0");
    assertThat(fit.nonlinearity()).isEqualTo(name);
    assertThat(fit.beforeNonlinearity()).isFalse();
    assertThat(fit.error()).isLessThan(1e-6);
    assertThat(fit.change()).isLessThan(1e-6);
    assertThat(checks.measured("fc0")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"F16, 1e-3", "BF16, 1e-2"})
  void roundingOfWeightsIsNoContradiction(DType dtype, double tolerance) throws IOException {
    MemoryCheckpoint model = stack(z -> Math.max(0, z), false, dtype);
    Verification checks = reversed(LinearStack.infer(model)).verify(model, folder, WS);
    assertThat(checks.warnings()).isEmpty();
    assertThat(checks.measured("fc1").orElseThrow().change()).isLessThan(tolerance);
  }

  /** So that the numbers above could be others: a rotation does not pass a ReLU. */
  @Test
  void whatADenseMapChangesIsMeasured() throws IOException {
    MemoryCheckpoint model = stack(z -> Math.max(0, z), false, DType.F32);
    Architecture architecture = LinearStack.infer(model);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    LinearMap rotation = LinearMap.orthogonal(Matrix.of(Oracle.orthogonal(WIDTH, 4)));
    architecture.spaces().forEach(s -> maps.put(s.id(), rotation));
    Verification checks = Alignment.of("test", architecture, maps).verify(model, folder, WS);
    LayerFit fit = checks.measured("fc1").orElseThrow();
    assertThat(fit.error()).isLessThan(1e-6);
    assertThat(fit.change()).isGreaterThan(0.05);
  }

  @Test
  void aWrongOrderOrOtherActivationsContradict() throws IOException {
    MemoryCheckpoint model = stack(z -> Math.max(0, z), false, DType.F32);
    Verification checks =
        reversed(LinearStack.infer(model, List.of("fc1", "fc0", "fc2"))).verify(model, folder, WS);
    assertThat(checks.layers()).hasSize(1);
    assertThat(checks.layers().get(0).contradicts()).isTrue();
    assertThat(checks.measured("fc0")).isEmpty();
    assertThat(checks.warnings()).hasSize(1);
    assertThat(checks.warnings().get(0))
        .startsWith("spaces 'fc1' and 'fc0': ")
        .contains("the order of the layers, the places where activations were taken,");
  }

  /** In one space or in both. */
  @ParameterizedTest
  @ValueSource(strings = {"fc0 fc1", "fc0", "fc1"})
  void activationsTakenBeforeTheNonlinearityAreNoticed(String early) throws IOException {
    for (String space : List.of("fc0", "fc1")) {
      MemoryCheckpoint written = stack(z -> Math.max(0, z), early.contains(space), DType.F32);
      Files.move(folder.resolve(space + ".npy"), folder.resolve(space + ".kept"));
      written.close();
    }
    for (String space : List.of("fc0", "fc1")) {
      Files.move(folder.resolve(space + ".kept"), folder.resolve(space + ".npy"), REPLACE_EXISTING);
    }
    Path kept = folder;
    folder = Files.createDirectory(kept.resolve("model"));
    MemoryCheckpoint model = stack(z -> Math.max(0, z), false, DType.F32);
    Verification checks = reversed(LinearStack.infer(model)).verify(model, kept, WS);
    assertThat(checks.measured("fc1")).isEmpty();
    assertThat(checks.warnings())
        .containsExactly(
            "spaces 'fc0' and 'fc1': the activations of "
                + (early.contains("fc0")
                    ? "'fc0' were taken before the nonlinearity (relu); take them after it"
                    : "'fc1' are W h + b with no nonlinearity: taken before it, or there is none"));
  }

  /** Functions of no list: recognised as functions, so nothing is refused, and nothing claimed. */
  @Test
  void anUnknownNonlinearityIsNoContradiction() throws IOException {
    MemoryCheckpoint model = stack(z -> z * Math.sin(z) + 3, false, DType.F32);
    Verification checks = reversed(LinearStack.infer(model)).verify(model, folder, WS);
    LayerFit fit = checks.layers().get(0);
    assertThat(fit.fits()).isFalse();
    assertThat(fit.disorder()).isLessThan(0.1);
    assertThat(checks.measured("fc1")).isEmpty();
    assertThat(checks.warnings()).isEmpty();
  }
}
