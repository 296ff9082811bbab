// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.BinaryOperator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.model.EarlyStopping;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;

/**
 * A network that learns: parameters that libtorch reads in place, the loss of batches and its
 * gradient. What training, fine-tuning and the objective of NP Merge have in common.
 */
public final class TorchSession implements Learner, AutoCloseable {
  /**
   * What is learned, and how.
   *
   * @param threads of libtorch
   * @param loss mean over a batch, of outputs and labels
   */
  public record Setup(
      TorchNetwork network,
      int batchSize,
      int threads,
      BinaryOperator<Tensor> loss,
      Augmentation augmentation) {

    /**
     * @param what names the data in the message
     * @throws org.merganser.error.ShapeException when the samples do not fit the network
     */
    public void check(String what, Examples data) {
      network.checkInputs(data.inputs());
      augmentation.check(data.inputs().shape());
      if (data.classes() != network.outputs()) {
        throw new IllegalArgumentException(
            "the network has "
                + network.outputs()
                + " outputs, the "
                + what
                + " "
                + data.classes()
                + " classes");
      }
    }
  }

  private final Setup setup;
  private final Samples train;
  private final Samples heldOut;
  private final Learned learned;
  private final Device device;
  private final Workspace ws;
  private final long seed;
  private final BatchOrder order;
  private final Opened opened = new Opened();
  private final Map<String, Tensor> theta;
  private final List<Tensor> leaves;
  private final Tensor inputs;
  private boolean closed;

  /** With the seed of the Workspace. */
  public TorchSession(
      Setup setup,
      Map<String, org.merganser.linalg.Tensor> parameters,
      Samples train,
      Samples heldOut,
      Learned learned,
      Workspace ws)
      throws IOException {
    this(setup, parameters, train, heldOut, learned, ws.seed(), ws);
  }

  /**
   * @param parameters of the network, F32, which stay the caller's; what is written to them is read
   *     at the next batch. Batches are computed where they lie
   * @param heldOut what no step sees; may be empty
   * @param tracks whether running statistics follow the batches, as the network is trained with
   *     them; else they are not read, and held-out batches normalise themselves
   * @param seed of the order of batches, and of augmentation
   */
  public TorchSession(
      Setup setup,
      Map<String, org.merganser.linalg.Tensor> parameters,
      Samples train,
      Samples heldOut,
      Learned learned,
      long seed,
      Workspace ws)
      throws IOException {
    this.setup = setup;
    this.train = train;
    this.heldOut = heldOut;
    this.learned = learned;
    this.device =
        parameters.values().stream()
            .map(parameter -> parameter.memory().device())
            .findFirst()
            .orElse(Device.HOST);
    this.ws = ws;
    this.seed = seed;
    this.order = new BatchOrder(train.size(), setup.batchSize(), seed);
    try (Opened unfinished = new Opened()) {
      unfinished.add(opened);
      theta = share(parameters);
      inputs = share(Map.of("inputs", train.data().inputs())).get("inputs");
      leaves = learned.leaves().stream().map(theta::get).toList();
      leaves.forEach(leaf -> leaf.set_requires_grad(true));
      unfinished.release();
    }
  }

  private Map<String, Tensor> share(Map<String, org.merganser.linalg.Tensor> ours)
      throws IOException {
    return Libtorch.call(setup.threads(), () -> opened.add(new Shared(ours)).all());
  }

  /** In the order of what is learned. */
  @Override
  public List<Tensor> leaves() {
    return leaves;
  }

  @Override
  public int threads() {
    return setup.threads();
  }

  /** Batches of an epoch. */
  public int batches() {
    return order.batches();
  }

  @Override
  public synchronized double backward(long step) throws IOException {
    requireOpen();
    ws.cancellation().check();
    int[] batch = train.at(order.batch(step));
    return Libtorch.call(setup.threads(), () -> backward(batch, step / order.batches()));
  }

  /**
   * The same of a loss that also looks at activations. Between the passes libtorch keeps the graph,
   * and the gradient at activations is computed without it.
   */
  public synchronized double backward(long step, TapLoss loss) throws IOException {
    requireOpen();
    ws.cancellation().check();
    int[] batch = train.at(order.batch(step));
    long epoch = step / order.batches();
    try (TappedGraph tapped = new TappedGraph()) {
      Libtorch.call(setup.threads(), () -> forward(batch, epoch, loss, tapped));
      try (TapLoss.Upstream upstream = loss.ofActivations(tapped.activations())) {
        return Libtorch.call(setup.threads(), () -> tapped.backward(upstream));
      }
    }
  }

