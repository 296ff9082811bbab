// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.TensorMerger;
import org.merganser.method.Settings;
import org.merganser.recipe.Recipe.Parameter;

/** One slice of a recipe, or its models as a whole: which of them is the base, and the method. */
final class SliceMerge {
  /** Sum of weights from which a result that is not normalised is doubtful. */
  private static final double LARGE_SUM = 1.5;

  private final RecipeMethod method;
  private final List<RecipeSource> models = new ArrayList<>();
  private final List<RecipeMethod.Level> common;
  private final String place;
  private final Map<Map<String, Object>, List<String>> settings = new LinkedHashMap<>();
  private final Optional<String> unused;
  private final Fit fit;
  private Set<String> copied = Set.of();
  private RecipeSource base;
  private Map<String, Checkpoint> importances = Map.of();
  private List<Double> shares = List.of();
  private List<String> importanceNotes = List.of();

  /**
   * @param place in the recipe
   * @param reference the base that the recipe names for these models
   * @param common where parameters of all models stand, the strongest first
   * @param fit what becomes of tensors that models do not have alike
   */
  SliceMerge(
      String place,
      RecipeMethod method,
      List<RecipeSource> sources,
      Optional<String> reference,
      List<RecipeMethod.Level> common,
      Fit fit) {
    this.fit = fit;
    this.place = place;
    this.method = method;
    this.common = common;
    boolean hasBase = reference.isPresent();
    Set<String> seen = new HashSet<>();
    for (RecipeSource source : sources) {
      if (!seen.add(source.input().model() + source.input().layers())) {
        throw new RecipeException(
            source.place(), source.input().model() + " is here twice; give it one weight");
      }
      boolean isBase = hasBase && source.input().model().equals(reference.get());
      if (isBase && method.needs(true).base()) {
        if (base != null) {
          throw new RecipeException(source.place(), "the base is here with other layers, too");
        }
        base = source;
      } else if (isBase && method.needs(true).most() == 2) {
        // The end at t = 0.
        models.add(0, source);
      } else {
        models.add(source);
      }
    }
    boolean listed = sources.stream().anyMatch(s -> s.input().model().equals(reference.orElse("")));
    this.unused = listed ? Optional.empty() : reference;
    // What is said of the only model is said of the merge.
    models.forEach(source -> method.check(level(source), models.size() > 1));
    common.forEach(level -> method.check(level, false));
  }

  private static RecipeMethod.Level level(RecipeSource source) {
    Map<String, Parameter> own = source.input().parameters();
    return new RecipeMethod.Level(source.place() + ".parameters", own);
  }

  /** All that are merged, and the base. */
  List<RecipeSource> sources() {
    List<RecipeSource> all = new ArrayList<>(models);
    if (base != null) {
      all.add(base);
    }
    return all;
  }

  /** Those that are merged, as they are read. */
  List<Checkpoint> merged() {
    return models.stream().map(RecipeSource::tensors).toList();
  }

  /** How much each of them counts. */
  List<Double> shares() {
    return shares;
  }

  /** The same models, read as one type. */
  void as(DType dtype) {
    models.replaceAll(source -> source.with(source.tensors().as(dtype)));
    base = base == null ? null : base.with(base.tensors().as(dtype));
  }

  /** With what models are weighed by, under their names in the recipe. */
  void weigh(Map<String, Checkpoint> each) {
    importances = each;
  }

  private MergeProblem weighed(MergeProblem problem) {
    List<Checkpoint> found = new ArrayList<>();
    for (RecipeSource source : models) {
      Checkpoint importance = importances.get(source.input().model());
      if (importance == null && !importances.isEmpty()) {
        throw new RecipeException(
            source.place(),
            "no importance of this model, where others have one; give each its file");
      }
      if (importance != null) {
        found.add(importance);
      }
    }
    return problem.withImportances(found);
  }

  Checkpoint merge(Workspace ws) throws IOException {
    if (models.isEmpty()) {
      // Nothing differs from the base.
      return base.tensors();
    }
    copied = copy();
    requireOneType();
    MergeProblem problem = MergeProblem.of(models.stream().map(RecipeSource::tensors).toList());
    problem = weighed(base == null ? problem : problem.withBase(base.tensors()));
    problem = problem.withCopied(copied);
    importanceNotes = problem.notes();
    try {
      method.needs(base != null).check(method.id(), problem);
      Map<String, Merger> methods =
          methods(problem.models().get(0).where(name -> !copied.contains(name)));
      if (methods.isEmpty()) {
        throw new RecipeException(place, "there are no tensors to merge");
      }
      Merger first = methods.values().iterator().next();
      shares = first.shares(models.size());
      // With equal settings the method is the same one, which may then see the whole model.
      boolean same = methods.values().stream().allMatch(other -> other == first);
      if (!same && first instanceof TensorMerger) {
        return TensorMerger.perTensor(name -> (TensorMerger) methods.get(name)).merge(problem, ws);
      }
      if (!same) {
        throw new IllegalArgumentException(
            method.id() + " sees whole models: its parameters must be the same for all tensors");
      }
      return first.merge(problem, ws);
    } catch (IllegalArgumentException e) {
      throw new RecipeException(place, e.getMessage(), e);
    }
  }

