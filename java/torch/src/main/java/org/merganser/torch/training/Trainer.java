// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import static org.merganser.torch.internal.session.Learned.Statistics.FOLLOWED;

import java.io.IOException;
import java.util.Map;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;

/**
 * Trains a network by minibatch gradient descent on the cross-entropy. Batches are drawn without
 * replacement, in an order that depends on the seed and the epoch only; at a fixed number of
 * libtorch threads the result is the same to the bit. With held-out data it ends early. It computes
 * on the CPU, wherever the Workspace does.
 */
public final class Trainer {
  /**
   * Settings.
   *
   * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
   * @param threads of libtorch
   * @param augmentation of the samples of every epoch
   */
  public record Options(
      Optimizer optimizer,
      Schedule schedule,
      int epochs,
      int batchSize,
      double clipNorm,
      int threads,
      Augmentation augmentation) {
    /** Without augmentation. */
    public Options(
        Optimizer optimizer,
        Schedule schedule,
        int epochs,
        int batchSize,
        double clipNorm,
        int threads) {
      this(optimizer, schedule, epochs, batchSize, clipNorm, threads, Augmentation.NONE);
    }

    public Options {
      if (epochs < 1 || batchSize < 1 || threads < 1 || !(clipNorm > 0)) {
        throw new IllegalArgumentException(
            "epochs, batch size, threads and clip norm must be positive, not "
                + epochs
                + ", "
                + batchSize
                + ", "
                + threads
                + ", "
                + clipNorm);
      }
    }

    /** Peak learning rate of {@link #published} for VGG networks. */
    public static final double VGG_RATE = 0.08;

    /** Peak learning rate of {@link #published} for residual networks. */
    public static final double RESNET_RATE = 0.5;

    /**
     * The protocol of the CCA Merge paper for CIFAR: 200 epochs, batches of 500, SGD with momentum
     * 0.9 and weight decay 5e-4, five epochs of linear warm-up, linear decay to 0, flips and crops.
     */
    public static Options published(double peakRate) {
      return new Options(
          new Optimizer.Sgd(peakRate, 0.9, 5e-4),
          new Schedule(5.0 / 200, Schedule.Decay.LINEAR),
          200,
          500,
          Double.POSITIVE_INFINITY,
          1,
          Augmentation.flipAndCrop());
    }

    /**
     * The usual protocol for ImageNet, without its crops of random size: 90 epochs, batches of 256,
     * SGD 0.1 with momentum 0.9 and weight decay 1e-4, a tenth of the rate every 30 epochs, flips.
     */
    public static Options imageNet() {
      return new Options(
          new Optimizer.Sgd(0.1, 0.9, 1e-4),
          Schedule.steps(3),
          90,
          256,
          Double.POSITIVE_INFINITY,
          1,
          new Augmentation(true, 0));
    }

    /** These settings with an augmentation. */
    public Options withAugmentation(Augmentation how) {
      return Settings.with(this, "augmentation", how);
    }

    /** These settings with another number of libtorch threads; results depend on it. */
    public Options withThreads(int count) {
      return Settings.with(this, "threads", count);
    }

    /** AdamW 2e-3 with linear decay, weight decay 1e-4, batches of 64, one thread. */
    public static Options adamW(int epochs) {
      return new Options(
          new Optimizer.AdamW(2e-3, 1e-4),
          Schedule.linearDecay(),
          epochs,
          64,
          Double.POSITIVE_INFINITY,
          1);
    }

    public Options withOptimizer(Optimizer value) {
      return Settings.with(this, "optimizer", value);
    }

    public Options withSchedule(Schedule value) {
      return Settings.with(this, "schedule", value);
    }

    public Options withEpochs(int value) {
      return Settings.with(this, "epochs", value);
    }

    public Options withBatchSize(int value) {
      return Settings.with(this, "batchSize", value);
    }

    public Options withClipNorm(double value) {
      return Settings.with(this, "clipNorm", value);
    }
  }

  private Trainer() {}

