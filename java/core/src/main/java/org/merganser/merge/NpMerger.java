// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective;

/**
 * NP Merge (non-uniform parameter-wise merging): learns each parameter's coefficient by gradient
 * descent on a loss, the models themselves frozen:
 *
 * <pre>
 *   theta = s a + (1 - s) c,   s = sigmoid(z),   dL/dz = dL/dtheta (a - c) s (1 - s)
 * </pre>
 *
 * for aligned models a and c; K models at once by {@link Form#SOFTMAX}. The loop asks the {@link
 * Objective} for dL/dtheta; the rest of a step is one native pass over the parameters, which writes
 * theta where the objective reads it. The coefficients of the least held-out loss are kept, those
 * at the start among them: little data is overfitted within tens of steps.
 *
 * <p>Tensors that are no slots of the objective are its {@link Objective.Session#buffers}, or the
 * first model's. Memory for F32, Adam and two models: 24 bytes a parameter (a, c, z, m, v, best z)
 * beside what the objective needs. Models are taken in F32, or in BF16 when all are.
 *
 * <p>Source: arXiv 2412.15467, which gives the form, its gradient and successive merging.
 * Optimiser, stopping and the other forms are ours.
 */
public final class NpMerger implements Merger {
  private static final int MOST_MODELS = 8;

  /** How logits z become coefficients. */
  public enum Form {
    /** {@code s = 1 / (1 + exp(-z))} of the first of two models: the published form. */
    SIGMOID,
    /** {@code s = z}, kept in [0, 1]; for comparison. */
    CLAMP,
    /** {@code s = softmax(z_1 ... z_K)} of K models at once, 2 to 8. */
    SOFTMAX
  }

  /** What has a logit of its own. */
  public enum Granularity {
    PARAMETER,
    /** A row: all parameters of one entry of the first dimension. */
    ROW,
    TENSOR
  }

  /** How logits follow their gradient. */
  public sealed interface Optimizer {
    double learningRate();

    /** Adam (Kingma and Ba 2015) without weight decay. */
    record Adam(
        @Setting(value = "step of the logits", above = 0) double learningRate,
        @Setting(value = "decay of the mean of gradients", min = 0, below = 1) double beta1,
        @Setting(value = "decay of the mean of their squares", min = 0, below = 1) double beta2,
        @Setting(value = "added to the root of the latter", min = 1e-30) double epsilon)
        implements Optimizer {
      public Adam {
        Settings.check(Adam.class, learningRate, beta1, beta2, epsilon);
      }

      /** Betas 0.9 and 0.999, epsilon 1e-8. */
      public Adam(double learningRate) {
        this(learningRate, 0.9, 0.999, 1e-8);
      }

      /** Learning rate 0.05. */
      public static Adam defaults() {
        return new Adam(0.05);
      }
    }

    /** Stochastic gradient descent. */
    record Sgd(
        @Setting(value = "step of the logits", above = 0) double learningRate,
        @Setting(value = "part of the last step that is made again", min = 0, below = 1)
            double momentum)
        implements Optimizer {
      public Sgd {
        Settings.check(Sgd.class, learningRate, momentum);
      }

      /** Learning rate 0.05, no momentum. */
      public static Sgd defaults() {
        return new Sgd(0.05, 0);
      }
    }
  }

