// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
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
    record Adam(double learningRate, double beta1, double beta2, double epsilon)
        implements Optimizer {
      public Adam {
        requireRate(learningRate);
        requireFraction("beta1", beta1);
        requireFraction("beta2", beta2);
        if (!(epsilon >= 1e-30) || Double.isInfinite(epsilon)) {
          throw new IllegalArgumentException(
              "epsilon must be at least 1e-30 and finite, not " + epsilon);
        }
      }

      /** Betas 0.9 and 0.999, epsilon 1e-8. */
      public Adam(double learningRate) {
        this(learningRate, 0.9, 0.999, 1e-8);
      }
    }

    /** Stochastic gradient descent. */
    record Sgd(double learningRate, double momentum) implements Optimizer {
      public Sgd {
        requireRate(learningRate);
        requireFraction("momentum", momentum);
      }
    }

    private static void requireRate(double rate) {
      if (!(rate > 0) || Double.isInfinite(rate)) {
        throw new IllegalArgumentException(
            "learning rate must be positive and finite, not " + rate);
      }
    }

    private static void requireFraction(String name, double value) {
      if (!(value >= 0 && value < 1)) {
        throw new IllegalArgumentException(name + " must be in [0, 1), not " + value);
      }
    }
  }

  /**
   * Settings. The paper fixes the sigmoid and one coefficient for each parameter; rates, lengths
   * and stopping are ours.
   *
   * @param form how logits become coefficients
   * @param granularity what has a logit of its own
   * @param optimizer of the logits
   * @param steps at most, at least 1
   * @param evalEvery steps between two evaluations on the held-out data
   * @param patience evaluations without improvement after which the run ends
   * @param initial coefficient of each model at the start, of sum 1; empty for equal ones
   * @param initUniform in round j of successive merges, whether the start is the mean of j models:
   *     coefficients (j-1)/j and 1/j
   * @param pull mu in {@code dL/dz + mu z}, a pull to equal coefficients (for {@link Form#CLAMP}
   *     {@code mu (z - 1/2)})
   * @param limit logits stay in [-limit, limit]; in (0, 40]
   * @param state where an interrupted run leaves what it needs to go on, and looks for it
   */
  public record Options(
      Form form,
      Granularity granularity,
      Optimizer optimizer,
      long steps,
      int evalEvery,
      int patience,
      List<Double> initial,
      boolean initUniform,
      double pull,
      double limit,
      Optional<Path> state) {
    private static final double LARGEST_LIMIT = 40;
    private static final double LARGEST_PULL = 1e6;
    private static final double SUM_TOLERANCE = 1e-6;

    public Options {
      initial = List.copyOf(initial);
      if (steps < 1) {
        throw new IllegalArgumentException(
            "steps must be at least 1, not "
                + steps
                + "; without any the result is the average, which LinearMerger gives");
      }
      if (evalEvery < 1 || patience < 1) {
        throw new IllegalArgumentException(
            "evalEvery and patience must be at least 1, not " + evalEvery + " and " + patience);
      }
      if (!(pull >= 0 && pull <= LARGEST_PULL)) {
        throw new IllegalArgumentException("pull must be in [0, 1e6], not " + pull);
      }
      if (!(limit > 0 && limit <= LARGEST_LIMIT)) {
        throw new IllegalArgumentException("limit must be in (0, 40], not " + limit);
      }
      double sum = initial.stream().mapToDouble(Double::doubleValue).sum();
      if (!initial.isEmpty()
          && (!(Math.abs(sum - 1) <= SUM_TOLERANCE) || initial.stream().anyMatch(s -> s < 0))) {
        throw new IllegalArgumentException(
            "initial coefficients " + initial + " must be at least 0 and sum to 1, not to " + sum);
      }
      if (initUniform && !initial.isEmpty()) {
        throw new IllegalArgumentException(
            "initUniform sets the initial coefficients; drop " + initial);
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
      return with(copy -> copy.form = value);
    }

    public Options withGranularity(Granularity value) {
      return with(copy -> copy.granularity = value);
    }

    public Options withOptimizer(Optimizer value) {
      return with(copy -> copy.optimizer = value);
    }

    public Options withSteps(long value) {
      return with(copy -> copy.steps = value);
    }

    public Options withEvalEvery(int value) {
      return with(copy -> copy.evalEvery = value);
    }

    public Options withPatience(int value) {
      return with(copy -> copy.patience = value);
    }

    /** One coefficient for each model. */
    public Options withInitial(double... coefficients) {
      return with(copy -> copy.initial = Arrays.stream(coefficients).boxed().toList());
    }

    public Options withInitUniform(boolean value) {
      return with(copy -> copy.initUniform = value);
    }

    public Options withPull(double value) {
      return with(copy -> copy.pull = value);
    }

    public Options withLimit(double value) {
      return with(copy -> copy.limit = value);
    }

    public Options withState(Path file) {
      return with(copy -> copy.state = Optional.of(file));
    }

    private Options with(Consumer<Copy> change) {
      Copy copy = new Copy(this);
      change.accept(copy);
      return copy.options();
    }

    /** Options while one of them is changed. */
    private static final class Copy {
      Form form;
      Granularity granularity;
      Optimizer optimizer;
      long steps;
      int evalEvery;
      int patience;
      List<Double> initial;
      boolean initUniform;
      double pull;
      double limit;
      Optional<Path> state;

      Copy(Options from) {
        form = from.form;
        granularity = from.granularity;
        optimizer = from.optimizer;
        steps = from.steps;
        evalEvery = from.evalEvery;
        patience = from.patience;
        initial = from.initial;
        initUniform = from.initUniform;
        pull = from.pull;
        limit = from.limit;
        state = from.state;
      }

      Options options() {
        return new Options(
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
      }
    }
  }

  private final Objective objective;
  private final Options options;

  private NpMerger(Objective objective, Options options) {
    this.objective = objective;
    this.options = options;
  }

  /** With {@link Options#defaults}. */
  public static NpMerger of(Objective objective) {
    return new NpMerger(objective, Options.defaults());
  }

  public static NpMerger of(Objective objective, Options options) {
    return new NpMerger(objective, options);
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
   * @throws NpMerge.Diverged when a loss or gradient is not finite
   * @throws NumericalException when a model is not finite
   * @throws CancelledException when cancelled; {@link Options#state} then holds the run
   */
  public NpMerge learn(MergeProblem problem, Workspace ws) throws IOException {
    int most = options.form() == Form.SOFTMAX ? MOST_MODELS : 2;
    int models = problem.models().size();
    if (models < 2 || models > most) {
      throw new IllegalArgumentException(
          models
              + " models; "
              + options.form()
              + " learns the coefficients of 2"
              + (most > 2 ? " to " + most : "; use merge or successive for more"));
    }
    return new NpRun(objective, options, problem, ws).run();
  }

  /**
   * Merges one model after the other, as published: {@code M_1 = x_1, M_j = NP(M_(j-1), align(x_j
   * to M_(j-1)))}, with fresh logits in each round.
   *
   * @return the rounds in order, {@code models - 1} of them; the last is the result. The caller
   *     closes all
   */
  public List<NpMerge> successive(MergeProblem problem, Realign realign, Workspace ws)
      throws IOException {
    return NpRounds.run(objective, options, problem, realign, ws);
  }

  /**
   * The merged model, in memory: of all at once for softmax, else one after the other. The models
   * must be aligned to the first.
   */
  @Override
  public Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException {
    if (options.form() == Form.SOFTMAX || problem.models().size() <= 2) {
      NpMerge learned = learn(problem, ws);
      learned.coefficients().close();
      return learned.model();
    }
    List<NpMerge> rounds = successive(problem, (reference, model) -> model, ws);
    NpMerge last = rounds.remove(rounds.size() - 1);
    rounds.forEach(NpMerge::close);
    last.coefficients().close();
    return last.model();
  }
}
