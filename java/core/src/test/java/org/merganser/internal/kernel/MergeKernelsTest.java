// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.MergeKernels.Formula;
import org.merganser.internal.kernel.MergeKernels.FormulaSum;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.internal.kernel.MergeKernels.Threshold;

/** Task vectors, magnitudes and NP Merge through the bindings, against plain loops. */
class MergeKernelsTest {
  private static final int F32 = Codes.F32;
  private static final int COUNT = 4099;

  private Workspace ws;
  private Kernels kernels;
  private MergeKernels merge;

  @BeforeEach
  void open() {
    ws = Workspace.builder().threads(2).open();
    kernels = Kernels.of(ws);
    merge = kernels.merge();
  }

  @AfterEach
  void close() {
    ws.close();
  }

  @Test
  void trimmedAndElectedTaskVectors() {
    float[] base = gaussian(1);
    float[][] models = {gaussian(2), gaussian(3), gaussian(4)};
    float[] weights = {0.5f, 0.25f, 1};
    long k = COUNT / 5;
    try (Memory b = memory(base);
        Memory x0 = memory(models[0]);
        Memory x1 = memory(models[1]);
        Memory x2 = memory(models[2]);
        Memory out = memory(new float[COUNT])) {
      Block[] in = {Block.of(x0), Block.of(x1), Block.of(x2)};
      Task[] tasks = new Task[3];
      boolean[][] kept = new boolean[3][COUNT];
      for (int m = 0; m < 3; m++) {
        Threshold threshold = MagnitudeRanks.of(kernels, F32, COUNT, in[m], Block.of(b), k);
        float[] model = models[m];
        int[] order =
            IntStream.range(0, COUNT)
                .boxed()
                .sorted(
                    (i, j) -> {
                      int c =
                          Float.compare(Math.abs(model[j] - base[j]), Math.abs(model[i] - base[i]));
                      return c != 0 ? c : Integer.compare(i, j);
                    })
                .mapToInt(Integer::intValue)
                .toArray();
        int last = order[(int) k - 1];
        assertThat(threshold.value()).isEqualTo(Math.abs(model[last] - base[last]));
        assertThat(Math.min(threshold.last(), COUNT - 1)).isGreaterThanOrEqualTo(last);
        for (int i = 0; i < k; i++) {
          kept[m][order[i]] = true;
        }
        tasks[m] = Task.magnitude(weights[m], threshold);
      }
      merge.taskMerge(
          F32, 0, COUNT, Block.of(b), in, tasks, new Mix(true, true, 0.5), Block.of(out));
      for (int i = 0; i < COUNT; i++) {
        float sum = 0;
        float[] u = new float[3];
        for (int m = 0; m < 3; m++) {
          u[m] = kept[m][i] ? weights[m] * (models[m][i] - base[i]) : 0;
          sum += u[m];
        }
        float mix = 0;
        float divisor = 0;
        for (int m = 0; m < 3; m++) {
          if (sum >= 0 ? u[m] > 0 : u[m] < 0) {
            mix += u[m];
            divisor += weights[m];
          }
        }
        float expected = base[i] + 0.5f * (mix / (divisor == 0 ? 1 : divisor));
        assertThat(out.getFloat(4L * i)).as("element %s", i).isEqualTo(expected);
      }
    }
  }

  @Test
  void randomDropOfTheGoldenKey() {
    long key = 42 ^ 0xaf63ea4c86020456L;
    try (Memory b = memory(new float[6]);
        Memory x = memory(new float[] {1, 1, 1, 1, 1, 1});
        Memory out = memory(new float[6])) {
      merge.taskMerge(
          F32,
          0,
          6,
          Block.of(b),
          new Block[] {Block.of(x)},
          new Task[] {Task.random(1, 2, key, 0, 1L << 31)},
          new Mix(false, false, 1),
          Block.of(out));
      assertThat(floats(out, 6)).containsExactly(0, 2, 2, 0, 0, 2);
    }
  }

