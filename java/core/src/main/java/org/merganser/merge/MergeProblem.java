// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Names;
import org.merganser.io.TensorInfo;
import org.merganser.model.Architecture;

/**
 * Checkpoints to combine, the reference first: the same names, shapes and types.
 *
 * @param counters buffers that count, taken from the reference
 */
public record MergeProblem(List<Checkpoint> models, Set<String> counters) {

  public MergeProblem {
    models = List.copyOf(models);
    counters = Set.copyOf(counters);
    if (models.isEmpty()) {
      throw new IllegalArgumentException("no models to merge");
    }
    List<String> problems = new ArrayList<>();
    for (int k = 1; k < models.size(); k++) {
      compare(models.get(0).tensors(), models.get(k).tensors(), k, problems);
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the models cannot be merged", problems);
    }
  }

  /**
   * @throws IncompatibleModelsException listing every tensor that is missing or differs
   */
  public static MergeProblem of(Checkpoint... models) {
    return of(Arrays.asList(models));
  }

  /** With the counters of the architecture, which are taken from the first model. */
  public static MergeProblem of(Architecture architecture, List<? extends Checkpoint> models) {
    return new MergeProblem(copy(models), architecture.counters());
  }

  public static MergeProblem of(List<? extends Checkpoint> models) {
    return new MergeProblem(copy(models), Set.of());
  }

  private static List<Checkpoint> copy(List<? extends Checkpoint> models) {
    for (int k = 0; k < models.size(); k++) {
      Objects.requireNonNull(models.get(k), "model " + k + " is null");
    }
    return List.copyOf(models);
  }

  private static void compare(
      Map<String, TensorInfo> reference,
      Map<String, TensorInfo> model,
      int k,
      List<String> problems) {
    Set<String> names = new TreeSet<>(reference.keySet());
    names.addAll(model.keySet());
    for (String name : names) {
      TensorInfo wanted = reference.get(name);
      TensorInfo found = model.get(name);
      if (wanted == null) {
        problems.add(
            "model 0: " + Names.missing(name, reference.keySet()) + ", model " + k + " has it");
      } else if (found == null) {
        problems.add("model " + k + ": " + Names.missing(name, model.keySet()));
      } else if (!wanted.equals(found)) {
        problems.add("model " + k + ": '" + name + "' is " + found + ", model 0 has " + wanted);
      }
    }
  }
}
