// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective;
import org.merganser.testing.JavaObjective;
import org.merganser.testing.Lent;

/**
 * NP Merge on arrays that another library lends where the Workspace computes, as libtorch does:
 * nothing is copied, and each of the two waits for the other. The fake device refuses a stream that
 * is waited for and not signalled, and one that there is not.
 */
class NpMergerLentTest {
  private static final int SIZE = 1003;

  /** {@code |theta - target|^2 / 2} of two vectors, computed in place. */
  private static final class Distance implements Objective {
    private final List<float[]> targets;
    private final Workspace library = Workspace.builder().threads(1).open();
    private final boolean ownStream;
    private final long wrong;

    /** What the library had copied at each step. */
    private final List<long[]> copied = new ArrayList<>();

    Distance(List<float[]> targets, boolean ownStream, long wrong) {
      this.targets = targets;
      this.ownStream = ownStream;
      this.wrong = wrong;
    }

    @Override
    public List<Slot> slots() {
      List<Slot> slots = new ArrayList<>();
      for (int s = 0; s < targets.size(); s++) {
        slots.add(new Slot("w" + s, TensorInfo.of(DType.F32, targets.get(s).length)));
      }
      return slots;
    }

    @Override
    public Session open(Workspace ws) {
      return new Run();
    }

    private final class Run implements Session {
      private final List<Tensor> owned = new ArrayList<>();
      private final List<Tensor> goals = new ArrayList<>();
      private final List<Tensor> theta = new ArrayList<>();
      private final List<Tensor> gradients = new ArrayList<>();

      Run() {
        for (float[] target : targets) {
          try (Tensor host = Tensor.of(target, target.length)) {
            goals.add(host.on(library));
          }
          theta.add(lent(target.length));
          gradients.add(lent(target.length));
        }
      }

      private Tensor lent(int size) {
        Tensor memory = Tensor.allocate(DType.F32, new long[] {size}, library);
        owned.add(memory);
        if (!Lent.onFakeDevice(library)) {
          return Lent.view(memory);
        }
        return Lent.on(wrong != 0 ? wrong : ownStream ? owned.get(0).address() : 0, memory);
      }

      @Override
      public Tensor theta(int slot) {
        return theta.get(slot);
      }

      @Override
      public double lossAndGradient(long step) {
        copied.add(Kernels.of(library).transfers());
        return loss();
      }

      private double loss() {
        double loss = 0;
        for (int s = 0; s < theta.size(); s++) {
          Block out = Block.of(owned.get(2 * s + 1));
          Block[] in = {Block.of(owned.get(2 * s)), Block.of(goals.get(s))};
          long size = targets.get(s).length;
          Kernels kernels = Kernels.of(library);
          kernels.merge().weightedSum(DType.F32.code(), size, in, new double[] {1, -1}, out);
          loss += kernels.merge().dotProducts(DType.F32.code(), size, out, out)[0] / 2;
        }
        return loss;
      }

      @Override
      public Tensor gradient(int slot) {
        return gradients.get(slot);
      }

      @Override
      public OptionalDouble heldOutLoss() {
        return OptionalDouble.of(loss());
      }

      @Override
      public Checkpoint buffers() {
        return MemoryCheckpoint.of(Map.of());
      }

      @Override
      public void close() {
        theta.forEach(Tensor::close);
        gradients.forEach(Tensor::close);
        owned.forEach(Tensor::close);
        goals.forEach(Tensor::close);
        library.close();
      }
    }
  }

  private static float[] numbers(long seed, int size) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static MemoryCheckpoint model(float[] first, float[] second) {
    return MemoryCheckpoint.of(
        Map.of("w0", Tensor.of(first, first.length), "w1", Tensor.of(second, second.length)));
  }

  private static NpMerger.Result learn(Objective objective, NpMerger.Options options)
      throws IOException {
    MergeProblem problem =
        MergeProblem.of(
            model(numbers(1, SIZE), numbers(2, 7)), model(numbers(3, SIZE), numbers(4, 7)));
    return NpMerger.of(objective, options).learn(problem, WS);
  }