  /**
   * Gives all models the tensors of the base, or of the first, that the recipe wants copied.
   *
   * @return their names
   */
  private Set<String> copy() {
    Checkpoint donor = (base == null ? models.get(0) : base).tensors();
    Set<String> names = new LinkedHashSet<>(donor.tensors().keySet());
    names.removeIf(name -> !fit.isCopied(name));
    if (!fit.copied().isEmpty()) {
      requireDonor(donor);
      Checkpoint common = donor.where(names::contains);
      models.replaceAll(source -> source.with(copied(source.tensors(), common)));
      base = base == null ? null : base.with(copied(base.tensors(), common));
    }
    return names;
  }

  /** What is to be copied and others have must not be missing in the result. */
  private void requireDonor(Checkpoint donor) {
    for (RecipeSource source : models) {
      List<String> missing =
          source.tensors().tensors().keySet().stream()
              .filter(name -> fit.isCopied(name) && !donor.tensors().containsKey(name))
              .toList();
      if (!missing.isEmpty()) {
        throw new RecipeException(
            "copy_from_base",
            "%s, whose tensors are copied, lacks %d that %s has: %s; name only tensors of the former"
                .formatted(
                    (base == null ? models.get(0) : base).input().model(),
                    missing.size(),
                    source.input().model(),
                    Names.some(missing)));
      }
    }
  }

  private Checkpoint copied(Checkpoint own, Checkpoint common) {
    return JoinedCheckpoint.of(List.of(own.where(name -> !fit.isCopied(name)), common));
  }

  /** Where they differ the recipe must say which the result has. */
  private void requireOneType() {
    RecipeSource first = models.get(0);
    for (RecipeSource other : sources()) {
      other
          .tensors()
          .tensors()
          .forEach(
              (name, info) -> {
                TensorInfo own = first.tensors().tensors().get(name);
                boolean differs =
                    own != null
                        && own.dtype() != info.dtype()
                        && own.dtype().isArithmetic()
                        && info.dtype().isArithmetic();
                if (differs) {
                  throw new RecipeException(
                      other.place(),
                      "%s is %s in %s and %s in %s; give the recipe a dtype, that of the result"
                          .formatted(
                              Names.quote(name),
                              own.dtype(),
                              first.input().model(),
                              info.dtype(),
                              other.input().model()));
                }
              });
    }
  }

  private Map<String, Merger> methods(Checkpoint result) {
    List<List<RecipeMethod.Level>> levels = new ArrayList<>();
    for (RecipeSource source : models) {
      List<RecipeMethod.Level> own = new ArrayList<>(List.of(level(source)));
      own.addAll(common);
      levels.add(own);
    }
    List<RecipeMethod.Level> shared = models.size() > 1 ? common : levels.get(0);
    Map<String, Merger> methods = new HashMap<>();
    for (String name : result.tensors().keySet()) {
      List<String> names = models.stream().map(source -> source.names().get(name)).toList();
      double at = models.get(0).position(name);
      Merger merger = method.method(shared, levels, name, names, at, base != null);
      methods.put(name, merger);
      settings.computeIfAbsent(Settings.values(merger.options()), s -> new ArrayList<>()).add(name);
    }
    return methods;
  }

  /** Settings, each with the tensors that have them. */
  Map<Map<String, Object>, List<String>> settings() {
    return settings;
  }

  /** The base, where the method has one. */
  Optional<String> base() {
    return Optional.ofNullable(base).map(source -> source.input().model());
  }

  List<String> notes() {
    List<String> notes = new ArrayList<>();
    notes.addAll(importanceNotes);
    if (models.isEmpty()) {
      notes.add(place + ": the base is the only model, so the result is the base");
    }
    if (!copied.isEmpty()) {
      String donor = (base == null ? models.get(0) : base).input().model();
      notes.add("%s: as they are in %s: %s".formatted(place, donor, Names.some(copied)));
    }
    unused.ifPresent(
        reference ->
            notes.add(
                "%s: %s uses no base: %s gives configuration and tokenizer, and is not merged"
                    .formatted(place, method.id(), reference)));
    if (base != null && !base.input().parameters().isEmpty()) {
      notes.add(
          base.place()
              + ": parameters of the base change nothing: "
              + base.input().parameters().keySet());
    }
    double most = settings.keySet().stream().mapToDouble(SliceMerge::sum).max().orElse(0);
    if (base != null && most > LARGE_SUM) {
      notes.add(
          "weights of differences sum to %s and are not normalised: where models agree the result"
                  .formatted(most)
              + " goes beyond them");
    }
    return notes;
  }

  /** Of weights that are taken as they are. */
  private static double sum(Map<String, Object> settings) {
    boolean normalised = Boolean.TRUE.equals(settings.get("normalise"));
    return normalised || !(settings.get("weights") instanceof List<?> weights)
        ? 0
        : weights.stream().mapToDouble(weight -> ((Number) weight).doubleValue()).sum();
  }
}
