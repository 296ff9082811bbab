// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.testing.ChildJvm;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;

/**
 * Every number of channels, forward and backward: each with both strides and one kernel, which is
 * another one for the same number in the next block, and in each test.
 */
class BlockedConvolutionTest {
  private static final int CHANNELS = 80;

  /** F32 against F64, of the largest value. */
  private static final double TOLERANCE = 1e-5;

  private static final int[] KERNELS = {1, 3, 5, 7};

  private static Stream<PlainConvolution> shapes(int first, IntFunction<int[]> shape) {
    return IntStream.rangeClosed(1, CHANNELS)
        .boxed()
        .flatMap(c -> windows(shape.apply(c), KERNELS[(first + c + c / 16) % KERNELS.length]));
  }

  private static Stream<PlainConvolution> windows(int[] c, int k) {
    return Stream.of(1, 2)
        .map(
            stride -> new PlainConvolution(1 + c[0] % 2, c[0], c[1], 5, 4, k, stride, k / 2, c[2]));
  }

  private static double[] normal(SplittableRandom random, int size) {
    return random.doubles(size, -1, 1).map(v -> (float) v).toArray();
  }

  private static Tensor tensor(double[] values, long... shape) {
    float[] floats = new float[values.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) values[i];
    }
    return torch.tensor(floats).reshape(shape).requires_grad_(true);
  }

  private static double[] values(Tensor tensor) {
    return Bridge.view(tensor.detach().contiguous()).toDoubleArray();
  }

  private static void assertClose(String what, double[] found, double[] wanted) {
    double largest = Arrays.stream(wanted).map(Math::abs).max().orElse(0);
    for (int i = 0; i < wanted.length; i++) {
      // Not less is also what NaN is.
      if (!(Math.abs(found[i] - wanted[i]) <= TOLERANCE * largest)) {
        assertThat(found[i]).as("%s, value %d", what, i).isEqualTo(wanted[i]);
      }
    }
    assertThat(found).hasSameSizeAs(wanted);
  }

  @Test
  void ofAnyNumberOfInputs() throws IOException {
    check(shapes(0, c -> new int[] {c, 16, 1}));
  }

  @Test
  void ofAnyNumberOfOutputs() throws IOException {
    check(shapes(1, c -> new int[] {16, c, 1}));
  }

  @Test
  void ofAnyNumberOfBoth() throws IOException {
    check(shapes(2, c -> new int[] {c, CHANNELS + 1 - c, 1}));
  }

  @Test
  void depthwise() throws IOException {
    check(shapes(3, c -> new int[] {c, c, c}));
  }

  @Test
  void inGroups() throws IOException {
    check(
        Stream.of(new int[] {4, 6, 2}, new int[] {8, 16, 8}, new int[] {51, 39, 3})
            .flatMap(c -> Arrays.stream(KERNELS).boxed().flatMap(k -> windows(c, k))));
  }

  /** Models trained before are trained again to the same bytes. */
  @Test
  @SuppressWarnings("try")
  void wholeBlocksAndImagesAreLeftAsTheyAre() throws IOException {
    Libtorch.call(
        1,
        () -> {
          torch.manual_seed(1);
          try (PointerScope scope = new PointerScope()) {
            for (long[] c : new long[][] {{1, 16, 3}, {3, 64, 7}, {16, 32, 1}, {64, 48, 3}}) {
              Tensor x = torch.randn(new long[] {3, c[0], 9, 8});
              Tensor weight = torch.randn(new long[] {c[1], c[0], c[2], c[2]});
              Tensor found = BlockedConvolution.apply(x, weight, null, 1, 0, 1);
              assertThat(found.equal(torch.conv2d(x, weight))).isTrue();
            }
          }
          return null;
        });
  }

  /** On machines where padded blocks do no harm too; oneDNN itself says what it is given. */
  @ParameterizedTest
  @ValueSource(strings = {"DEFAULT", "AVX2"})
  void onednnIsGivenWholeBlocks(String isa) throws Exception {
    ChildJvm child =
        new ChildJvm().environment("ONEDNN_VERBOSE", "1").environment("ONEDNN_MAX_CPU_ISA", isa);
    // A 'p' marks padding. Weights for the input's gradient may have it where a block of theirs is
    // wider (48 inputs in blocks of 32): that gives gradients which nobody reads.
    assertThat(child.run(ConvolveOften.class, "bare").output())
        .containsPattern("exec,cpu,convolution,.*src:f32:a?p:");
    assertThat(child.run(ConvolveOften.class).output())
        .containsPattern("exec,cpu,convolution,.*forward")
        .containsPattern("exec,cpu,convolution,.*backward_data")
        .containsPattern("exec,cpu,convolution,.*backward_weights")
        .contains("done")
        .doesNotContain("off by")
        .doesNotContainPattern("exec,cpu,convolution,.*(src|dst):f32:a?p:");
  }

  private static void check(Stream<PlainConvolution> shapes) throws IOException {
    List<PlainConvolution> all = shapes.toList();
    Libtorch.call(
        1,
        () -> {
          all.forEach(BlockedConvolutionTest::check);
          return null;
        });
  }

  /** Values and gradients of {@code sum(y * gradient)}. */
  @SuppressWarnings("try")
  private static void check(PlainConvolution c) {
    SplittableRandom random = new SplittableRandom(c.hashCode());
    double[] x = normal(random, c.samples() * c.in() * c.height() * c.width());
    double[] weight = normal(random, c.out() * c.in() / c.groups() * c.kernel() * c.kernel());
    double[] bias = normal(random, c.out());
    double[] gradient = normal(random, c.samples() * c.out() * c.outHeight() * c.outWidth());
    try (PointerScope scope = new PointerScope()) {
      Tensor tx = tensor(x, c.samples(), c.in(), c.height(), c.width());
      Tensor tw = tensor(weight, c.out(), c.in() / c.groups(), c.kernel(), c.kernel());
      Tensor tb = tensor(bias, c.out());
      Tensor y = BlockedConvolution.apply(tx, tw, tb, c.stride(), c.padding(), c.groups());
      y.mul(tensor(gradient, c.samples(), c.out(), c.outHeight(), c.outWidth())).sum().backward();
      assertClose(c + " forward", values(y), c.forward(x, weight, bias));
      assertClose(c + " input gradient", values(tx.grad()), c.inputGradient(gradient, weight));
      assertClose(c + " weight gradient", values(tw.grad()), c.weightGradient(gradient, x));
      Tensor plain =
          BlockedConvolution.apply(
              tx.detach(), tw.detach(), tb.detach(), c.stride(), c.padding(), c.groups());
      assertClose(c + " evaluation", values(plain), c.forward(x, weight, bias));
    }
  }
}