  @Test
  void slerpOfTheGoldenVectors() {
    try (Memory a = memory(new float[] {1, 2, 2});
        Memory c = memory(new float[] {2, -1, 2});
        Memory out = memory(new float[3])) {
      double[] dots = merge.dotProducts(F32, 3, Block.of(a), Block.of(c));
      assertThat(dots).containsExactly(4, 9, 9);
      double[] weights = SlerpWeights.at(dots, 0.25);
      merge.weightedSum(F32, 3, new Block[] {Block.of(a), Block.of(c)}, weights, Block.of(out));
      assertThat(out.getFloat(0)).isCloseTo(1.437542051f, within(2e-7f));
      assertThat(out.getFloat(4)).isCloseTo(1.345677696f, within(2e-7f));
      assertThat(out.getFloat(8)).isCloseTo(2.263321539f, within(3e-7f));
    }
  }

  @Test
  void nanAmongMagnitudesIsRefused() {
    try (Memory x = memory(new float[] {1, Float.NaN, 3})) {
      assertThatThrownBy(() -> MagnitudeRanks.of(kernels, F32, 3, Block.of(x), null, 1))
          .isInstanceOf(NumericalException.class)
          .hasMessage("1 magnitudes to be ranked are NaN");
    }
  }

  @Test
  void threeStepsOfNpMergeAgainstALoop() {
    float[] a = gaussian(5);
    float[] c = gaussian(6);
    AdamLoop loop = new AdamLoop(a, c);
    NpState.Options options =
        new NpState.Options(
            Codes.SIGMOID, Codes.ADAM, Codes.PARAMETER, 2, F32, 0.9, 0.999, 1e-8, 0, 0, 15);
    try (Memory first = memory(a);
        Memory second = memory(c);
        Memory state = memory(new float[COUNT]);
        Memory theta = memory(new float[COUNT])) {
      Block[] out = {Block.of(theta)};
      try (NpState np =
          kernels.np(
              options,
              new long[] {COUNT},
              new long[] {1},
              new Block[] {Block.of(first), Block.of(second)},
              null)) {
        assertThat(np.size(0)).isEqualTo(COUNT);
        for (int t = 1; t <= 3; t++) {
          float[] g = gaussian(10 + t);
          try (Memory gradient = memory(g)) {
            np.step(0.05, new Block[] {Block.of(gradient)}, out);
          }
          loop.step(t, g);
        }
        np.read(0, NpState.Z, COUNT, Block.of(state));
        for (int i = 0; i < COUNT; i++) {
          assertThat((double) state.getFloat(4L * i)).isCloseTo(loop.z[i], within(2e-6));
          assertThat((double) theta.getFloat(4L * i)).isCloseTo(loop.theta(i), within(4e-6));
        }
        assertInfiniteGradientChangesNothing(np, state, out);
        state.clear();
        np.load(0, NpState.Z, COUNT, Block.of(state));
        np.theta(out);
        for (int i = 0; i < COUNT; i++) {
          assertThat((double) theta.getFloat(4L * i))
              .isCloseTo((a[i] + (double) c[i]) / 2, within(1e-6));
        }
      }
    }
  }

  /** NP Merge of two models in doubles: a sigmoid for each parameter, by Adam at the rate 0.05. */
  private static final class AdamLoop {
    private final float[] a;
    private final float[] c;
    private final double[] z = new double[COUNT];
    private final double[] m = new double[COUNT];
    private final double[] v = new double[COUNT];

    AdamLoop(float[] a, float[] c) {
      this.a = a;
      this.c = c;
    }

    void step(int t, float[] gradient) {
      for (int i = 0; i < COUNT; i++) {
        double s = 1 / (1 + Math.exp(-z[i]));
        double q = gradient[i] * ((double) a[i] - c[i]) * s * (1 - s);
        m[i] = 0.9 * m[i] + 0.1 * q;
        v[i] = 0.999 * v[i] + 0.001 * q * q;
        z[i] -=
            0.05
                * (m[i] / (1 - Math.pow(0.9, t)))
                / (Math.sqrt(v[i] / (1 - Math.pow(0.999, t))) + 1e-8);
      }
    }

    double theta(int i) {
      return c[i] + ((double) a[i] - c[i]) / (1 + Math.exp(-z[i]));
    }
  }

