// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations.Batch;
import org.merganser.model.PairedActivations.Model;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Oracle;

/** Batches of all models, in order, for any measure. */
class PairedActivationsTest {
  private static final JavaNetwork NETWORK = JavaNetwork.mlp(Activation.RELU, 3, 4, 5, 2);
  private static final Set<String> TAPS = Set.of("fc0", "fc1", Network.OUTPUT);

  private final AtomicInteger open = new AtomicInteger();

  /** Counts its open sessions, and cuts off the first samples of what a model computes. */
  private Network counting(Network network, int cut) {
    return new Network() {
      @Override
      public Architecture architecture() {
        return network.architecture();
      }

      @Override
      public Session open(Checkpoint theta, Workspace ws) throws IOException {
        Session session = network.open(theta, ws);
        open.incrementAndGet();
        return new Session() {
          @Override
          public void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out)
              throws IOException {
            session.run(
                inputs, mode, taps, (tap, found) -> out.accept(tap, found.rows(cut, found.dim(0))));
          }

          @Override
          public void close() {
            open.decrementAndGet();
            session.close();
          }
        };
      }
    };
  }

  private static MemoryCheckpoint model(long seed) {
    return NETWORK.random(DType.F64, seed, WS);
  }

  /** One tensor for all batches: each ends when the next one is asked. */
  private static Inputs overwriting(double[][] x, int batch) {
    Inputs plain = JavaNetwork.inputs(x, batch);
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        Iterator<Tensor> batches = plain.open(seed);
        Tensor[] last = new Tensor[1];
        return new Iterator<>() {
          @Override
          public boolean hasNext() {
            return batches.hasNext();
          }

          @Override
          public Tensor next() {
            if (last[0] != null) {
              last[0].close();
            }
            last[0] = batches.next();
            return last[0];
          }
        };
      }

      @Override
      public long samples() {
        return x.length;
      }
    };
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "2, 1", "2, 3", "3, 2", "1, 50"})
  void everyModelSeesEveryBatchInOrder(int threads, int atOnce) throws IOException {
    double[][] x = Oracle.gaussian(45, 3, 1);
    try (Workspace ws = Workspace.builder().threads(threads).open();
        MemoryCheckpoint a = model(1);
        MemoryCheckpoint b = model(2)) {
      List<MemoryCheckpoint> thetas = List.of(a, b);
      List<Long> firsts = new ArrayList<>();
      try (PairedActivations source =
          new ForwardPasses(
              Model.of(counting(NETWORK, 0), thetas), overwriting(x, 10), Mode.EVAL, atOnce, ws)) {
        // A second pass gives the same again.
        for (int pass = 0; pass < 2; pass++) {
          source.each(
              TAPS,
              batch -> {
                firsts.add(batch.first());
                int first = (int) batch.first();
                double[][] rows = Arrays.copyOfRange(x, first, first + (int) batch.samples());
                for (int k = 0; k < 2; k++) {
                  double[][] wanted = NETWORK.outputs(thetas.get(k), rows, ws);
                  assertThat(batch.of(Network.OUTPUT).get(k).toDoubleArray())
                      .containsExactly(
                          Arrays.stream(wanted).flatMapToDouble(Arrays::stream).toArray());
                  assertThat(batch.of(k, "fc1").shape()).containsExactly(rows.length, 5);
                }
              },
              ws);
        }
      }
      assertThat(firsts).containsExactly(0L, 10L, 20L, 30L, 40L, 0L, 10L, 20L, 30L, 40L);
      assertThat(open).hasValue(0);
    }
  }

  @Test
  void modelsMayBeOfDifferentNetworks() throws IOException {
    JavaNetwork other = JavaNetwork.mlp(Activation.NONE, 3, 7, 2);
    try (MemoryCheckpoint a = model(1);
        MemoryCheckpoint b = other.random(DType.F64, 2, WS);
        PairedActivations source =
            PairedActivations.of(
                List.of(new Model(NETWORK, a), new Model(other, b)),
                JavaNetwork.inputs(new double[4][3], 4),
                Mode.EVAL,
                WS)) {
      source.each(
          TAPS,
          batch -> {
            assertThat(batch.of(0, "fc1").shape()).containsExactly(4, 5);
            assertThat(batch.of(1, "fc0").shape()).containsExactly(4, 7);
            assertThatThrownBy(() -> batch.of("fc1"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("model 1 gave no activations of 'fc1'");
          },
          WS);
    }
  }

  @Test
  void cancellationStopsBetweenBatchesAndClosesWhatIsOpen() throws IOException {
    Cancellation cancellation = new Cancellation();
    List<Long> firsts = new ArrayList<>();
    try (Workspace ws = Workspace.builder().threads(2).cancellation(cancellation).open();
        MemoryCheckpoint a = model(1)) {
      List<Model> models = Model.of(counting(NETWORK, 0), List.of(a, a));
      Inputs inputs = JavaNetwork.inputs(new double[30][3], 10);
      assertThatThrownBy(
              () -> {
                try (PairedActivations source =
                    PairedActivations.of(models, inputs, Mode.EVAL, ws)) {
                  assertThat(open).hasValue(2);
                  source.each(
                      TAPS,
                      batch -> {
                        firsts.add(batch.first());
                        if (batch.first() == 10) {
                          cancellation.cancel();
                        }
                      },
                      ws);
                }
              })
          .isInstanceOf(CancelledException.class);
    }
    assertThat(firsts).containsExactly(0L, 10L);
    assertThat(open).hasValue(0);
  }

  @Test
  void modelsThatCannotBeOpenedLeaveNothingOpen() {
    JavaNetwork broken = JavaNetwork.mlp(Activation.NONE, 3, 7, 2);
    Network refuses =
        new Network() {
          @Override
          public Architecture architecture() {
            return broken.architecture();
          }

          @Override
          public Session open(Checkpoint theta, Workspace ws) throws IOException {
            throw new IOException("no such file");
          }
        };
    try (MemoryCheckpoint a = model(1)) {
      List<Model> models = List.of(new Model(counting(NETWORK, 0), a), new Model(refuses, a));
      Inputs inputs = JavaNetwork.inputs(new double[30][3], 10);
      assertThatThrownBy(() -> PairedActivations.of(models, inputs, Mode.EVAL, WS))
          .isInstanceOf(IOException.class)
          .hasMessage("no such file");
    }
    assertThat(open).hasValue(0);
  }

  @Test
  void samplesThatAreNotPairedAreRefused() throws IOException {
    try (MemoryCheckpoint a = model(1);
        PairedActivations source =
            PairedActivations.of(
                List.of(new Model(NETWORK, a), new Model(counting(NETWORK, 1), a)),
                JavaNetwork.inputs(new double[30][3], 10),
                Mode.EVAL,
                WS)) {
      assertThatThrownBy(() -> source.each(Set.of("fc0"), batch -> {}, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage(
              "activations of 'fc0' of model 1 are F64 [9, 4], where the batch after 0 samples has"
                  + " 10; every model gives one row for each sample");
    }
  }

  /**
   * What a measure of two models takes: linear CKA from the Gram matrices of batches, without bias,
   * sums over batches before the ratio (Nguyen et al. 2021; Song et al. 2012).
   */
  private static final class MinibatchCka implements PairedActivations.Sink {
    private final double[][] sums = new double[2][2];

    @Override
    public void accept(Batch batch) {
      double[][][] grams = new double[2][][];
      for (int k = 0; k < 2; k++) {
        grams[k] = centred(batch.of(k, "fc0"));
      }
      for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
          sums[i][j] += product(grams[i], grams[j]);
        }
      }
    }

    double value() {
      return sums[0][1] / Math.sqrt(sums[0][0] * sums[1][1]);
    }

    /** U-centred, the diagonal 0 (Székely and Rizzo 2014). */
    private static double[][] centred(Tensor x) {
      int n = (int) x.dim(0);
      int p = (int) x.dim(1);
      double[][] rows = new double[n][p];
      for (int i = 0; i < n * p; i++) {
        rows[i / p][i % p] = x.get(i);
      }
      double[][] gram = Oracle.multiply(rows, Oracle.transpose(rows));
      double[] means = new double[n];
      for (int i = 0; i < n; i++) {
        gram[i][i] = 0;
        means[i] = Arrays.stream(gram[i]).sum() / (n - 2);
      }
      double shift = Arrays.stream(means).sum() / (2 * (n - 1));
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          gram[i][j] -= i == j ? 0 : means[i] + means[j] - 2 * shift;
        }
      }
      return gram;
    }

    private static double product(double[][] a, double[][] b) {
      double sum = 0;
      for (int i = 0; i < a.length; i++) {
        for (int j = 0; j < a.length; j++) {
          sum += a[i][j] * b[i][j];
        }
      }
      return sum;
    }
  }

  /** Golden values of an independent implementation, for 8 samples in batches of 4 and of 8. */
  @ParameterizedTest
  @CsvSource({"4, 0.6641869358", "8, 0.4850088392"})
  void aMeasureIsOneSink(int batch, double wanted) throws IOException {
    double[][] x = {
      {0, 3, 6}, {7, 0, 4}, {3, 3, 3}, {10, 8, 1}, {6, 4, 2}, {2, 9, 5}, {9, 1, 0}, {5, 6, 10}
    };
    double[][] y = {{3, 1}, {8, 2}, {4, 7}, {9, 5}, {6, 6}, {1, 8}, {7, 0}, {2, 3}};
    double[][] both = new double[8][5];
    for (int i = 0; i < 8; i++) {
      System.arraycopy(x[i], 0, both[i], 0, 3);
      System.arraycopy(y[i], 0, both[i], 3, 2);
    }
    JavaNetwork first = JavaNetwork.mlp(Activation.NONE, 5, 3, 1);
    JavaNetwork second = JavaNetwork.mlp(Activation.NONE, 5, 2, 1);
    try (MemoryCheckpoint a = selecting(first, 0, 3);
        MemoryCheckpoint b = selecting(second, 3, 2);
        PairedActivations source =
            PairedActivations.of(
                List.of(new Model(first, a), new Model(second, b)),
                JavaNetwork.inputs(both, batch),
                Mode.EVAL,
                WS)) {
      MinibatchCka measure = new MinibatchCka();
      source.each(Set.of("fc0"), measure, WS);
      assertThat(measure.value()).isCloseTo(wanted, within(1e-9));
    }
  }

  /** Its hidden features are some of the inputs. */
  private static MemoryCheckpoint selecting(JavaNetwork network, int from, int count) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    network.shapes().forEach((name, shape) -> tensors.put(name, Tensor.zeros(DType.F64, shape)));
    for (int i = 0; i < count; i++) {
      tensors.get("fc0.weight").set(5L * i + from + i, 1);
    }
    return MemoryCheckpoint.of(tensors);
  }
}
