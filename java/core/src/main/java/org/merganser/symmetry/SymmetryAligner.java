// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.transformer.TransformerConfig;

/**
 * Finds the element of the symmetry group of a transformer that brings one model nearest to
 * another: the source is moved, its function stays, and the target stays as it is. With g in the
 * group it minimises {@code |g source - target|^2}, summed over all tensors.
 *
 * <p>Layers are solved given the map of the residual stream: hidden units by assignment ({@code
 * MlpMatching}), heads by rotations, phases and assignments ({@code HeadMatching}); the map of the
 * stream given the layers by an orthogonal factor or an assignment. Every step is the best of its
 * block, so the distance never rises; what is reached is a local optimum. A planted element is
 * found exactly, up to what changes nothing (duplicate units, rank-deficient values).
 *
 * <p>Cost of a sweep: {@code 6 m^2 d} operations a layer for hidden units (F32 where models are not
 * F64), and one assignment of m; one layer of each model in memory for each thread that works.
 *
 * <p>Source: after Zhang et al. 2025, "Beyond the Permutation Symmetry of Transformers", with
 * groups of heads, rotary phases, factors and the residual stream; Horoi et al. 2025, "Leveraging
 * Parameter Space Symmetries for Reasoning Skill Transfer in LLMs".
 */
public final class SymmetryAligner {
  /** What may become of the residual stream. */
  public enum Residual {
    /** Nothing: models of one ancestor share it. */
    NONE,
    /** Channels change places and signs; gains move along. Of layer norms all signs together. */
    SIGNED_PERMUTATION,
    /** A rotation of all channels. Gains of norms are absorbed first. */
    ORTHOGONAL
  }

  /** What becomes of factors that cancel between two matrices. */
  public enum Scales {
    /** They stay. */
    NONE,
    /** Those of both models are balanced first; the source gets the target's. */
    BALANCE,
    /** Those of least distance, of hidden units, pairs of keys and queries, values. */
    QUARTIC
  }

  /** What may become of values and of what reads them. */
  public enum ValueOutput {
    NONE,
    ORTHOGONAL,
    /** Any invertible map: both models are balanced first. */
    GENERAL
  }

  /** What may become of keys and queries. */
  public enum QueryKey {
    NONE,
    /** What the structure allows: phases, rotations without rotary embedding, signs with norms. */
    AUTO,
    /** Phases or rotations; refused where norms of queries and keys allow signs only. */
    ROTATION,
    /** Without rotary embedding any invertible map: both models are balanced first. */
    GENERAL
  }

  /** Settings. */
  public record Options(
      @Setting("what may become of the residual stream") Residual residual,
      @Setting("factors of hidden units, keys and queries, values") Scales scales,
      @Setting("whether hidden units are matched") boolean mlp,
      @Setting("whether heads are matched") boolean heads,
      @Setting("maps of values and what reads them") ValueOutput valueOutput,
      @Setting("maps of keys and queries") QueryKey queryKey,
      @Setting(value = "most sweeps", min = 1) int sweeps,
      @Setting(value = "least relative fall of the distance", min = 0, below = 1) double tolerance,
      @Setting("whether a tied head may become one of its own, to absorb its gain") boolean untie) {
    public Options {
      Settings.check(
          Options.class,
          residual,
          scales,
          mlp,
          heads,
          valueOutput,
          queryKey,
          sweeps,
          tolerance,
          untie);
    }

    /** For models of one ancestor: the residual stream and factors stay. */
    public static Options defaults() {
      return new Options(
          Residual.NONE,
          Scales.NONE,
          true,
          true,
          ValueOutput.ORTHOGONAL,
          QueryKey.AUTO,
          10,
          1e-6,
          false);
    }

    /** A copy with one setting changed, by the name of its component. */
    public Options with(String component, Object value) {
      return Settings.with(this, component, value);
    }
  }

  /** A model under canonical names. */
  public record Model(Checkpoint weights, TransformerConfig config) {}

