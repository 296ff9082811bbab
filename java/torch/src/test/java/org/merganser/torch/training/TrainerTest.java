// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.AveragePool;
import org.merganser.torch.layers.BatchNorm;
import org.merganser.torch.layers.Convolution;
import org.merganser.torch.layers.Flatten;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;
import org.merganser.torch.training.Schedule.Decay;

class TrainerTest {
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(6, 12, 2, 3, Activation.RELU);
  private static final double NO_CLIPPING = Double.POSITIVE_INFINITY;

  private static Trainer.Options constant(Optimizer optimizer, int epochs, int batch, double clip) {
    return new Trainer.Options(optimizer, new Schedule(0, Decay.CONSTANT), epochs, batch, clip, 1);
  }

  private static MemoryCheckpoint train(long seed, Examples data, Trainer.Options options)
      throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).seed(seed).open();
        MemoryCheckpoint initial = NETWORK.initialise(seed)) {
      return Trainer.train(NETWORK, initial, data, options, ws);
    }
  }

  private static void assertSameBytes(MemoryCheckpoint a, MemoryCheckpoint b) {
    for (String name : a.tensors().keySet()) {
      assertThat(a.tensor(name).sameBytes(b.tensor(name))).as(name).isTrue();
    }
  }

  @Test
  void twoRunsGiveTheSameBytesAndSeedsMatter() throws IOException {
    try (Examples data = Oracle.clusters(1, 150, 6, 3);
        MemoryCheckpoint first = train(5, data, Trainer.Options.adamW(3));
        MemoryCheckpoint again = train(5, data, Trainer.Options.adamW(3));
        MemoryCheckpoint other = train(6, data, Trainer.Options.adamW(3))) {
      assertSameBytes(first, again);
      assertThat(first.tensor("fc1.weight").sameBytes(other.tensor("fc1.weight"))).isFalse();
    }
  }

  @Test
  void anObserverSeesTheModelAfterEveryStep() throws IOException {
    Trainer.Options options = Trainer.Options.adamW(2);
    List<Double> seen = new ArrayList<>();
    try (Examples data = Oracle.clusters(1, 150, 6, 3);
        Workspace ws = Workspace.builder().threads(1).seed(5).open();
        MemoryCheckpoint initial = NETWORK.initialise(5);
        MemoryCheckpoint alone = train(5, data, options);
        MemoryCheckpoint observed =
            Trainer.train(
                NETWORK,
                initial,
                data,
                options,
                (step, batches, model) -> {
                  assertThat(step).isEqualTo(seen.size() + 1);
                  assertThat(batches).isEqualTo(3);
                  seen.add(Evaluation.of(NETWORK, model, data, ws).loss());
                },
                ws)) {
      assertSameBytes(alone, observed);
      assertThat(seen).hasSize(6).doesNotHaveDuplicates();
      assertThat(seen.get(5)).isEqualTo(Evaluation.of(NETWORK, observed, data, ws).loss());
    }
  }

  @Test
  void trainingsSideBySideGiveWhatTheyGiveAlone() throws Exception {
    try (Examples data = Oracle.clusters(1, 400, 6, 3)) {
      List<MemoryCheckpoint> alone = new ArrayList<>();
      for (long seed = 0; seed < 3; seed++) {
        alone.add(train(seed, data, Trainer.Options.adamW(4)));
      }
      ExecutorService pool = Executors.newFixedThreadPool(3);
      try {
        List<Future<MemoryCheckpoint>> together = new ArrayList<>();
        for (long seed = 0; seed < 3; seed++) {
          long own = seed;
          together.add(pool.submit(() -> train(own, data, Trainer.Options.adamW(4))));
        }
        for (int k = 0; k < 3; k++) {
          try (MemoryCheckpoint model = together.get(k).get();
              MemoryCheckpoint wanted = alone.get(k)) {
            assertSameBytes(model, wanted);
          }
        }
      } finally {
        pool.shutdownNow();
      }
    }
  }

  @Test
  void theOrderOfTheDataDependsOnTheSeedOfTheWorkspaceOnly() throws IOException {
    try (Examples data = Oracle.clusters(1, 150, 6, 3);
        MemoryCheckpoint initial = NETWORK.initialise(1)) {
      List<MemoryCheckpoint> found = new ArrayList<>();
      for (long seed : new long[] {3, 3, 4}) {
        try (Workspace ws = Workspace.builder().threads(1).seed(seed).open()) {
          found.add(Trainer.train(NETWORK, initial, data, Trainer.Options.adamW(2), ws));
        }
      }
      assertSameBytes(found.get(0), found.get(1));
      assertThat(found.get(0).tensor("fc1.weight").sameBytes(found.get(2).tensor("fc1.weight")))
          .isFalse();
      found.forEach(MemoryCheckpoint::close);
    }
  }

  @Test
  void lossFallsAndTheInitialModelStaysAsItWas() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data = Oracle.clusters(2, 300, 6, 3);
        MemoryCheckpoint initial = NETWORK.initialise(1);
        MemoryCheckpoint untouched = NETWORK.initialise(1);
        MemoryCheckpoint trained =
            Trainer.train(NETWORK, initial, data, Trainer.Options.adamW(80), ws)) {
      Evaluation before = Evaluation.of(NETWORK, initial, data, ws);
      Evaluation after = Evaluation.of(NETWORK, trained, data, ws);
      assertThat(after.loss()).isLessThan(0.5 * before.loss());
      assertThat(after.accuracy()).isGreaterThan(0.8);
      assertSameBytes(initial, untouched);
    }
  }

  /** Few samples with noisy labels: training goes on to lower their loss, and raises all others. */
  private static Examples noisy(long seed, int n) {
    SplittableRandom random = new SplittableRandom(seed);
    return new Examples(Oracle.normal(seed, n, 1, 8, 8), random.ints(n, 0, 2).toArray(), 2);
  }

  /** Running statistics count as they will be used, and those of the kept step are kept. */
  @Test
  void stopsByHeldOutDataAndKeepsTheBestModel() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                Convolution.of("conv", 1, 8, 3, 1, 1, false),
                new BatchNorm("bn", 8),
                Activation.RELU,
                new Flatten(),
                new Linear("fc", 512, 2)),
            1,
            8,
            8);
    Trainer.Options options = constant(new Optimizer.AdamW(1e-3, 0), 40, 16, NO_CLIPPING);
    EarlyStopping stopping = new EarlyStopping(3, 4);
    try (Examples data = noisy(1, 40);
        Examples heldOut = noisy(2, 150);
        MemoryCheckpoint initial = network.initialise(3);
        Workspace ws = Workspace.builder().threads(1).seed(5).open();
        MemoryCheckpoint kept =
            Trainer.train(network, initial, data, heldOut, stopping, options, ws)) {
      long best = stopping.bestStepOr(-1);
      List<EarlyStopping.HeldOut> evaluations = stopping.evaluations();
      assertThat(stopping.isOver()).isTrue();
      assertThat(best).isPositive();
      assertThat(evaluations.get(evaluations.size() - 1).step()).isEqualTo(best + 12);
      double least =
          evaluations.stream().mapToDouble(EarlyStopping.HeldOut::score).min().orElseThrow();
      assertThat(Evaluation.of(network, kept, heldOut, ws).loss()).isCloseTo(least, within(1e-6));
      // An epoch has 3 batches; training that ends there gives the same.
      Trainer.Options shorter =
          constant(options.optimizer(), (int) best / 3, options.batchSize(), NO_CLIPPING);
      try (MemoryCheckpoint wanted = Trainer.train(network, initial, data, shorter, ws)) {
        assertSameBytes(kept, wanted);
      }
    }
  }

  @Test
  void aModelThatTrainingMakesWorseStaysAsItWas() throws IOException {
    Trainer.Options options = constant(new Optimizer.Sgd(20, 0, 0), 3, 32, NO_CLIPPING);
    EarlyStopping stopping = new EarlyStopping(1, 2);
    try (Examples data = Oracle.clusters(1, 150, 6, 3);
        Examples heldOut = Oracle.clusters(2, 100, 6, 3);
        MemoryCheckpoint initial = NETWORK.initialise(1);
        Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint kept =
            Trainer.train(NETWORK, initial, data, heldOut, stopping, options, ws)) {
      assertThat(stopping.bestStepOr(-1)).isZero();
      assertThat(stopping.evaluations()).hasSize(3);
      assertSameBytes(kept, initial);
      assertThatThrownBy(
              () -> Trainer.train(NETWORK, initial, data, heldOut, stopping, options, ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("this EarlyStopping has 3 evaluations of another training; give a new one");
    }
  }

  @Test
  void aDivergingTrainingSaysWhenAndWhatToDo() throws IOException {
    try (Examples data = Oracle.clusters(1, 150, 6, 3)) {
      Trainer.Options options = constant(new Optimizer.Sgd(1e18, 0, 0), 5, 32, NO_CLIPPING);
      assertThatThrownBy(() -> train(1, data, options))
          .isInstanceOf(NumericalException.class)
          .hasMessageMatching(
              "training diverged in epoch [12] of 5: the loss is (NaN|Infinity); lower the"
                  + " learning rate \\(now 1.0E18\\)");
    }
  }

  @Test
  void cancellationStopsWithinABatch() throws IOException {
    Cancellation cancellation = new Cancellation();
    List<Long> epochs = new ArrayList<>();
    try (Examples data = Oracle.clusters(1, 150, 6, 3);
        MemoryCheckpoint initial = NETWORK.initialise(1);
        Workspace ws =
            Workspace.builder()
                .threads(1)
                .cancellation(cancellation)
                .progress(
                    (stage, done, total) -> {
                      assertThat(stage).isEqualTo("train");
                      assertThat(total).isEqualTo(50);
                      epochs.add(done);
                      if (done == 2) {
                        cancellation.cancel();
                      }
                    })
                .open()) {
      assertThatThrownBy(() -> Trainer.train(NETWORK, initial, data, Trainer.Options.adamW(50), ws))
          .isInstanceOf(CancelledException.class);
      assertThat(epochs).containsExactly(1L, 2L);
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint initial = NETWORK.initialise(1);
        MemoryCheckpoint other = TorchNetwork.mlp(6, 11, 2, 3, Activation.RELU).initialise(1);
        Examples narrow = Oracle.clusters(1, 20, 5, 3);
        Examples many = Oracle.clusters(1, 20, 6, 4);
        Examples data = Oracle.clusters(1, 20, 6, 3)) {
      Trainer.Options options = Trainer.Options.adamW(1);
      EarlyStopping stopping = new EarlyStopping(1, 1);
      assertThatThrownBy(() -> Trainer.train(NETWORK, initial, data, many, stopping, options, ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("the network has 3 outputs, the held-out data 4 classes");
      assertThatThrownBy(() -> Trainer.train(NETWORK, initial, narrow, options, ws))
          .isInstanceOf(ShapeException.class)
          .hasMessage("inputs are F32 [20, 5], the network reads F32 [samples, 6]");
      assertThatThrownBy(() -> Trainer.train(NETWORK, initial, many, options, ws))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("the network has 3 outputs, the data 4 classes");
      assertThatThrownBy(() -> Trainer.train(NETWORK, other, data, options, ws))
          .isInstanceOf(IncompatibleModelsException.class);
    }
  }

  @Test
  void refusesSettingsThatMakeNoSense() {
    Optimizer sgd = new Optimizer.Sgd(0.1, 0, 0);
    assertThatThrownBy(() -> constant(sgd, 0, 1, 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> constant(sgd, 1, 0, 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> constant(sgd, 1, 1, 0)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> constant(sgd, 1, 1, Double.NaN))
        .isInstanceOf(IllegalArgumentException.class);
    for (double rate : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThatThrownBy(() -> new Optimizer.AdamW(rate, 0)).hasMessageContaining("" + rate);
      assertThatThrownBy(() -> new Optimizer.Sgd(rate, 0, 0)).hasMessageContaining("" + rate);
    }
    assertThatThrownBy(() -> new Optimizer.Sgd(1, 1, 0)).hasMessageContaining("momentum");
    assertThatThrownBy(() -> new Optimizer.AdamW(1, -1)).hasMessageContaining("-1.0");
    assertThatThrownBy(() -> new Optimizer.AmsGrad(0, 0)).hasMessageContaining("0.0");
  }

  /** A step's tensors are gone when it ends: 640 steps of a batch of 64 KiB leave nothing. */
  @Test
  void stepsDoNotPileUpNativeMemory() throws IOException {
    try (Tensor wide = Oracle.normal(1, 64, 256);
        Examples data = new Examples(wide, new int[64], 3);
        Workspace ws = Workspace.builder().threads(1).open()) {
      TorchNetwork network = TorchNetwork.mlp(256, 64, 1, 3, Activation.RELU);
      Trainer.Options options = constant(new Optimizer.Sgd(1e-3, 0, 0), 20, 2, NO_CLIPPING);
      try (MemoryCheckpoint initial = network.initialise(1)) {
        Trainer.train(network, initial, data, options, ws).close();
        long pointers = org.bytedeco.javacpp.Pointer.totalCount();
        Trainer.train(network, initial, data, options, ws).close();
        assertThat(org.bytedeco.javacpp.Pointer.totalCount() - pointers).isLessThan(100);
      }
    }
  }

  /**
   * Through convolutions of odd numbers of channels too: freed memory full of NaN must not come
   * back as a gradient.
   */
  @Test
  void gradientsOfNarrowConvolutionsAreFinite() throws IOException {
    TorchNetwork network =
        TorchNetwork.of(
            Sequential.of(
                Convolution.of("a", 1, 12, 3, 1, 1, true),
                Convolution.of("b", 12, 20, 3, 1, 1, true),
                new AveragePool(),
                new Flatten(),
                new Linear("head", 20, 2)),
            1,
            32,
            32);
    Trainer.Options options = constant(new Optimizer.Sgd(1e-9, 0, 0), 1, 128, NO_CLIPPING);
    float[] nan = new float[128 * 12 * 32 * 32];
    java.util.Arrays.fill(nan, Float.NaN);
    try (Tensor images = Oracle.normal(1, 128, 1, 32, 32);
        Examples data = new Examples(images, new int[128], 2);
        Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint initial = network.initialise(1)) {
      for (int i = 0; i < 20; i++) {
        Tensor.of(nan, nan.length).close();
        try (MemoryCheckpoint trained = Trainer.train(network, initial, data, options, ws)) {
          for (double value : trained.tensor("a.weight").toDoubleArray()) {
            assertThat(value).isFinite();
          }
        }
      }
    }
  }
}
