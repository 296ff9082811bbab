// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;
import org.merganser.transformer.TransformerConfig;

/**
 * A small decoder that was trained on token sequences: minibatch descent on the mean of {@code -log
 * p} of the next tokens. It begins with any checkpoint, {@link TransformerNetwork#initialise} or a
 * trained one, which is fine-tuning. Batches are drawn without replacement, in an order that
 * depends on the seed of the Workspace and the epoch only; at a fixed number of libtorch threads
 * the result is the same to the bit on processors of one instruction set, on which libtorch's
 * kernels depend. It computes on the CPU, wherever the Workspace does.
 *
 * @param model under canonical names, in the precision of the network
 * @param losses of the batch of each step
 * @param heldOut evaluations on the held-out data
 */
public record DecoderTraining(
    TransformerConfig config, MemoryCheckpoint model, List<Double> losses, List<HeldOut> heldOut)
    implements AutoCloseable {

  private static final long SHARD_BYTES = 4_000_000_000L;

  /** Types whose files have the canonical names. */
  private static final List<String> SAME_NAMES = List.of("llama", "mistral", "qwen2", "qwen3");

  public DecoderTraining {
    losses = List.copyOf(losses);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * Settings.
   *
   * @param optimizer decays all parameters alike
   * @param batch windows of a step
   * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
   * @param threads of libtorch
   */
  public record Options(
      Optimizer optimizer, Schedule schedule, long steps, int batch, double clipNorm, int threads) {
    public Options {
      if (steps < 1 || batch < 1 || threads < 1 || !(clipNorm > 0)) {
        throw new IllegalArgumentException(
            "steps, batch, threads and clip norm must be positive, not "
                + steps
                + ", "
                + batch
                + ", "
                + threads
                + ", "
                + clipNorm);
      }
    }

    /**
     * AdamW with weight decay 0.01, a linear warm-up over a tenth of the steps and half a cosine to
     * 0; batches of 32 windows, gradients clipped to norm 1, one thread.
     */
    public static Options adamW(double learningRate, long steps) {
      return new Options(
          new Optimizer.AdamW(learningRate, 0.01),
          new Schedule(0.1, Schedule.Decay.COSINE),
          steps,
          32,
          1,
          1);
    }

    /** These settings with batches of another size. */
    public Options withBatch(int windows) {
      return Settings.with(this, "batch", windows);
    }

    /** These settings with another number of libtorch threads; results depend on it. */
    public Options withThreads(int count) {
      return Settings.with(this, "threads", count);
    }

    public Options withOptimizer(Optimizer value) {
      return Settings.with(this, "optimizer", value);
    }

    public Options withSchedule(Schedule value) {
      return Settings.with(this, "schedule", value);
    }

    public Options withSteps(long value) {
      return Settings.with(this, "steps", value);
    }

    public Options withClipNorm(double value) {
      return Settings.with(this, "clipNorm", value);
    }
  }

  /**
   * Trains from {@code initial} on, which is not changed.
   *
   * @throws NumericalException when the loss is no longer finite
   */
  public static DecoderTraining of(
      TransformerNetwork network,
      Checkpoint initial,
      TokenWindows data,
      Options options,
      Workspace ws)
      throws IOException {
    EarlyStopping never = new EarlyStopping(Integer.MAX_VALUE, 1);
    return of(network, initial, data, Optional.empty(), never, options, ws);
  }

  /**
   * Trains as long as that improves the score of held-out windows, the loss or the part of the next
   * tokens that has the largest logit, and gives the model for which it was best; that may be the
   * initial one. The schedule is that of all steps.
   *
   * @param heldOut windows that no step sees
   * @param stopping a new one of any policy
   * @throws NumericalException when the loss is no longer finite
   */
  public static DecoderTraining of(
      TransformerNetwork network,
      Checkpoint initial,
      TokenWindows data,
      TokenWindows heldOut,
      EarlyStopping stopping,
      Options options,
      Workspace ws)
      throws IOException {
    return of(network, initial, data, Optional.of(heldOut), stopping, options, ws);
  }

  private static DecoderTraining of(
      TransformerNetwork network,
      Checkpoint initial,
      TokenWindows data,
      Optional<TokenWindows> heldOut,
      EarlyStopping stopping,
      Options options,
      Workspace ws)
      throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> theta = network.load(initial, Device.HOST, ws);
      theta.values().forEach(opened::add);
      List<Double> losses;
      try (TokenLearner learner =
          new TokenLearner(network, theta, data, heldOut, options.batch(), options.threads(), ws)) {
        losses = new Steps(options, ws).run(learner, theta, options.steps(), stopping, ws);
      }
      opened.release();
      return new DecoderTraining(
          network.config(), MemoryCheckpoint.of(theta), losses, stopping.evaluations());
    }
  }

  /**
   * Writes {@code config.json} and {@code model.safetensors} (shards above 4 GB) into a folder, as
   * Hugging Face's libraries read them.
   *
   * @throws IllegalArgumentException when models of this type have other names or orders of
   *     tensors: {@link org.merganser.transformer.CanonicalCheckpoint#restored} gives them those of
   *     the model that they were made of
   */
  public void writeTo(Path folder, Workspace ws) throws IOException {
    if (!SAME_NAMES.contains(config.modelType())) {
      throw new IllegalArgumentException(
          "tensors of models of type '"
              + config.modelType()
              + "' have other names and orders, as "
              + SAME_NAMES
              + " do not; write CanonicalCheckpoint.restored(model) of a model of that type");
    }
    Files.createDirectories(folder);
    Safetensors.writeFolder(model, folder, SHARD_BYTES, ws);
    config.writeTo(folder.resolve("config.json"));
  }

  /** Reports after each step. */
  private static final class Steps extends Descent<TokenLearner> {
    private final Options options;
    private final Workspace ws;

    Steps(Options options, Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> options.schedule().multiple(step, options.steps()),
          options.clipNorm());
      this.options = options;
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return "training diverged in step " + (step + 1) + " of " + options.steps();
    }

    @Override
    protected void stepped(long made, double loss) {
      ws.progress()
          .report("train", made, options.steps(), String.format(Locale.ROOT, "loss %.4f", loss));
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