  /**
   * What was found.
   *
   * @param element acts on {@code source}
   * @param source the model that moves: as it was given, or with its gains absorbed
   * @param target what it comes near to, likewise
   */
  public record Result(
      SymmetryElement element, Model source, Model target, SymmetryReport report) {}

  private final Options options;

  private SymmetryAligner(Options options) {
    this.options = options;
  }

  public static SymmetryAligner of(Options options) {
    return new SymmetryAligner(options);
  }

  public Options options() {
    return options;
  }

  /**
   * Aligns by weights.
   *
   * @throws IncompatibleModelsException when the models, or what is asked of them, do not go
   *     together
   * @throws org.merganser.error.NumericalException where a weight is not finite
   */
  public Result align(Model source, Model target, Workspace ws) throws IOException {
    check(source, target);
    Prepared prepared = prepared(source, target, ws);
    TransformerConfig config = prepared.source().config();
    WeightSweeps.Course sweeps = new WeightSweeps(prepared.compared(), options, ws).run();
    WeightSweeps.Course found = sweeps.nearest(config);
    if (prepared.balances() != null) {
      found = composed(prepared, element(config, found.last()), found.ties(), ws).nearest(config);
    }
    List<String> warnings =
        found.nearer() ? List.of() : List.of("nothing is nearer than the models as they are");
    return result(prepared, sweeps, found, warnings, ws);
  }

  /**
   * Aligns by activations on the same tokens; distances of weights are reported.
   *
   * @throws IncompatibleModelsException as {@link #align(Model, Model, Workspace)}, and when the
   *     moments are of other models
   * @throws org.merganser.error.NumericalException likewise, and when there are too few tokens
   */
  public Result align(Model source, Model target, SymmetryMoments moments, Workspace ws)
      throws IOException {
    check(source, target);
    source.config().requireSame("the source", moments.config(), "the moments");
    List<String> warnings = new ArrayList<>(moments.check(options.residual() != Residual.NONE));
    GroupFit.Freedom heads = Freedoms.of(options, source.config()).heads();
    if (!heads.equals(heads.withoutScales())) {
      warnings.add(
          "scales=quartic: activations give factors of hidden units alone; those of queries, keys"
              + " and values stay as they are, set scales=balance for them");
    }
    Prepared prepared = prepared(source, target, ws);
    MomentMatching matching = new MomentMatching(moments, options, prepared.balances(), ws);
    SymmetryElement element =
        new SymmetryElement(
            prepared.source().config(), matching.residual(), matching.layers(), new double[0]);
    WeightSweeps.Course course = composed(prepared, element, matching.ties(), ws);
    return result(prepared, course, course, warnings, ws);
  }

  private void check(Model source, Model target) {
    source.config().requireSame("the source", target.config(), "the target");
    TransformerConfig config = source.config();
    List<String> problems = new ArrayList<>();
    boolean turned =
        options.queryKey() == QueryKey.ROTATION || options.queryKey() == QueryKey.GENERAL;
    if (config.queryKeyNorm() && turned) {
      problems.add(
          "query-key="
              + options.queryKey().name().toLowerCase(Locale.ROOT)
              + ": queries and keys are normed with gains that all heads share, which leaves signs"
              + " of pairs; set query-key=auto");
    }
    if (config.rope().isPresent() && options.queryKey() == QueryKey.GENERAL) {
      problems.add(
          "query-key=general: with rotary embedding only phases and ratios of pairs keep the"
              + " function; set query-key=auto");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the models do not have these symmetries", problems);
    }
  }

  /**
   * The models, with their gains absorbed where that is asked.
   *
   * @param pair their weights
   * @param compared the weights that are compared: balanced, where that is asked
   * @param balances null where nothing is balanced
   */
  private record Prepared(
      Model source, Model target, WeightPair pair, WeightPair compared, Balances balances) {}

