// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.transformer.TransformerConfig.Activation;

/**
 * Each operation over its sizes, values and gradients in F64 and F32: libtorch 2.10 computes some
 * convolutions and LSTMs wrongly on the CPU, depending on sizes.
 */
class OperationsTest {
  /** Of the largest value: F64 against loops, F32 against them, gradients against differences. */
  private static final double DOUBLE = 1e-12;

  private static final double FLOAT = 1e-5;
  private static final double DIFFERENCE = 1e-7;

  private static final double STEP = 1e-5;

  /** Every small size, and those around the edges of blocks of large ones. */
  private static IntStream sizes() {
    return IntStream.concat(IntStream.rangeClosed(1, 66), IntStream.of(95, 127, 128, 129, 257));
  }

  @Test
  void rows() throws IOException {
    check(sizes().mapToObj(d -> PlainOperation.rows(1 + d % 9, 5 + d % 4, d)));
    check(sizes().mapToObj(n -> PlainOperation.rows(n, 40, 6)));
  }

  @Test
  void linear() throws IOException {
    check(sizes().mapToObj(in -> PlainOperation.linear(1 + in % 7, in, 16, in % 2 == 0)));
    check(sizes().mapToObj(out -> PlainOperation.linear(1 + out % 5, 16, out, out % 2 == 0)));
    check(sizes().mapToObj(n -> PlainOperation.linear(n, 24, 1 + n % 17, n % 2 == 0)));
    check(Stream.of(PlainOperation.linear(40, 576, 192, false)));
  }

  @Test
  void rmsNorm() throws IOException {
    // Of one feature it hardly depends on it.
    check(sizes().skip(1).mapToObj(d -> PlainOperation.rmsNorm(1 + d % 5, d)));
    check(sizes().mapToObj(n -> PlainOperation.rmsNorm(n, 17)));
  }

  @Test
  void layerNorm() throws IOException {
    // Of one feature it is the shift, and a large rounding error of 0 in F32.
    check(sizes().skip(1).mapToObj(d -> PlainOperation.layerNorm(1 + d % 5, d)));
    check(sizes().mapToObj(n -> PlainOperation.layerNorm(n, 17)));
  }

  @ParameterizedTest
  @EnumSource
  void activation(Activation activation) throws IOException {
    check(sizes().mapToObj(n -> PlainOperation.activation(activation, n)));
  }

  @Test
  void rotate() throws IOException {
    check(sizes().mapToObj(half -> PlainOperation.rotate(1, 1 + half % 3, 4, 2 * half)));
    check(sizes().mapToObj(tokens -> PlainOperation.rotate(2, 2, tokens, 8)));
  }

  @Test
  void attend() throws IOException {
    check(sizes().mapToObj(t -> PlainOperation.attend(1 + t % 2, 4, 2, t, 8, t % 3 > 0)));
    check(sizes().mapToObj(size -> PlainOperation.attend(2, 2, 1, 5, size, size % 2 == 0)));
    check(
        IntStream.rangeClosed(1, 16)
            .boxed()
            .flatMap(
                k ->
                    Stream.of(1, 2, 3)
                        .map(g -> PlainOperation.attend(1, k * g, k, 6, 4, g % 2 == 0))));
  }

  /** A few queries after the other, of any number, give what all at once give. */
  @Test
  void attendInParts() throws IOException {
    Libtorch.call(
        1,
        () -> {
          for (int tokens : new int[] {1, 2, 7, 33}) {
            for (int together : new int[] {1, 2, 3, 7, 32}) {
              inParts(PlainOperation.attend(2, 4, 2, tokens, 8, true), true, together);
              inParts(PlainOperation.attend(2, 6, 3, tokens, 5, false), false, together);
            }
          }
          return null;
        });
  }