  @ParameterizedTest
  @CsvSource({"PARAMETER, false", "PARAMETER, true", "ROW, true", "TENSOR, false"})
  void nothingIsCopiedInAnyStep(NpMerger.Granularity granularity, boolean ownStream)
      throws IOException {
    List<float[]> targets = List.of(numbers(5, SIZE), numbers(6, 7));
    NpMerger.Options options =
        NpMerger.Options.defaults().withGranularity(granularity).withSteps(30).withEvalEvery(10);
    Distance lent = new Distance(targets, ownStream, 0);
    try (NpMerger.Result found = learn(lent, options);
        NpMerger.Result wanted = learn(onTheHost(targets), options)) {
      assertThat(found.traffic()).isEqualTo(new NpMerger.Traffic(0, 0));
      assertThat(lent.copied).hasSize(30);
      assertThat(lent.copied.get(29)).containsExactly(lent.copied.get(0));
      assertThat(found.losses().get(29)).isLessThan(found.losses().get(0));
      for (int step = 0; step < 30; step++) {
        double loss = wanted.losses().get(step);
        assertThat(found.losses().get(step)).isCloseTo(loss, within(1e-5 * loss));
      }
      assertThat(found.heldOut())
          .extracting(HeldOut::step)
          .isEqualTo(wanted.heldOut().stream().map(HeldOut::step).toList());
      for (String name : List.of("w0", "w1")) {
        assertThat(found.model().tensor(name).toFloatArray())
            .containsExactly(wanted.model().tensor(name).toFloatArray(), within(1e-4f));
      }
    }
  }

  /** The same function of arrays on the host. */
  private static JavaObjective onTheHost(List<float[]> targets) {
    Function<float[][], JavaObjective.Value> distance =
        theta -> {
          float[][] gradients = new float[2][];
          double loss = 0;
          for (int s = 0; s < 2; s++) {
            gradients[s] = new float[theta[s].length];
            for (int i = 0; i < theta[s].length; i++) {
              gradients[s][i] = theta[s][i] - targets.get(s)[i];
              loss += (double) gradients[s][i] * gradients[s][i] / 2;
            }
          }
          return new JavaObjective.Value(loss, gradients);
        };
    return JavaObjective.of(
            new TreeMap<>(Map.of("w0", new long[] {SIZE}, "w1", new long[] {7})),
            (step, theta) -> distance.apply(theta))
        .heldOut(theta -> distance.apply(theta).loss());
  }

  /** So it is asked before an array is used, whoever owns that. */
  @Test
  void aStreamThatThereIsNotIsRefused() {
    try (Workspace own = Workspace.open()) {
      assumeTrue(Lent.onFakeDevice(own), "only the fake device knows what a stream is");
    }
    Distance lent = new Distance(List.of(numbers(5, SIZE), numbers(6, 7)), false, 0x1234);
    assertThatThrownBy(() -> learn(lent, NpMerger.Options.defaults()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("0x1234 is no stream of the fake device");
    try (Tensor own = Tensor.allocate(DType.F32, new long[] {3}, WS)) {
      Block.of(own).shareIn(0x1234, () -> {});
      assertThatThrownBy(() -> own.toHost(WS))
          .hasMessageContaining("0x1234 is no stream of the fake device");
    }
  }

  /** Also where it fails: the next owner of the bytes knows nothing of the library. */
  @Test
  void sharedMemoryIsFreedWhenTheLibraryHasEnded() {
    assumeTrue(WS.device() == Device.CUDA, "memory of the host is in no stream");
    for (boolean lost : new boolean[] {false, true}) {
      Tensor shared = Tensor.allocate(DType.F32, new long[] {SIZE}, WS);
      long bytes = shared.memory().bytes();
      long before = Natives.allocatedBytes();
      List<Long> freed = new ArrayList<>();
      Runnable finish =
          () -> {
            freed.add(before - Natives.allocatedBytes());
            if (lost) {
              throw new IllegalStateException("the device is lost");
            }
          };
      Block.of(shared).shareIn(0, finish);
      assertThat(freed).isEmpty();
      shared.close();
      assertThat(freed).containsExactly(0L);
      assertThat(before - Natives.allocatedBytes()).isEqualTo(bytes);
    }
  }
}
