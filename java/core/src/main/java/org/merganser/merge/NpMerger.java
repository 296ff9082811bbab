// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
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
 * for aligned models a and c; K models at once by {@link NpOptions.Form#SOFTMAX}. The loop asks the
 * {@link Objective} for dL/dtheta; the rest of a step is one native pass over the parameters, which
 * writes theta where the objective reads it. The coefficients of the least held-out loss are kept,
 * those at the start among them: little data is overfitted within tens of steps.
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

  private final Objective objective;
  private final NpOptions options;

  private NpMerger(Objective objective, NpOptions options) {
    this.objective = objective;
    this.options = options;
  }

  /** With {@link NpOptions#defaults}. */
  public static NpMerger of(Objective objective) {
    return new NpMerger(objective, NpOptions.defaults());
  }

  public static NpMerger of(Objective objective, NpOptions options) {
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

  public NpOptions options() {
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
   * Learns the coefficients of two models, or of 2 to 8 with {@link NpOptions.Form#SOFTMAX}.
   *
   * @param problem aligned models
   * @throws IncompatibleModelsException when the models lack slots of the objective, or have them
   *     in another shape or in integers, listing all
   * @throws NpMerge.Diverged when a loss or gradient is not finite
   * @throws NumericalException when a model is not finite
   * @throws CancelledException when cancelled; {@link NpOptions#state} then holds the run
   */
  public NpMerge learn(MergeProblem problem, Workspace ws) throws IOException {
    int most = options.form() == NpOptions.Form.SOFTMAX ? MOST_MODELS : 2;
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
    List<NpMerge> rounds = new ArrayList<>();
    Checkpoint merged = problem.models().get(0);
    try {
      for (int j = 2; j <= problem.models().size(); j++) {
        NpMerger round = new NpMerger(objective, ofRound(j));
        Checkpoint next = realign.align(merged, problem.models().get(j - 1));
        rounds.add(round.learn(new MergeProblem(List.of(merged, next), problem.counters()), ws));
        merged = rounds.get(rounds.size() - 1).model();
      }
    } catch (IOException | RuntimeException e) {
      rounds.forEach(NpMerge::close);
      throw e;
    }
    return rounds;
  }

  private NpOptions ofRound(int j) {
    return new NpOptions(
        options.form(),
        options.granularity(),
        options.optimizer(),
        options.steps(),
        options.evalEvery(),
        options.patience(),
        options.initUniform() ? List.of((j - 1.0) / j, 1.0 / j) : options.initial(),
        false,
        options.pull(),
        options.limit(),
        // Each round has a state of its own.
        options.state().map(file -> file.resolveSibling(file.getFileName() + "." + (j - 1))));
  }

  /**
   * The merged model, in memory: of all at once for softmax, else one after the other. The models
   * must be aligned to the first.
   */
  @Override
  public Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException {
    if (options.form() == NpOptions.Form.SOFTMAX || problem.models().size() <= 2) {
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
