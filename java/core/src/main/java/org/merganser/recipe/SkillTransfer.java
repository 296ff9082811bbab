// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.TaskArithmeticMerger;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.symmetry.NormAbsorption;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryMoments;
import org.merganser.transformer.TransformerConfig;

/**
 * Adds what a transformer learned to another one of the same structure, in the coordinates of that:
 *
 * <pre>
 * theta = theta_target + lambda g (theta_skill - theta_base)
 * </pre>
 *
 * <p>The base is what the skill was trained from; the target descends from the base too, or from
 * other weights. Training moves models along symmetries, which change no function: the same
 * difference means something else in other coordinates. g, an element of the group of symmetries,
 * is one for both source models, since only then g skill - g base is what g makes of the
 * difference.
 *
 * <p>Results are views that compute what is read, tile by tile of the three models: in F32 (F64
 * where a model has it), rounded once to the types of the target. With lambda 0 the target is
 * returned. Rows of embeddings and heads are matched by the texts of tokens; where a model lacks
 * the token nothing is added. Gains of norms and biases are parameters like others, unless the map
 * of the residual stream is orthogonal: then each of the three models first absorbs its own gains
 * ({@link NormAbsorption}), and the result has them absorbed.
 *
 * <p>After Horoi et al. 2025, "Leveraging Parameter Space Symmetries for Reasoning Skill Transfer
 * in LLMs" (arXiv 2511.10850).
 */
public final class SkillTransfer {
  /** Of lambda, tried by {@link #search} unless told otherwise. */
  public static final List<Double> LAMBDAS =
      IntStream.rangeClosed(1, 10).mapToObj(i -> i / 10.0).toList();

  /** Which of the source models is aligned to the target. */
  public enum Source {
    BASE,
    SKILL
  }

  /**
   * Settings.
   *
   * @param align how g is found
   */
  public record Options(
      @Setting("which of the source models is aligned to the target") Source source,
      SymmetryAligner.Options align) {

    /** The base is aligned, inside layers only: ties of embeddings stay. */
    public static Options defaults() {
      return new Options(Source.BASE, SymmetryAligner.Options.defaults());
    }

    /** With some settings changed, as {@link Settings#parse(String, String)} takes them. */
    public static Options parse(String text) {
      return Settings.of(defaults()).parse("symmetry", text);
    }

    public Options withSource(Source value) {
      return new Options(value, align);
    }

    public Options withAlign(SymmetryAligner.Options value) {
      return new Options(source, value);
    }
  }

  /** How good a model is; higher is better. */
  @FunctionalInterface
  public interface Score {
    /**
     * @param model a view: what is read often is copied first
     */
    double of(Checkpoint model) throws IOException;
  }

  /**
   * What a search found.
   *
   * @param lambda the smallest of those with the best score
   * @param scores of all, in the order of lambdas
   */
  public record Search(double lambda, Map<Double, Double> scores) {
    public Search {
      scores = Collections.unmodifiableMap(new LinkedHashMap<>(scores));
    }
  }

  private final TransferModels models;
  private final Options options;

  private SkillTransfer(TransferModels models, Options options) {
    this.models = models;
    this.options = options;
  }

  /**
   * Of models in folders or files, which stay the caller's.
   *
   * @throws IncompatibleModelsException when their structures differ in more than the vocabulary
   */
  public static SkillTransfer of(
      ModelDirectory target, ModelDirectory skill, ModelDirectory base, Options options)
      throws IOException {
    return new SkillTransfer(TransferModels.of(target, skill, base), options);
  }

  /**
   * Of models with the same tokens, under canonical names ({@link
   * org.merganser.transformer.CanonicalCheckpoint}), which stay the caller's.
   */
  public static SkillTransfer of(
      TransformerConfig config,
      Checkpoint target,
      Checkpoint skill,
      Checkpoint base,
      Options options) {
    return new SkillTransfer(TransferModels.of(config, target, skill, base), options);
  }

  /** Structure of the three models, with the vocabulary of the target. */
  public TransformerConfig config() {
    return models.config();
  }

  /** What was matched, and what has no partner. */
  public List<String> notes() {
    return models.notes();
  }