  @SuppressWarnings("try")
  private static void inParts(PlainOperation operation, boolean causal, int together) {
    SplittableRandom random = new SplittableRandom(operation.name().hashCode());
    List<double[]> inputs =
        operation.shapes().stream()
            .map(shape -> uniform(random, (int) org.merganser.linalg.Tensor.size(shape)))
            .toList();
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      List<Tensor> x =
          IntStream.range(0, 3)
              .mapToObj(k -> tensor(inputs.get(k), false, operation.shapes().get(k)))
              .toList();
      Tensor y = Operations.attend(x.get(0), x.get(1), x.get(2), causal, together);
      assertClose(
          operation.name() + " by " + together, values(y), operation.plain().of(inputs), DOUBLE);
    }
  }

  @ParameterizedTest
  @CsvSource({"9, 512", "32, 2048", "8, 16384", "256, 131072", "1, 100000000"})
  void weightsAtOnceAreBounded(long heads, long tokens) {
    long queries = Operations.queriesTogether(heads, tokens);
    assertThat(queries).isBetween(1L, tokens);
    assertThat(heads * queries * tokens)
        .isLessThanOrEqualTo(Math.max(Operations.MOST_WEIGHTS, heads * tokens));
    if (queries < tokens) {
      assertThat(heads * (queries + 1) * tokens).isGreaterThan(Operations.MOST_WEIGHTS);
    }
  }

  @Test
  void logProbabilities() throws IOException {
    check(sizes().skip(1).mapToObj(v -> PlainOperation.logProbabilities(1 + v % 5, v)));
    check(sizes().mapToObj(n -> PlainOperation.logProbabilities(n, 33)));
    check(Stream.of(PlainOperation.logProbabilities(3, 50_257)));
  }

  private static void check(Stream<PlainOperation> operations) throws IOException {
    List<PlainOperation> all = operations.toList();
    Libtorch.call(
        1,
        () -> {
          all.forEach(OperationsTest::check);
          return null;
        });
  }

  @SuppressWarnings("try")
  private static void check(PlainOperation operation) {
    SplittableRandom random = new SplittableRandom(operation.name().hashCode());
    List<double[]> inputs =
        operation.shapes().stream()
            .map(shape -> uniform(random, (int) org.merganser.linalg.Tensor.size(shape)))
            .toList();
    double[] wanted = operation.plain().of(inputs);
    double[] upstream = uniform(random, wanted.length);
    try (PointerScope scope = new PointerScope()) {
      List<double[]> exact = run(operation, inputs, upstream, false);
      List<double[]> single = run(operation, inputs, upstream, true);
      assertClose(operation.name() + " F64", exact.get(0), wanted, DOUBLE);
      assertClose(operation.name() + " F32", single.get(0), wanted, FLOAT);
      for (int k = 0; k < inputs.size(); k++) {
        String what = operation.name() + " gradient of input " + k;
        assertClose(what, single.get(1 + k), exact.get(1 + k), FLOAT);
        assertDirection(what, operation, inputs, k, upstream, exact.get(1 + k), random);
      }
    }
  }

  /** Values, then the gradient of {@code sum(upstream * y)} by each input. */
  private static List<double[]> run(
      PlainOperation operation, List<double[]> inputs, double[] upstream, boolean single) {
    List<Tensor> leaves = new ArrayList<>();
    for (int k = 0; k < inputs.size(); k++) {
      leaves.add(
          tensor(inputs.get(k), single, operation.shapes().get(k)).detach().requires_grad_(true));
    }
    Tensor y = operation.torch().of(leaves);
    y.reshape(-1).mul(tensor(upstream, single, upstream.length)).sum().backward();
    List<double[]> found = new ArrayList<>(List.of(values(y)));
    leaves.forEach(leaf -> found.add(values(leaf.grad())));
    return found;
  }

  /** The derivative along a random direction, by the difference of two runs of the loops. */
  private static void assertDirection(
      String what,
      PlainOperation operation,
      List<double[]> inputs,
      int k,
      double[] upstream,
      double[] gradient,
      SplittableRandom random) {
    double[] direction = uniform(random, gradient.length);
    double found = 0;
    double scale = 0;
    for (int i = 0; i < gradient.length; i++) {
      found += gradient[i] * direction[i];
      scale += Math.abs(gradient[i] * direction[i]);
    }
    double up = dot(upstream, operation.plain().of(moved(inputs, k, direction, STEP)));
    double down = dot(upstream, operation.plain().of(moved(inputs, k, direction, -STEP)));
    double size = Arrays.stream(upstream).map(Math::abs).sum();
    assertThat(found)
        .as(what + " along a direction")
        .isCloseTo(
            (up - down) / (2 * STEP),
            org.assertj.core.api.Assertions.within(DIFFERENCE * (scale + size)));
  }

  private static List<double[]> moved(
      List<double[]> inputs, int k, double[] direction, double step) {
    List<double[]> moved = new ArrayList<>(inputs);
    double[] at = inputs.get(k).clone();
    for (int i = 0; i < at.length; i++) {
      at[i] += step * direction[i];
    }
    moved.set(k, at);
    return moved;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }

  /** Numbers that F32 has. */
  private static double[] uniform(SplittableRandom random, int size) {
    return random.doubles(size, -1, 1).map(v -> (float) v).toArray();
  }

  static Tensor tensor(double[] values, boolean single, long... shape) {
    try (org.merganser.linalg.Tensor ours = org.merganser.linalg.Tensor.of(values, shape)) {
      return Bridge.share(ours)
          .to(
              single ? ScalarType.Float : ScalarType.Double,
              false,
              true,
              new MemoryFormatOptional());
    }
  }

  private static double[] values(Tensor tensor) {
    return Bridge.view(tensor.detach().contiguous()).toDoubleArray();
  }

  private static void assertClose(String what, double[] found, double[] wanted, double tolerance) {
    double largest = Math.max(1e-3, Arrays.stream(wanted).map(Math::abs).max().orElse(0));
    assertThat(found).as(what).hasSameSizeAs(wanted);
    for (int i = 0; i < wanted.length; i++) {
      // Not less is also what NaN is.
      if (!(Math.abs(found[i] - wanted[i]) <= tolerance * largest)) {
        assertThat(found[i]).as("%s, value %d", what, i).isEqualTo(wanted[i]);
      }
    }
  }
}
