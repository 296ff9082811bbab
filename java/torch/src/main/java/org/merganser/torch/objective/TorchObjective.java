// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.method.Settings;
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
  private final TorchSession.Setup setup;
  private final Examples data;
  private final Options options;
  private final Optional<Examples> heldOut;

  /**
   * Settings.
   *
   * @param heldOut part of the samples that is held out, drawn at random; 0 for none
   * @param threads of libtorch; results depend on it
   * @param augmentation of the samples of every step
   * @param resetSamples training samples that running statistics are taken from, at most
   */
  public record Options(
      double heldOut,
      int batchSize,
      int threads,
      Loss loss,
      Augmentation augmentation,
      int resetSamples) {
    public Options {
      if (!(heldOut >= 0 && heldOut < 1)) {
        throw new IllegalArgumentException("the held-out part must be in [0, 1), not " + heldOut);
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
    }

    /**
     * A tenth of the samples held out, batches of 128, one libtorch thread, cross-entropy, no
     * augmentation, at most 4000 samples for running statistics.
     */
    public static Options defaults() {
      return new Options(0.1, 128, 1, Loss.CROSS_ENTROPY, Augmentation.NONE, 4000);
    }

    public Options withHeldOut(double value) {
      return Settings.with(this, "heldOut", value);
    }

    public Options withBatchSize(int value) {
      return Settings.with(this, "batchSize", value);
    }

    public Options withThreads(int value) {
      return Settings.with(this, "threads", value);
    }

    public Options withLoss(Loss value) {
      return Settings.with(this, "loss", value);
    }

    public Options withAugmentation(Augmentation value) {
      return Settings.with(this, "augmentation", value);
    }

    public Options withResetSamples(int value) {
      return Settings.with(this, "resetSamples", value);
    }
  }

  private TorchObjective(
      TorchSession.Setup setup, Examples data, Options options, Optional<Examples> heldOut) {
    this.setup = setup;
    this.data = data;
    this.options = options;
    this.heldOut = heldOut;
  }

  /** With the usual settings. */
  public static TorchObjective of(TorchNetwork network, Examples data) {
    return of(network, data, Options.defaults());
  }

  /**
   * @throws org.merganser.error.ShapeException when samples do not fit the network
   */
  public static TorchObjective of(TorchNetwork network, Examples data, Options options) {
    TorchSession.Setup setup = setup(network, options);
    setup.check("data", data);
    if (options.heldOut() > 0 && data.size() < 2) {
      throw new IllegalArgumentException(
          "one sample cannot be split into training and held-out data; give more, or a held-out"
              + " part of 0");
    }
    return new TorchObjective(setup, data, options, Optional.empty());
  }

  /**
   * With held-out samples of their own: steps see all of {@code data}, whatever part the settings
   * hold out.
   *
   * @throws org.merganser.error.ShapeException when samples do not fit the network
   */
  public static TorchObjective of(
      TorchNetwork network, Examples data, Examples heldOut, Options options) {
    TorchSession.Setup setup = setup(network, options);
    setup.check("data", data);
    setup.check("held-out data", heldOut);
    return new TorchObjective(setup, data, options, Optional.of(heldOut));
  }

  private static TorchSession.Setup setup(TorchNetwork network, Options options) {
    return new TorchSession.Setup(
        network,
        options.batchSize(),
        options.threads(),
        options.loss()::of,
        options.augmentation());
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
    return new TorchObjectiveSession(setup, split(ws.seed()), options.resetSamples(), ws);
  }

  Samples.Split split(long seed) {
    return heldOut.isPresent()
        ? new Samples.Split(Samples.all(data), Samples.all(heldOut.get()))
        : Samples.split(data, options.heldOut(), seed);
  }
}