  /**
   * Settings. The paper fixes the sigmoid and one coefficient for each parameter; rates, lengths
   * and stopping are ours. {@code pull} is mu in {@code dL/dz + mu z}, for {@link Form#CLAMP} in
   * {@code dL/dz + mu (z - 1/2)}; {@code initUniform} starts round j of successive merges with
   * coefficients (j-1)/j and 1/j.
   */
  public record Options(
      @Setting("how logits become coefficients") Form form,
      @Setting("what has a logit of its own") Granularity granularity,
      @Setting("how logits follow their gradient") Optimizer optimizer,
      @Setting(value = "steps at most; the average alone needs none", min = 1) long steps,
      @Setting(value = "steps between two evaluations on the held-out data", min = 1) int evalEvery,
      @Setting(value = "evaluations without improvement after which a run ends", min = 1)
          int patience,
      @Setting(value = "coefficients at the start, of sum 1; none for equal ones", min = 0)
          List<Double> initial,
      @Setting("whether successive merges start from the mean of all models so far")
          boolean initUniform,
      @Setting(value = "pull of the logits to equal coefficients", min = 0, max = 1e6) double pull,
      @Setting(value = "logits stay in [-limit, limit]", above = 0, max = 40) double limit,
      @Setting("file in which an interrupted run leaves what it needs to go on")
          Optional<Path> state) {
    public Options {
      initial = List.copyOf(initial);
      Settings.check(
          Options.class,
          form,
          granularity,
          optimizer,
          steps,
          evalEvery,
          patience,
          initial,
          initUniform,
          pull,
          limit,
          state);
      double sum = initial.stream().mapToDouble(Double::doubleValue).sum();
      if (!initial.isEmpty() && !(Math.abs(sum - 1) <= 1e-6)) {
        throw new IllegalArgumentException(
            "initial coefficients " + initial + " must sum to 1, not to " + sum);
      }
      if (initUniform && !initial.isEmpty()) {
        throw new IllegalArgumentException("init-uniform sets the initial ones; drop " + initial);
      }
    }

    /**
     * Adam 0.05, 200 steps, an evaluation every 10 of them and the end after 5 without improvement,
     * sigmoid, a coefficient for each parameter, equal coefficients at the start, no pull, limit
     * 15.
     */
    public static Options defaults() {
      return new Options(
          Form.SIGMOID,
          Granularity.PARAMETER,
          new Optimizer.Adam(0.05),
          200,
          10,
          5,
          List.of(),
          false,
          0,
          15,
          Optional.empty());
    }

    public Options withForm(Form value) {
      return Settings.with(this, "form", value);
    }

    public Options withGranularity(Granularity value) {
      return Settings.with(this, "granularity", value);
    }

    public Options withOptimizer(Optimizer value) {
      return Settings.with(this, "optimizer", value);
    }

    public Options withSteps(long value) {
      return Settings.with(this, "steps", value);
    }

    public Options withEvalEvery(int value) {
      return Settings.with(this, "evalEvery", value);
    }

    public Options withPatience(int value) {
      return Settings.with(this, "patience", value);
    }

    /** One coefficient for each model. */
    public Options withInitial(double... coefficients) {
      return Settings.with(this, "initial", Arrays.stream(coefficients).boxed().toList());
    }

    public Options withInitUniform(boolean value) {
      return Settings.with(this, "initUniform", value);
    }

    public Options withPull(double value) {
      return Settings.with(this, "pull", value);
    }

    public Options withLimit(double value) {
      return Settings.with(this, "limit", value);
    }

    public Options withState(Path file) {
      return Settings.with(this, "state", Optional.of(file));
    }
  }

  /**
   * What one run learned.
   *
   * @param model the merged model, of the best coefficients, in the types of the first model
   * @param coefficients coefficient of the first model in each parameter (of each model for {@link
   *     Form#SOFTMAX}), F32, under the names of the parameters: their shape, {@code [rows]} or
   *     {@code [1]}, for softmax with the models as a further first dimension
   * @param losses of the batch of each step, before the step
   * @param heldOut evaluations on the held-out data, the first at step 0; empty without such data
   * @param bestStep step whose coefficients are kept: that of the least held-out loss, the first of
   *     equals; the last without held-out data
   * @param stop why it ended
   * @param traffic what crossed between host and device after the models had been copied
   */
  public record Result(
      MemoryCheckpoint model,
      MemoryCheckpoint coefficients,
      List<Double> losses,
      List<HeldOut> heldOut,
      long bestStep,
      Stop stop,
      Traffic traffic)
      implements AutoCloseable {

    public Result {
      losses = List.copyOf(losses);
      heldOut = List.copyOf(heldOut);
    }

    /** The least held-out loss. */
    public OptionalDouble bestHeldOutLoss() {
      return heldOut.stream()
          .filter(evaluation -> evaluation.step() == bestStep)
          .mapToDouble(HeldOut::score)
          .findFirst();
    }

    @Override
    public void close() {
      model.close();
      coefficients.close();
    }
  }

  /** Bytes copied between host and device by the loop; 0 when everything lies where it runs. */
  public record Traffic(long toDevice, long toHost) {}