  private Prepared prepared(Model source, Model target, Workspace ws) throws IOException {
    boolean absorbs = options.residual() == Residual.ORTHOGONAL;
    Model from = absorbs ? absorbed(source, ws) : source;
    Model to = absorbs ? absorbed(target, ws) : target;
    WeightPair pair = WeightPair.of(from.weights(), to.weights(), from.config());
    Balances balances = Balance.asked(options) ? Balances.of(pair, options, ws) : null;
    WeightPair compared = balances == null ? pair : balances.apply(pair);
    return new Prepared(from, to, pair, compared, balances);
  }

  /**
   * How near an element between the models that are compared brings those that they are made of.
   */
  private WeightSweeps.Course composed(
      Prepared prepared, SymmetryElement found, long ties, Workspace ws) throws IOException {
    SymmetryElement whole =
        prepared.balances() == null ? found : prepared.balances().composed(found, ws);
    return new WeightSweeps(prepared.pair(), options, ws)
        .evaluate(whole.residual(), whole.layers(), ties);
  }

  private Model absorbed(Model model, Workspace ws) throws IOException {
    NormAbsorption absorbed =
        NormAbsorption.of(model.weights(), model.config(), options.untie(), ws);
    return new Model(absorbed.checkpoint(), absorbed.config());
  }

  private static SymmetryElement element(TransformerConfig config, WeightSweeps.State state) {
    return new SymmetryElement(
        config,
        state.stream().residual(),
        state.layers().stream().map(LayerState::symmetry).toList(),
        new double[0]);
  }

  /**
   * @param sweeps of the models that are compared
   * @param course what was found, of the models that they are made of
   */
  private static Result result(
      Prepared prepared,
      WeightSweeps.Course sweeps,
      WeightSweeps.Course course,
      List<String> warnings,
      Workspace ws) {
    return new Result(
        element(prepared.source().config(), course.last()),
        prepared.source(),
        prepared.target(),
        report(sweeps, course, warnings, ws));
  }

  private static SymmetryReport report(
      WeightSweeps.Course sweeps, WeightSweeps.Course course, List<String> warnings, Workspace ws) {
    Map<String, Double> before = new LinkedHashMap<>(course.commonBefore());
    for (LayerState layer : course.first().layers()) {
      add(layer.attentionBefore(), before);
      add(layer.mlpBefore(), before);
    }
    WeightSweeps.State last = course.last();
    Map<String, Double> after = new LinkedHashMap<>(last.common());
    double movedUnits = 0;
    double movedHeads = 0;
    double units = 0;
    double heads = 0;
    for (LayerState layer : last.layers()) {
      add(layer.attention(), after);
      add(layer.mlp(), after);
      movedUnits += moved(layer.units().units());
      movedHeads += movedHeads(layer.heads());
      units += layer.mlp().meanCosine();
      heads += layer.attention().meanCosine();
    }
    int count = last.layers().size();
    return new SymmetryReport(
        course.before(),
        sweeps.started(),
        sweeps.sweeps(),
        last.total(),
        before,
        after,
        movedUnits / count,
        movedHeads / count,
        units / count,
        heads / count,
        orthogonalityError(last.stream().residual(), ws),
        course.ties(),
        warnings);
  }

  private static void add(Fit fit, Map<String, Double> sums) {
    fit.distances().forEach((family, distance) -> sums.merge(family, distance, Double::sum));
  }

  private static double moved(int[] order) {
    double moved = 0;
    for (int i = 0; i < order.length; i++) {
      moved += order[i] == i ? 0 : 1;
    }
    return moved / order.length;
  }

  private static double movedHeads(List<HeadSymmetry> heads) {
    double sum = 0;
    for (int k = 0; k < heads.size(); k++) {
      sum += heads.get(k).source() == k ? moved(heads.get(k).queries()) : 1;
    }
    return sum / heads.size();
  }

  private static double orthogonalityError(SymmetryElement.Residual residual, Workspace ws) {
    if (!(residual instanceof SymmetryElement.Orthogonal map)) {
      return 0;
    }
    try (Matrix square = LinAlg.transposeMultiply(map.matrix(), map.matrix(), ws)) {
      return LinAlg.distanceToIdentity(square, ws);
    }
  }
}
