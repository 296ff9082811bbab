// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.TensorInfo;

/** Finds what keeps models from being merged, and what would help. */
final class Comparison {
  private final Map<String, TensorInfo> reference;
  private final List<String> problems = new ArrayList<>();
  private final Set<String> remedies = new LinkedHashSet<>();

  Comparison(Map<String, TensorInfo> reference) {
    this.reference = reference;
  }

  void add(String who, Map<String, TensorInfo> model) {
    if (reference.keySet().equals(model.keySet())) {
      compare(reference, model, who);
      return;
    }
    List<String> prefixes = Names.prefixes(model.keySet(), reference.keySet());
    if (prefixes.isEmpty()) {
      compare(reference, model, who);
      return;
    }
    String shown = prefixes.stream().map(Names::quote).collect(Collectors.joining(" and "));
    problems.add("names of model 0 and " + who + " differ by the prefix " + shown);
    remedies.add(
        prefixes.stream()
                .map(p -> "--strip-prefix " + (p.matches("[\\w.-]+") ? p : Names.quote(p)))
                .collect(Collectors.joining(" "))
            + " takes it off (Checkpoint.withoutPrefix)");
    compare(without(prefixes, reference), without(prefixes, model), who);
  }

  private static Map<String, TensorInfo> without(
      List<String> prefixes, Map<String, TensorInfo> tensors) {
    Map<String, TensorInfo> result = new LinkedHashMap<>();
    tensors.forEach((name, info) -> result.put(Names.without(prefixes, name), info));
    return result;
  }

  private void compare(Map<String, TensorInfo> wanted, Map<String, TensorInfo> found, String who) {
    Set<String> names = new TreeSet<>(wanted.keySet());
    names.addAll(found.keySet());
    List<String> single = new ArrayList<>();
    for (String name : names) {
      TensorInfo here = wanted.get(name);
      TensorInfo there = found.get(name);
      if (here == null || there == null) {
        single.add(name);
        problems.add(
            here == null
                ? "model 0: "
                    + Names.missing(name, wanted.keySet(), problems.size())
                    + ", "
                    + who
                    + " has it"
                : who + ": " + Names.missing(name, found.keySet(), problems.size()));
      } else if (!here.equals(there)) {
        problems.add(who + ": " + Names.quote(name) + " is " + there + ", model 0 has " + here);
        typesDiffer(here, there);
      }
    }
    if (!single.isEmpty() && 2 * single.size() <= names.size()) {
      remedies.add(
          "--ignore "
              + Names.quote(single.get(0))
              + " leaves a tensor that not all models store out of the result, if it can do without"
              + " (Checkpoint.where)");
    }
  }

  private void typesDiffer(TensorInfo here, TensorInfo there) {
    if (here.shape().equals(there.shape())
        && here.dtype().isArithmetic()
        && there.dtype().isArithmetic()) {
      remedies.add("--dtype f32 (or bf16, f16, f64) reads all models as one type (Checkpoint.as)");
    }
  }

  void check() {
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the models cannot be merged", problems, List.copyOf(remedies));
    }
  }
}