  /**
   * Trains from {@code initial} on, which is not changed; the seed of the Workspace orders the
   * data.
   *
   * @throws NumericalException when the loss is no longer finite
   */
  public static MemoryCheckpoint train(
      TorchNetwork network, Checkpoint initial, Examples data, Options options, Workspace ws)
      throws IOException {
    return train(network, initial, data, options, (step, batches, model) -> {}, ws);
  }

  /** Looks at a model while it is trained. */
  @FunctionalInterface
  public interface Observer {
    /**
     * Told after every step of a batch, counted from 1.
     *
     * @param batches of an epoch
     * @param model of now, running statistics included; changed by the next step, not to be closed
     */
    void stepped(long step, int batches, Checkpoint model) throws IOException;
  }

  /** The same, with somebody who looks at the model after every step. */
  public static MemoryCheckpoint train(
      TorchNetwork network,
      Checkpoint initial,
      Examples data,
      Options options,
      Observer observer,
      Workspace ws)
      throws IOException {
    EarlyStopping never = new EarlyStopping(Integer.MAX_VALUE, 1);
    Samples none = new Samples(data);
    return train(network, initial, Samples.all(data), none, never, options, observer, ws);
  }

  /**
   * Trains from {@code initial} on as long as that improves the score on held-out data, and gives
   * the model for which it was best, running statistics included; that may be the initial one. The
   * schedule is that of all epochs.
   *
   * @param heldOut samples that no step sees
   * @param stopping a new one, which afterwards holds the evaluations, counted in steps of a batch
   * @throws NumericalException when the loss is no longer finite
   */
  public static MemoryCheckpoint train(
      TorchNetwork network,
      Checkpoint initial,
      Examples data,
      Examples heldOut,
      EarlyStopping stopping,
      Options options,
      Workspace ws)
      throws IOException {
    if (!stopping.evaluations().isEmpty()) {
      throw new IllegalArgumentException(
          "this EarlyStopping has "
              + stopping.evaluations().size()
              + " evaluations of another training; give a new one");
    }
    return train(
        network,
        initial,
        Samples.all(data),
        Samples.all(heldOut),
        stopping,
        options,
        (step, batches, model) -> {},
        ws);
  }

  private static MemoryCheckpoint train(
      TorchNetwork network,
      Checkpoint initial,
      Samples data,
      Samples heldOut,
      EarlyStopping stopping,
      Options options,
      Observer observer,
      Workspace ws)
      throws IOException {
    network.require(initial);
    TorchSession.Setup setup =
        new TorchSession.Setup(
            network,
            options.batchSize(),
            options.threads(),
            torch::cross_entropy_loss,
            options.augmentation());
    setup.check("data", data.data());
    setup.check("held-out data", heldOut.data());
    try (Opened opened = new Opened()) {
      Map<String, Tensor> theta = network.load(initial, Device.HOST, ws);
      theta.values().forEach(opened::add);
      try (TorchSession session =
          new TorchSession(setup, theta, data, heldOut, Learned.all(network, FOLLOWED), ws)) {
        long steps = (long) options.epochs() * session.batches();
        // A view, which is not closed: what it shows is returned.
        Checkpoint live = MemoryCheckpoint.of(theta);
        new Epochs(options, session.batches(), steps, observer, live, ws)
            .run(session, theta, steps, stopping, ws);
      }
      opened.release();
      return MemoryCheckpoint.of(theta);
    }
  }

  /** Reports after each epoch. */
  private static final class Epochs extends Descent<TorchSession> {
    private final Options options;
    private final int batches;
    private final Observer observer;
    private final Checkpoint model;
    private final Workspace ws;

    Epochs(
        Options options,
        int batches,
        long steps,
        Observer observer,
        Checkpoint model,
        Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> options.schedule().multiple(step, steps),
          options.clipNorm());
      this.options = options;
      this.batches = batches;
      this.observer = observer;
      this.model = model;
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return "training diverged in epoch " + (step / batches + 1) + " of " + options.epochs();
    }

    @Override
    protected void stepped(long made, double loss) throws IOException {
      observer.stepped(made, batches, model);
      if (made % batches == 0) {
        ws.progress().report("train", made / batches, options.epochs());
      }
    }
  }
}
