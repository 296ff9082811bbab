// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.model.Objective;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Placement;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;

/**
 * Mean loss of a network on labelled samples, as a function of its learned parameters; libtorch
 * gives the gradient. Steps take batches drawn without replacement; a part of the samples is held
 * out and never seen by a step.
 *
 * <p>Batch normalisation runs in training mode during learning and normalises held-out batches with
 * their own statistics; running statistics are computed once, at the end, from training samples
 * ({@link org.merganser.repair.BatchNormReset}).
 *
 * <p>Memory: 8 bytes a parameter (theta and gradient), and what the forward pass keeps.
 */
public final class TorchObjective implements Objective {
  private static final int RESET_SAMPLES = 4000;

  private final TorchSession.Setup setup;
  private final Examples data;
  private final double heldOutFraction;
  private final Optional<Examples> heldOut;
  private final int resetSamples;

  private TorchObjective(Builder builder, TorchSession.Setup setup) {
    this.setup = setup;
    this.data = builder.data;
    this.heldOutFraction = builder.heldOutFraction;
    this.heldOut = builder.heldOut;
    this.resetSamples = builder.resetSamples;
  }

  /**
   * A tenth of the samples held out, batches of 128, cross-entropy, one libtorch thread, no
   * augmentation, at most 4000 samples for running statistics.
   */
  public static Builder builder(TorchNetwork network, Examples data) {
    return new Builder(network, data);
  }

  @Override
  public List<Slot> slots() {
    return setup.network().learned().stream()
        .map(name -> new Slot(name, setup.network().parameters().get(name)))
        .toList();
  }

  /**
   * Computes where the Workspace does: parameters and gradients lie there, batches are copied
   * there.
   *
   * @throws org.merganser.error.NativeLibraryException when libtorch cannot: on CUDA it needs its
   *     build with classifier {@code linux-x86_64-gpu}
   */
  @Override
  public Session open(Workspace ws) throws IOException {
    return openTorch(ws);
  }

  TorchObjectiveSession openTorch(Workspace ws) throws IOException {
    Placement.require(ws);
    return new TorchObjectiveSession(setup, split(ws.seed()), resetSamples, ws);
  }

  Samples.Split split(long seed) {
    return heldOut.isPresent()
        ? new Samples.Split(Samples.all(data), Samples.all(heldOut.get()))
        : Samples.split(data, heldOutFraction, seed);
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder {
    private final TorchNetwork network;
    private final Examples data;
    private double heldOutFraction = 0.1;
    private Optional<Examples> heldOut = Optional.empty();
    private int batchSize = 128;
    private int threads = 1;
    private Loss loss = Loss.CROSS_ENTROPY;
    private Augmentation augmentation = Augmentation.NONE;
    private int resetSamples = RESET_SAMPLES;

    private Builder(TorchNetwork network, Examples data) {
      this.network = network;
      this.data = data;
    }

    /** Part of the samples that is held out, drawn at random; 0 for none. In [0, 1). */
    public Builder heldOut(double fraction) {
      heldOutFraction = fraction;
      heldOut = Optional.empty();
      return this;
    }

    /** Held-out samples of their own; steps see all the others. */
    public Builder heldOut(Examples samples) {
      heldOut = Optional.of(samples);
      return this;
    }

    public Builder batchSize(int value) {
      batchSize = value;
      return this;
    }

    /** Threads of libtorch; results depend on it. */
    public Builder threads(int value) {
      threads = value;
      return this;
    }

    public Builder loss(Loss value) {
      loss = value;
      return this;
    }

    /** Of the samples of every step. */
    public Builder augmentation(Augmentation value) {
      augmentation = value;
      return this;
    }

    /** Training samples that running statistics are taken from, at most; at least 2. */
    public Builder resetSamples(int value) {
      resetSamples = value;
      return this;
    }

    /**
     * @throws org.merganser.error.ShapeException when samples do not fit the network
     */
    public TorchObjective build() {
      if (!(heldOutFraction >= 0 && heldOutFraction < 1)) {
        throw new IllegalArgumentException(
            "the held-out part must be in [0, 1), not " + heldOutFraction);
      }
      if (batchSize < 1 || threads < 1 || resetSamples < 2) {
        throw new IllegalArgumentException(
            "batch size and threads must be at least 1, reset samples at least 2, not "
                + batchSize
                + ", "
                + threads
                + " and "
                + resetSamples);
      }
      TorchSession.Setup setup =
          new TorchSession.Setup(network, batchSize, threads, loss::of, augmentation);
      setup.check("data", data);
      heldOut.ifPresent(examples -> setup.check("held-out data", examples));
      if (heldOut.isEmpty() && heldOutFraction > 0 && data.size() < 2) {
        throw new IllegalArgumentException(
            "one sample cannot be split into training and held-out data; give more, or"
                + " heldOut(0)");
      }
      return new TorchObjective(this, setup);
    }
  }
}
