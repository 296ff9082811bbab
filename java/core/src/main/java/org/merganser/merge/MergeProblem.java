// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.merganser.error.IncompatibleModelsException;
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
 * @param counters buffers that count, taken from the reference
 */
public record MergeProblem(
    List<Checkpoint> models,
    Optional<Objective> objective,
    Optional<Checkpoint> base,
    Set<String> counters) {

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
  }

  /** Without objective and base. */
  public MergeProblem(List<Checkpoint> models, Set<String> counters) {
    this(models, Optional.empty(), Optional.empty(), counters);
  }

  /** The same with an objective. */
  public MergeProblem withObjective(Objective what) {
    Objects.requireNonNull(what, "the objective is null");
    return new MergeProblem(models, Optional.of(what), base, counters);
  }

  /**
   * The same with a base.
   *
   * @throws IncompatibleModelsException when it does not fit the models
   */
  public MergeProblem withBase(Checkpoint model) {
    Objects.requireNonNull(model, "the base is null");
    return new MergeProblem(models, objective, Optional.of(model), counters);
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