  /** Finds g by weights: of the base or the skill, as the options say, to the target. */
  public SymmetryAligner.Result align(Workspace ws) throws IOException {
    return SymmetryAligner.of(options.align()).align(source(), target(), ws);
  }

  /**
   * Finds g by activations.
   *
   * @param moments of the base or the skill, as the options say, and the target
   */
  public SymmetryAligner.Result align(SymmetryMoments moments, Workspace ws) throws IOException {
    return SymmetryAligner.of(options.align()).align(source(), target(), moments, ws);
  }

  private SymmetryAligner.Model source() {
    Checkpoint source = options.source() == Source.BASE ? models.base() : models.skill();
    return new SymmetryAligner.Model(source, models.config());
  }

  private SymmetryAligner.Model target() {
    return new SymmetryAligner.Model(models.target(), models.config());
  }

  /** Adds lambda times the difference as it is. */
  public Checkpoint add(double lambda, Workspace ws) throws IOException {
    return add(SymmetryElement.identity(models.config()), lambda, ws);
  }

  /**
   * Adds lambda times what g makes of the difference.
   *
   * @param g of the coordinates of the source models to those of the target
   * @return in the layout of the target's file, and its types; a view, which ends with the models
   */
  public Checkpoint add(SymmetryElement g, double lambda, Workspace ws) throws IOException {
    if (!Double.isFinite(lambda)) {
      throw new IllegalArgumentException("lambda must be a number, not " + lambda);
    }
    if (lambda == 0) {
      return models.stored();
    }
    Sum sum = sum(g, lambda, ws);
    Checkpoint typed = JoinedCheckpoint.typed(sum.result(), models.target());
    return sum.models().restored(typed);
  }

  /**
   * A result that is not rounded yet.
   *
   * @param models with gains absorbed, where g needs that
   * @param result under canonical names
   */
  record Sum(TransferModels models, Checkpoint result) {}

  Sum sum(SymmetryElement g, double lambda, Workspace ws) throws IOException {
    boolean absorbs = g.residual() instanceof SymmetryElement.Orthogonal;
    // A symmetry of untied models was found by who let ties be undone; one of tied ones keeps them.
    TransferModels seen = absorbs ? models.absorbed(!g.config().tied(), ws) : models;
    DType wide = seen.wide();
    MergeProblem problem =
        MergeProblem.of(g.apply(seen.skill().as(wide)), g.apply(seen.base().as(wide)))
            .withBase(seen.target().as(wide));
    TaskArithmeticMerger.Options plus =
        TaskArithmeticMerger.Options.defaults().withWeights(List.of(1.0, -1.0)).withLambda(lambda);
    return new Sum(seen, TaskArithmeticMerger.of(plus).merge(problem, ws));
  }

  /**
   * Tries lambdas, and takes the best. Scores of the result are to be measured on other data than
   * those of this score.
   *
   * @param lambdas such as {@link #LAMBDAS}
   */
  public Search search(SymmetryElement g, List<Double> lambdas, Score score, Workspace ws)
      throws IOException {
    if (lambdas.isEmpty()) {
      throw new IllegalArgumentException("no lambda to try");
    }
    Map<Double, Double> scores = new LinkedHashMap<>();
    double best = lambdas.get(0);
    for (double lambda : lambdas) {
      double found = score.of(add(g, lambda, ws));
      if (Double.isNaN(found)) {
        throw new IllegalArgumentException("the score of lambda " + lambda + " is no number");
      }
      scores.put(lambda, found);
      double highest = scores.get(best);
      best = found > highest || found == highest && lambda < best ? lambda : best;
    }
    return new Search(best, scores);
  }

  /**
   * The same as a recipe, by which {@link MergeJob} writes the result with configuration, tokenizer
   * and other files of the target, a model card, and what it was made of.
   *
   * @param target a path, or a name that the job finds, as the others are
   * @param settings of {@link Options}, as {@link Options#parse} takes them
   */
  public static Recipe recipe(
      String target, String skill, String base, double lambda, String settings) {
    String method = RecipeSymmetry.ID + (settings.isEmpty() ? "" : ":" + settings);
    return Recipe.of("task_arithmetic", Recipe.Input.of(skill).with("weight", 1))
        .withBase(target)
        .with("lambda", lambda)
        .withAlign(Recipe.Align.of(method).withFrom(base));
  }
}