  private static void assertInfiniteGradientChangesNothing(NpState np, Memory state, Block[] out) {
    float[] bad = gaussian(7);
    bad[77] = Float.POSITIVE_INFINITY;
    try (Memory gradient = memory(bad)) {
      assertThatThrownBy(() -> np.step(0.05, new Block[] {Block.of(gradient)}, out))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("the gradient inf of slot 0, element 77 of 4099")
          .isInstanceOfSatisfying(
              NpState.BadGradient.class,
              e -> assertThat(new long[] {e.slot(), e.index()}).containsExactly(0, 77));
    }
    float[] kept = floats(state, COUNT);
    np.read(0, NpState.Z, COUNT, Block.of(state));
    assertThat(floats(state, COUNT)).isEqualTo(kept);
  }

  @Test
  void bandwidthIsMeasuredByWritingTheXor() {
    try (Memory a = memory(new float[16]);
        Memory b = memory(new float[16]);
        Memory out = memory(new float[16])) {
      a.putLong(8, 0x1234L);
      b.putLong(8, 0x00ffL);
      merge.bandwidth(64, new Block[] {Block.of(a), Block.of(b)}, new Block[] {Block.of(out)});
      assertThat(out.getLong(8)).isEqualTo(0x1234L ^ 0x00ffL);
    }
  }

  @Test
  void formulasTakeTheirArgumentsInPlace() {
    try (Memory base = memory(new float[] {1, 1, 1, 1});
        Memory a = memory(new float[] {2, 0, 1, 1});
        Memory b = memory(new float[] {1, 4, 3, 1});
        Memory out = memory(new float[4])) {
      Block[] both = {Block.of(a), Block.of(b)};
      double[] ram = {.5, 0, 2, 3};
      merge.formula(Formula.RAM, F32, 0, 4, Block.of(base), both, ram, null, Block.of(out));
      assertThat(floats(out, 4)).containsExactly(3, 2, 7, 1);
      double[] counts =
          merge.formulaSums(FormulaSum.ACTIVE, F32, 0, 4, Block.of(base), both, ram, null);
      assertThat(counts).containsExactly(1, 1, 1, 1);
      // The variances are 1/4, 4, 1 and 0; of equal ones those up to an index.
      double[] none = new double[4];
      merge.formula(Formula.VARIANCE, F32, 0, 4, Block.of(base), both, none, null, Block.of(out));
      assertThat(floats(out, 4)).containsExactly(.25f, 4, 1, 0);
      double[] squares =
          merge.formulaSums(
              FormulaSum.SQUARES, F32, 7, 4, Block.of(base), both, none, new Threshold(1, 9));
      assertThat(squares).containsExactly(1, 9 + 4);
      squares =
          merge.formulaSums(
              FormulaSum.SQUARES, F32, 8, 4, Block.of(base), both, none, new Threshold(1, 9));
      assertThat(squares).containsExactly(1, 9);
      // Without a base, 0.
      merge.formula(
          Formula.MAGMAX, F32, 0, 4, null, both, new double[] {2, 0, 0, 0}, null, Block.of(out));
      assertThat(floats(out, 4)).containsExactly(4, 8, 6, 2);
    }
  }

  @Test
  void scoresTakeTheDivergencesOfTheirRows() {
    try (Memory x = memory(new float[] {0, 1, 2, 0, 0, 0});
        Memory base = memory(new float[] {0, 0, 0, 1, 1, 1});
        Memory out = memory(new float[5])) {
      double[] found = merge.rowDivergences(F32, 2, 3, Block.of(x), Block.of(base));
      double sum = 1 + Math.E + Math.E * Math.E;
      double expected = 0;
      for (int i = 0; i < 3; i++) {
        double p = Math.exp(i) / sum;
        expected += p * Math.log(3 * p);
      }
      assertThat(found[0]).isCloseTo(expected, within(1e-7));
      assertThat(found[1]).isCloseTo(0, within(1e-15));
      double[] divergences = {10, 100};
      merge.fusionScores(F32, 1, 5, 3, Block.of(x), Block.of(base), divergences, Block.of(out));
      // One element is skipped, but the arrays begin where they do.
      assertThat(floats(out, 5)).containsExactly(0, 10, 200, 100, 100);
    }
  }

  private static float[] gaussian(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[COUNT];
    for (int i = 0; i < COUNT; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static Memory memory(float[] values) {
    Memory memory = Memory.allocate(4L * values.length);
    for (int i = 0; i < values.length; i++) {
      memory.putFloat(4L * i, values[i]);
    }
    return memory;
  }

  private static float[] floats(Memory memory, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = memory.getFloat(4L * i);
    }
    return values;
  }
}