  @SuppressWarnings("try")
  private Void forward(int[] batch, long epoch, TapLoss loss, TappedGraph tapped) {
    resetGradients();
    try (PointerScope scope = new PointerScope()) {
      Tensor x = augmented(batch, epoch);
      Set<String> taps = new HashSet<>(loss.taps());
      taps.add(Network.OUTPUT);
      Map<String, Tensor> found =
          setup
              .network()
              .graph()
              .taps(
                  x,
                  learned.network(theta),
                  taps,
                  mode(),
                  learned.statistics().follow(),
                  learned.added(theta));
      Tensor outputs = found.remove(Network.OUTPUT);
      Tensor labels = Bridge.beside(outputs, train.labels(batch));
      tapped.keep(loss.ofOutputs(x, outputs, labels), found);
      return null;
    }
  }

  private Tensor augmented(int[] batch, long epoch) {
    return setup.augmentation().apply(drawn(inputs, batch), seed, epoch, batch);
  }

  @SuppressWarnings("try")
  private double backward(int[] batch, long epoch) {
    resetGradients();
    try (PointerScope scope = new PointerScope()) {
      Tensor x = augmented(batch, epoch);
      Tensor outputs = forward(x, mode(), learned.statistics().follow());
      Tensor loss = setup.loss().apply(outputs, Bridge.beside(outputs, train.labels(batch)));
      loss.backward();
      return loss.item_float();
    }
  }

  private Mode mode() {
    return learned.statistics() == Learned.Statistics.STORED ? Mode.EVAL : Mode.TRAIN;
  }

  private Tensor forward(Tensor x, Mode mode, boolean follow) {
    return setup
        .network()
        .graph()
        .forward(x, learned.network(theta), mode, follow, learned.added(theta));
  }

  @Override
  public OptionalDouble heldOut(EarlyStopping.Score score) throws IOException {
    requireOpen();
    if (heldOut.size() == 0) {
      return OptionalDouble.empty();
    }
    Means means = means(heldOut);
    return OptionalDouble.of(score == EarlyStopping.Score.LOSS ? means.loss() : means.accuracy());
  }

  /**
   * Over some samples.
   *
   * @param loss of all outputs
   * @param accuracy of the largest of those of the classes that come into question
   */
  public record Means(double loss, double accuracy) {}

  /** Of samples as they are, with the parameters of now. */
  public Means means(Samples samples) throws IOException {
    double[] sums = new double[2];
    outputs(
        samples,
        (from, batch, outputs) -> {
          Tensor labels = Bridge.beside(outputs, samples.labels(batch));
          sums[0] += batch.length * (double) setup.loss().apply(outputs, labels).item_float();
          sums[1] += samples.decided(outputs).eq(labels).sum().item_long();
        });
    return new Means(sums[0] / samples.size(), sums[1] / samples.size());
  }

  /** What is made of the outputs for a batch, from some position on; in libtorch. */
  @FunctionalInterface
  public interface BatchReader {
    void read(int from, int[] batch, Tensor outputs);
  }

  /** Outputs for samples as they are, with the parameters of now; batch by batch. */
  @SuppressWarnings("try")
  public synchronized void outputs(Samples samples, BatchReader reader) throws IOException {
    requireOpen();
    int n = samples.size();
    boolean normalised =
        learned.statistics() == Learned.Statistics.OF_BATCH
            && !setup.network().batchNorms().isEmpty();
    Mode mode = normalised ? Mode.TRAIN : Mode.EVAL;
    int size = normalised ? setup.batchSize() : samples.data().batchSize();
    // Of about equal size: the statistics of a small last batch would be poor.
    int batches = (n + size - 1) / size;
    for (int b = 0; b < batches; b++) {
      ws.cancellation().check();
      int from = (int) ((long) n * b / batches);
      int[] batch = samples.range(from, (int) ((long) n * (b + 1) / batches));
      Libtorch.call(
          setup.threads(),
          () -> {
            try (Shared data = new Shared(samples.data().inputs());
                PointerScope scope = new PointerScope();
                NoGradGuard guard = new NoGradGuard()) {
              reader.read(from, batch, forward(drawn(data.only(), batch), mode, false));
              return null;
            }
          });
    }
  }

  /** Samples, which lie on the host, where the parameters are. */
  private Tensor drawn(Tensor samples, int... batch) {
    return Bridge.on(device, Bridge.rows(samples, batch));
  }

  public void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this session is already closed");
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    opened.close();
  }
}
