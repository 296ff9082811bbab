// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;

/**
 * Methods that experts of a base are merged by, each with the settings it is tried with. Where a
 * method weighs task vectors and has a lambda, each has the weight 1 unless said otherwise. Where a
 * method adds them up (task arithmetic, DARE, breadcrumbs), lambda is what each is multiplied by,
 * whatever their number; TIES multiplies by it the mean of those that agree in sign, so that the
 * same lambda is less there.
 *
 * @param named the alternatives of each by its name in tables: the id where there are several of
 *     them or only one method of that id, else the whole text
 */
record ExpertMethods(Map<String, List<Way>> named) {

  /**
   * A method with its settings.
   *
   * @param text as it is typed
   * @param weighs whether weights may be given it
   */
  record Way(String text, boolean weighs, Merger merger) {
    /** The settings in the text. */
    String settings() {
      return text.substring(Math.min(text.length(), merger.id().length() + 1));
    }

    /** The same with a weight for each expert. */
    Way with(List<Double> weights) {
      String all = weights.stream().map(String::valueOf).collect(Collectors.joining(":"));
      String more = Catalogue.Methods.with(text, "weights=" + all);
      return new Way(more, false, Catalogue.mergers().method(more));
    }
  }

  /**
   * From a list as it is typed, {@code linear,ties:density=0.2,lambda=0.5/1}.
   *
   * @throws IllegalArgumentException when a method is unknown, is there twice, or cannot merge so
   *     many experts of a base without further data
   */
  static ExpertMethods of(String texts, int experts) {
    Map<String, List<Way>> named = new LinkedHashMap<>();
    List<String> all = Catalogue.Methods.split(texts);
    for (String text : all) {
      String id = Catalogue.mergers().id(text);
      List<Way> ways = new ArrayList<>();
      for (String one : Catalogue.Methods.alternatives(text)) {
        Merger merger = Catalogue.mergers().method(one);
        require(merger, experts);
        Way way = new Way(one, weighs(id, one), merger);
        ways.add(
            way.weighs()
                ? new Way(one, true, way.with(Collections.nCopies(experts, 1.0)).merger())
                : way);
      }
      long same = all.stream().filter(t -> Catalogue.mergers().id(t).equals(id)).count();
      String name = same == 1 || ways.size() > 1 ? id : text;
      if (named.put(name, List.copyOf(ways)) != null) {
        throw new IllegalArgumentException(
            "methods: " + name + " is there twice in " + texts + "; name each once");
      }
    }
    return new ExpertMethods(Collections.unmodifiableMap(named));
  }

  /** The first method of several lambdas: its weights are chosen too, in a row; null for none. */
  String weighed() {
    return named.entrySet().stream()
        .filter(method -> method.getValue().size() > 1 && method.getValue().get(0).weighs())
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(null);
  }

  private static boolean weighs(String id, String text) {
    Set<String> settings =
        Catalogue.mergers().entry(id).settings().entries().stream()
            .map(Settings.Entry::name)
            .collect(Collectors.toSet());
    return settings.containsAll(Set.of("weights", "lambda")) && !text.contains("weights=");
  }

  private static void require(Merger merger, int experts) {
    Merger.Needs needs = merger.needs();
    boolean more = needs.objective() || needs.importance() != Merger.Importance.NONE;
    if (more || experts < needs.fewest() || experts > needs.most()) {
      throw new IllegalArgumentException(
          "methods: %s needs %s; here are %d experts and their base, and nothing else"
              .formatted(merger.id(), merger.requires(), experts));
    }
  }

  /** Merged, in memory. */
  static MemoryCheckpoint merge(
      Merger merger, Checkpoint base, List<? extends Checkpoint> experts, Workspace ws)
      throws IOException {
    MergeProblem problem = MergeProblem.of(experts);
    MergeProblem whole = merger.needs().base() ? problem.withBase(base) : problem;
    return MemoryCheckpoint.copyOf(merger.merge(whole, ws), ws);
  }
}
