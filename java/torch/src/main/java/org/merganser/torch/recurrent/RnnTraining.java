// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;

/**
 * A recurrent network that was trained by back-propagation through time. Batches are drawn without
 * replacement in an order that depends on the seed of the Workspace and the epoch only (windows of
 * a text follow one another); the result is the same to the bit on processors of one instruction
 * set.
 *
 * @param model in the precision of the network; of a run that diverged the parameters it had then
 * @param losses of the batch of each step
 * @param diverged what was no longer finite: with the step of training, a state by step, sequence
 *     and unit, a loss, the norm of a gradient, or a parameter after the last step; empty when
 *     nothing was
 * @param heldOut evaluations on the held-out sequences
 */
public record RnnTraining(
    MemoryCheckpoint model, List<Double> losses, Optional<String> diverged, List<HeldOut> heldOut)
    implements AutoCloseable {

  public RnnTraining {
    losses = List.copyOf(losses);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * Settings.
   *
   * @param batch sequences of a step; not read of a text, whose streams are the batch
   * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
   * @param learned names of the parameters that move; empty for all that the network learns
   * @param shapeFrom step from which on n and s move too, from 0; those before it are the steps of
   *     a network that keeps them
   * @param stopping by held-out sequences, of which the parameters of the best score are kept;
   *     empty for all steps
   */
  public record Options(
      Optimizer optimizer,
      Schedule schedule,
      long steps,
      int batch,
      double clipNorm,
      Set<String> learned,
      long shapeFrom,
      Optional<EarlyStopping.Policy> stopping) {
    public Options {
      if (shapeFrom < 0) {
        throw new IllegalArgumentException("n and s cannot move from step " + shapeFrom + " on");
      }
      if (steps < 1 || batch < 1 || !(clipNorm > 0)) {
        throw new IllegalArgumentException(
            "steps, batch and clip norm must be positive, not "
                + steps
                + ", "
                + batch
                + " and "
                + clipNorm
                + "; set each above 0");
      }
      learned = Set.copyOf(learned);
    }

    /** Adam at a constant rate, batches of 100 sequences, gradients clipped to norm 1. */
    public static Options adam(double learningRate, long steps) {
      return new Options(
          new Optimizer.AdamW(learningRate, 0),
          new Schedule(0, Schedule.Decay.CONSTANT),
          steps,
          100,
          1,
          Set.of(),
          0,
          Optional.empty());
    }

    /** The same with batches of another size. */
    public Options withBatch(int sequences) {
      return Settings.with(this, "batch", sequences);
    }

    /** The same with another bound of the gradient. */
    public Options withClipNorm(double norm) {
      return Settings.with(this, "clipNorm", norm);
    }

    /** The same for some parameters only: {@link VanillaRnn#shape} adapts n and s alone. */
    public Options withLearned(Set<String> names) {
      return Settings.with(this, "learned", names);
    }

    /** The same, ended by a policy; its learning rate is multiplied by that of the schedule. */
    public Options withStopping(EarlyStopping.Policy policy) {
      return Settings.with(this, "stopping", Optional.of(policy));
    }

    /** The same with n and s fixed for the first steps: late adaptation. */
    public Options withShapeFrom(long step) {
      return Settings.with(this, "shapeFrom", step);
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
  }

  /** Looks at a network while it learns. */
  @FunctionalInterface
  public interface Watch {
    /** Sees nothing. */
    Watch NONE = (step, now) -> {};

    /**
     * Called before the first step and after each, so choose. When a session finds states, outputs
     * or a loss that are not finite, and its exception is let through, the run has diverged in the
     * step that was made.
     *
     * @param step how many were made
     * @param now the network as it is
     */
    void after(long step, Supply now) throws IOException;

    /** Gives a copy of the network as it is. */
    @FunctionalInterface
    interface Supply {
      RnnSession open() throws IOException;
    }
  }

  /** Trains from {@code initial} on, which is not changed. */
  public static RnnTraining of(
      VanillaRnn rnn, Checkpoint initial, Sequences data, Options options, Workspace ws)
      throws IOException {
    return of(rnn, initial, data, options, Watch.NONE, ws);
  }

  /** The same, watched. */
  public static RnnTraining of(
      VanillaRnn rnn,
      Checkpoint initial,
      Sequences data,
      Options options,
      Watch watch,
      Workspace ws)
      throws IOException {
    return of(rnn, initial, data, Optional.empty(), options, watch, ws);
  }

  /**
   * The same as far as the policy of the options has it, by sequences that no step sees. The model
   * is that of their best score, but where the run has diverged.
   */
  public static RnnTraining of(
      VanillaRnn rnn,
      Checkpoint initial,
      Sequences data,
      Sequences heldOut,
      Options options,
      Watch watch,
      Workspace ws)
      throws IOException {
    return of(rnn, initial, data, Optional.of(heldOut), options, watch, ws);
  }

  private static RnnTraining of(
      VanillaRnn rnn,
      Checkpoint initial,
      Sequences data,
      Optional<Sequences> heldOut,
      Options options,
      Watch watch,
      Workspace ws)
      throws IOException {
    check(rnn, data, heldOut, options);
    Set<String> names = options.learned().isEmpty() ? rnn.learned() : options.learned();
    EarlyStopping stopping =
        new EarlyStopping(
            options.stopping().orElse(EarlyStopping.Policy.leastLoss(Integer.MAX_VALUE, 1)));
    try (Opened opened = new Opened()) {
      Map<String, Tensor> theta = rnn.load(initial, ws);
      theta.values().forEach(opened::add);
      Steps steps = new Steps(rnn, theta, options, watch, ws);
      Optional<String> diverged = Optional.empty();
      try (RnnLearner learner =
          new RnnLearner(rnn, theta, names, data, options.batch(), options.shapeFrom(), ws) {
            @Override
            public OptionalDouble heldOut(EarlyStopping.Score score) throws IOException {
              return heldOut.isEmpty() ? super.heldOut(score) : steps.score(heldOut.get(), score);
            }
          }) {
        steps.watch(0);
        steps.run(learner, theta, options.steps(), stopping, ws);
        requireFinite(theta, names);
      } catch (Diverged e) {
        diverged = Optional.of(steps.diverged(steps.begun - 1) + ": " + e.getMessage());
      }
      opened.release();
      return new RnnTraining(
          MemoryCheckpoint.of(theta), steps.losses, diverged, stopping.evaluations());
    }
  }

  /** What the last step made: no loss comes after it that would tell. */
  private static void requireFinite(Map<String, Tensor> theta, Set<String> names) {
    for (String name : names) {
      double[] values = theta.get(name).toDoubleArray();
      for (int i = 0; i < values.length; i++) {
        if (!Double.isFinite(values[i])) {
          throw new Diverged("value %d of '%s' is %s after it".formatted(i, name, values[i]));
        }
      }
    }
  }

  private static void check(
      VanillaRnn rnn, Sequences data, Optional<Sequences> heldOut, Options options) {
    check(rnn, "data", data);
    heldOut.ifPresent(sequences -> check(rnn, "held-out data", sequences));
    if (heldOut.isPresent() != options.stopping().isPresent()) {
      throw new IllegalArgumentException(
          heldOut.isPresent()
              ? "held-out data without a policy of stopping that looks at them; give one (withStopping)"
              : "no held-out data, by which training is stopped; give some sequences that training"
                  + " does not see, or no policy of stopping");
    }
    for (String name : options.learned()) {
      if (!rnn.parameters().containsKey(name)) {
        throw new IllegalArgumentException(
            "'" + name + "' cannot be learned; the network has " + rnn.parameters().keySet());
      }
    }
  }

  private static void check(VanillaRnn rnn, String what, Sequences data) {
    if (data.width() != rnn.inputs() || data.classes() != rnn.outputs()) {
      throw new ShapeException(
          "the network reads %d values a step and tells %d classes; the %s are %s of %d classes"
              .formatted(rnn.inputs(), rnn.outputs(), what, data, data.classes()));
    }
  }

  /** States, a loss or parameters that are not finite. */
  static final class Diverged extends NumericalException {
    private static final long serialVersionUID = 1L;

    Diverged(String message) {
      super(message);
    }
  }

  /** Keeps losses and constraints. */
  private static final class Steps extends Descent<RnnLearner> {
    private final VanillaRnn rnn;
    private final Map<String, Tensor> theta;
    private final Options options;
    private final Watch watch;
    private final Workspace ws;
    private final List<Double> losses = new ArrayList<>();

    /** How many steps were: the last of them made the network what it is. */
    private long begun;

    Steps(VanillaRnn rnn, Map<String, Tensor> theta, Options options, Watch watch, Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> options.schedule().multiple(step, options.steps()),
          options.clipNorm());
      this.rnn = rnn;
      this.theta = theta;
      this.options = options;
      this.watch = watch;
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return step < 0
          ? "the network to be trained is not finite"
          : "training diverged in step " + (step + 1) + " of " + options.steps();
    }

    @Override
    protected NumericalException failure(long step, String what) {
      return new Diverged(what);
    }

    @Override
    protected double backward(RnnLearner learner, long step) throws IOException {
      begun = step + 1;
      return super.backward(learner, step);
    }

    @Override
    protected void stepped(long made, double loss) throws IOException {
      losses.add(loss);
      if (rnn.gamma().filter(gamma -> gamma.constraint() == Constraint.CLAMP).isPresent()) {
        clamp(theta.get(VanillaRnn.N), Gamma.LEAST_GAIN, Double.POSITIVE_INFINITY);
        clamp(theta.get(VanillaRnn.S), 0, 1);
      }
      ws.progress()
          .report("train", made, options.steps(), String.format(Locale.ROOT, "loss %.4f", loss));
      watch(made);
    }

    /** Data of a watch may be others: the message says that they are the watch's. */
    private void watch(long made) throws IOException {
      try {
        watch.after(made, this::copy);
      } catch (Diverged e) {
        throw new Diverged("in data that it is watched on, " + e.getMessage());
      }
    }

    private OptionalDouble score(Sequences heldOut, EarlyStopping.Score what) throws IOException {
      try (RnnSession session = copy()) {
        RnnSession.Score found = session.score(heldOut);
        return OptionalDouble.of(
            what == EarlyStopping.Score.LOSS ? found.loss() : found.accuracy());
      } catch (Diverged e) {
        throw new Diverged("in held-out data, " + e.getMessage());
      }
    }

    private static void clamp(Tensor values, double from, double to) {
      for (long i = 0; i < values.size(); i++) {
        values.set(i, Math.max(from, Math.min(to, values.get(i))));
      }
    }

    private RnnSession copy() throws IOException {
      try (Opened opened = new Opened()) {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        theta.forEach((name, tensor) -> copies.put(name, opened.add(tensor.copy())));
        RnnSession session = Libtorch.call(VanillaRnn.THREADS, () -> new RnnSession(rnn, copies));
        opened.release();
        return session;
      }
    }
  }

  @Override
  public void close() {
    model.close();
  }
}
