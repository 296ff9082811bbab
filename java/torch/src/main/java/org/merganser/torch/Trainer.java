// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Mode;

/**
 * Trains a network by minibatch gradient descent on the cross-entropy. Batches are drawn without
 * replacement, in an order that depends on the seed and the epoch only; at a fixed number of
 * libtorch threads the result is the same to the bit.
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
      return new Options(optimizer, schedule, epochs, batchSize, clipNorm, threads, how);
    }

    /** These settings with another number of libtorch threads; results depend on it. */
    public Options withThreads(int count) {
      return new Options(optimizer, schedule, epochs, batchSize, clipNorm, count, augmentation);
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
  }

  private final TorchNetwork network;
  private final Examples data;
  private final Options options;
  private final Workspace ws;

  private Trainer(TorchNetwork network, Examples data, Options options, Workspace ws) {
    this.network = network;
    this.data = data;
    this.options = options;
    this.ws = ws;
  }

  /**
   * Trains from {@code initial} on, which is not changed; the seed of the Workspace orders the
   * data.
   *
   * @throws NumericalException when the loss is no longer finite
   */
  public static MemoryCheckpoint train(
      TorchNetwork network, Checkpoint initial, Examples data, Options options, Workspace ws)
      throws IOException {
    network.require(initial);
    network.checkInputs(data.inputs());
    options.augmentation().check(data.inputs().shape());
    if (data.classes() != network.outputs()) {
      throw new IllegalArgumentException(
          "the network has "
              + network.outputs()
              + " outputs, the data "
              + data.classes()
              + " classes");
    }
    return new Trainer(network, data, options, ws).run(initial);
  }

  private MemoryCheckpoint run(Checkpoint initial) throws IOException {
    Map<String, org.merganser.linalg.Tensor> owned = network.load(initial, ws);
    Map<String, Tensor> theta = new LinkedHashMap<>();
    Tensor[] inputs = new Tensor[1];
    org.bytedeco.pytorch.Optimizer[] optimizer = new org.bytedeco.pytorch.Optimizer[1];
    Lent lent = new Lent(List.of(data.inputs()));
    TorchNatives.call(
        options.threads(),
        () -> {
          TensorVector vector = new TensorVector();
          owned.forEach(
              (name, tensor) -> {
                Tensor parameter = Bridge.share(tensor);
                theta.put(name, parameter);
                if (network.learned().contains(name)) {
                  parameter.set_requires_grad(true);
                  vector.push_back(parameter);
                }
              });
          inputs[0] = Bridge.share(data.inputs());
          optimizer[0] = options.optimizer().create(vector);
          return null;
        });
    try {
      BatchOrder order = new BatchOrder(data.size(), options.batchSize(), ws.seed());
      long steps = (long) options.epochs() * order.batches();
      for (int epoch = 0; epoch < options.epochs(); epoch++) {
        int round = epoch;
        double sum = 0;
        for (int i = 0; i < order.batches(); i++) {
          ws.cancellation().check();
          long step = (long) epoch * order.batches() + i;
          int[] batch = order.batch(step);
          double rate =
              options.optimizer().learningRate() * options.schedule().multiple(step, steps);
          sum +=
              TorchNatives.call(
                  options.threads(),
                  () -> step(theta, inputs[0], batch, round, rate, optimizer[0]));
        }
        if (!Double.isFinite(sum)) {
          throw new NumericalException(
              "training diverged in epoch "
                  + (epoch + 1)
                  + " of "
                  + options.epochs()
                  + ": the loss is "
                  + sum
                  + "; lower the learning rate (now "
                  + options.optimizer().learningRate()
                  + ")");
        }
        ws.progress().report("train", epoch + 1, options.epochs());
      }
      return MemoryCheckpoint.of(owned);
    } finally {
      optimizer[0].close();
      inputs[0].close();
      theta.values().forEach(Tensor::close);
      lent.close();
      Memory.keepAlive(owned);
    }
  }

  /** One step in place; returns the loss of the batch. */
  @SuppressWarnings("try")
  private double step(
      Map<String, Tensor> theta,
      Tensor inputs,
      int[] batch,
      int epoch,
      double rate,
      org.bytedeco.pytorch.Optimizer optimizer) {
    try (PointerScope scope = new PointerScope()) {
      Tensor drawn = Bridge.rows(inputs, batch);
      Tensor x = options.augmentation().apply(drawn, ws.seed(), epoch, batch);
      Tensor loss =
          torch.cross_entropy_loss(
              network.forward(x, theta, Mode.TRAIN), Bridge.labels(data, batch));
      optimizer.zero_grad();
      loss.backward();
      if (options.clipNorm() < Double.POSITIVE_INFINITY) {
        torch.clip_grad_norm_(optimizer.param_groups().get(0).params(), options.clipNorm());
      }
      optimizer.param_groups().get(0).options().set_lr(rate);
      try (NoGradGuard guard = new NoGradGuard()) {
        optimizer.step();
      }
      return loss.item_float();
    }
  }
}