  /** Why a run ended. */
  public enum Stop {
    /** All steps were made. */
    STEPS,
    /** The held-out loss had not improved for the evaluations of the patience. */
    PATIENCE,
    /** A loss or a gradient was not finite; see {@link Diverged}. */
    DIVERGED
  }

  /** A loss or a gradient was not finite. What had been learned until then is kept. */
  public static final class Diverged extends NumericalException {
    private static final long serialVersionUID = 1;

    private final transient Result best;

    Diverged(String message, Result best, Throwable cause) {
      super(message, cause);
      this.best = best;
    }

    /** The model of the best coefficients before; the caller closes it. */
    public Result best() {
      return best;
    }
  }

  private static final Needs NEEDS = new Needs(true, false, 2, Integer.MAX_VALUE);

  private final Optional<Objective> objective;
  private final Options options;

  private NpMerger(Optional<Objective> objective, Options options) {
    this.objective = objective;
    this.options = options;
  }

  /** With {@link Options#defaults}. */
  public static NpMerger of(Objective objective) {
    return of(objective, Options.defaults());
  }

  /** Of the objective that each problem brings. */
  public static NpMerger of(Options options) {
    return new NpMerger(Optional.empty(), options);
  }

  public static NpMerger of(Objective objective, Options options) {
    return new NpMerger(Optional.of(objective), options);
  }

  @Override
  public String id() {
    return "np-merge";
  }

  @Override
  public String summary() {
    return "a coefficient for each parameter, learned by gradient descent (NP Merge)";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return NEEDS;
  }

  /** That of the problem, or the method's own. */
  private Objective objective(MergeProblem problem) {
    Optional<Objective> found = problem.objective().or(() -> objective);
    NEEDS.check(id(), found.map(problem::withObjective).orElse(problem));
    return found.orElseThrow();
  }

  /** Aligns a model to what has been merged so far. */
  @FunctionalInterface
  public interface Realign {
    /**
     * @return the aligned model, which is borrowed until the round ends: whoever made it closes it
     */
    Checkpoint align(Checkpoint reference, Checkpoint model) throws IOException;
  }

  /**
   * Learns the coefficients of two models, or of 2 to 8 with {@link Form#SOFTMAX}.
   *
   * @param problem aligned models
   * @throws IncompatibleModelsException when the models lack slots of the objective, or have them
   *     in another shape or in integers, listing all
   * @throws Diverged when a loss or gradient is not finite
   * @throws NumericalException when a model is not finite
   * @throws CancelledException when cancelled; {@link Options#state} then holds the run
   */
  public Result learn(MergeProblem problem, Workspace ws) throws IOException {
    boolean softmax = options.form() == Form.SOFTMAX;
    int models = problem.models().size();
    if (models < 2 || models > (softmax ? MOST_MODELS : 2)) {
      String most = softmax ? " to " + MOST_MODELS : "; use merge or successive for more";
      throw new IllegalArgumentException(
          models + " models; " + options.form() + " learns the coefficients of 2" + most);
    }
    return new NpRun(objective(problem), options, problem, ws).run();
  }

  /**
   * Merges one model after the other, as published: {@code M_1 = x_1, M_j = NP(M_(j-1), align(x_j
   * to M_(j-1)))}, with fresh logits in each round.
   *
   * @return the rounds in order, {@code models - 1} of them; the last is the result. The caller
   *     closes all
   */
  public List<Result> successive(MergeProblem problem, Realign realign, Workspace ws)
      throws IOException {
    return NpRounds.run(objective(problem), options, problem, realign, ws);
  }

  /**
   * The merged model, in memory: of all at once for softmax, else one after the other. The models
   * must be aligned to the first.
   */
  @Override
  public Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException {
    boolean atOnce = options.form() == Form.SOFTMAX || problem.models().size() <= 2;
    List<Result> rounds =
        atOnce ? List.of(learn(problem, ws)) : successive(problem, (reference, model) -> model, ws);
    Result last = rounds.get(rounds.size() - 1);
    rounds.subList(0, rounds.size() - 1).forEach(Result::close);
    last.coefficients().close();
    return last.model();
  }
}
