// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.model.Architecture;
import org.merganser.model.Objective;

/**
 * Checkpoints to combine, the reference first: the same names, shapes and types.
 *
 * <p>Models that do not fit as they are can be made to: {@link Checkpoint#withoutPrefix}, {@link
 * Checkpoint#as}, {@link Checkpoint#where}.
 *
 * @param objective what is to be minimised, for methods that learn
 * @param base the model that the others were trained from, for methods of their differences
 * @param counters buffers that count, and whatever else is taken from the reference
 * @param importances what was measured on the data of each model, under the names of its tensors,
 *     for methods that weigh by it ({@link Merger.Importance}); none otherwise
 */
public record MergeProblem(
    List<Checkpoint> models,
    Optional<Objective> objective,
    Optional<Checkpoint> base,
    Set<String> counters,
    List<Checkpoint> importances) {

  public MergeProblem {
    models = List.copyOf(models);
    counters = Set.copyOf(counters);
    if (models.isEmpty()) {
      throw new IllegalArgumentException("no models to merge");
    }
    Comparison comparison = new Comparison(models.get(0).tensors());
    for (int k = 1; k < models.size(); k++) {
      comparison.add("model " + k, models.get(k).tensors());
    }
    base.ifPresent(b -> comparison.add("the base", b.tensors()));
    comparison.check();
    importances = List.copyOf(importances);
    checkImportances(models, importances);
  }

  /** Without objective, base and importances. */
  public MergeProblem(List<Checkpoint> models, Set<String> counters) {
    this(models, Optional.empty(), Optional.empty(), counters, List.of());
  }

  /** The same with an objective. */
  public MergeProblem withObjective(Objective what) {
    Objects.requireNonNull(what, "the objective is null");
    return new MergeProblem(models, Optional.of(what), base, counters, importances);
  }

  /**
   * The same with a base.
   *
   * @throws IncompatibleModelsException when it does not fit the models
   */
  public MergeProblem withBase(Checkpoint model) {
    Objects.requireNonNull(model, "the base is null");
    return new MergeProblem(models, objective, Optional.of(model), counters, importances);
  }

  /** The same with more tensors that are the reference's, whatever they are in other models. */
  public MergeProblem withCopied(Set<String> names) {
    Set<String> all = new TreeSet<>(counters);
    all.addAll(names);
    return new MergeProblem(models, objective, base, all, importances);
  }

  /**
   * The same with importances of the models, in their order.
   *
   * @param each for each model, a checkpoint with what its method needs under the names of tensors;
   *     tensors that none of them has are averaged
   */
  public MergeProblem withImportances(List<? extends Checkpoint> each) {
    return new MergeProblem(models, objective, base, counters, List.copyOf(each));
  }

  /**
   * Refuses importances that only some of the models have, or that are of none of their tensors.
   */
  private static void checkImportances(List<Checkpoint> models, List<Checkpoint> importances) {
    if (importances.isEmpty()) {
      return;
    }
    if (importances.size() != models.size()) {
      throw new IllegalArgumentException(
          "importances of %d models for %d models; give those of each, in their order"
              .formatted(importances.size(), models.size()));
    }
    List<String> problems = new ArrayList<>();
    int found = 0;
    for (String name : models.get(0).tensors().keySet()) {
      List<Integer> lacking = new ArrayList<>();
      for (int k = 0; k < importances.size(); k++) {
        if (!importances.get(k).tensors().containsKey(name)) {
          lacking.add(k);
        }
      }
      if (lacking.isEmpty()) {
        found++;
      } else if (lacking.size() < importances.size()) {
        problems.add(
            "those of model %s have no %s, which others have"
                .formatted(
                    lacking.stream().map(String::valueOf).collect(Collectors.joining(", ")),
                    Names.quote(name)));
      }
    }
    if (found == 0 && problems.isEmpty()) {
      Set<String> names = importances.get(0).tensors().keySet();
      problems.add(
          "they are of no tensor of the models; the first of their names is %s, of the models' %s"
              .formatted(first(names), first(models.get(0).tensors().keySet())));
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("importances do not fit the models", problems);
    }
  }

  /** What importances are not there for, and what they are not used for; empty without them. */
  public List<String> notes() {
    if (importances.isEmpty()) {
      return List.of();
    }
    List<String> notes = new ArrayList<>();
    Set<String> known = importances.get(0).tensors().keySet();
    List<String> without =
        models.get(0).tensors().entrySet().stream()
            .filter(tensor -> tensor.getValue().dtype().isArithmetic())
            .map(Map.Entry::getKey)
            .filter(name -> !counters.contains(name) && !known.contains(name))
            .toList();
    if (!without.isEmpty()) {
      notes.add("without importances, so averaged: " + Names.some(without));
    }
    Set<String> unused = new TreeSet<>();
    importances.forEach(each -> unused.addAll(each.tensors().keySet()));
    unused.removeAll(models.get(0).tensors().keySet());
    if (!unused.isEmpty()) {
      notes.add("importances of no tensor of the models, so not used: " + Names.some(unused));
    }
    return notes;
  }

  private static String first(Set<String> names) {
    return names.isEmpty() ? "none" : Names.quote(names.iterator().next());
  }

  /** The models, and the base after them. */
  List<Checkpoint> all() {
    List<Checkpoint> all = new ArrayList<>(models);
    base.ifPresent(all::add);
    return all;
  }

  /**
   * @throws IncompatibleModelsException listing every tensor that is missing or differs
   */
  public static MergeProblem of(Checkpoint... models) {
    return of(Arrays.asList(models));
  }

  /**
   * With the counters of the architecture beside those that are known by name (see {@link
   * #of(List)}).
   */
  public static MergeProblem of(Architecture architecture, List<? extends Checkpoint> models) {
    List<Checkpoint> all = copy(models);
    Set<String> counters = new TreeSet<>(architecture.counters());
    counters.addAll(countersByName(all));
    return new MergeProblem(all, counters);
  }

  /**
   * Counters are the single integers called {@code num_batches_tracked} (batch normalisation) and
   * {@code n_averaged} (averages of weights) in PyTorch: they are taken from the first model.
   */
  public static MergeProblem of(List<? extends Checkpoint> models) {
    List<Checkpoint> all = copy(models);
    return new MergeProblem(all, countersByName(all));
  }

  private static List<Checkpoint> copy(List<? extends Checkpoint> models) {
    for (int k = 0; k < models.size(); k++) {
      Objects.requireNonNull(models.get(k), "model " + k + " is null");
    }
    return List.copyOf(models);
  }

  private static Set<String> countersByName(List<? extends Checkpoint> models) {
    Set<String> counters = new TreeSet<>();
    for (Checkpoint model : models.subList(0, Math.min(1, models.size()))) {
      model
          .tensors()
          .forEach(
              (name, info) -> {
                String last = name.substring(name.lastIndexOf('.') + 1);
                boolean known = last.equals("num_batches_tracked") || last.equals("n_averaged");
                if (known && info.dtype().name().matches("[IU]\\d+") && info.size() == 1) {
                  counters.add(name);
                }
              });
    }
    return counters;
  }
}
