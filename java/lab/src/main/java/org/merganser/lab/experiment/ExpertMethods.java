// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;

/**
 * Methods that experts of a base are merged by, each with the settings it is tried with. Where a
 * method weighs task vectors and has a lambda, each has the weight 1 unless said otherwise. Where a
 * method adds them up (task arithmetic, DARE, breadcrumbs), lambda is what each is multiplied by,
 * whatever their number; TIES and DELLA multiply by it the mean of those that agree in sign, so
 * that the same lambda is less there. A method that makes one of the models again (EMR) makes that
 * of the task whose examples are asked.
 *
 * @param named the alternatives of each by its name in tables: the id where there are several of
 *     them or only one method of that id, else the whole text
 * @param weighed names of those whose weights are chosen too, in rows of their own
 */
record ExpertMethods(Map<String, List<Way>> named, Set<String> weighed) {
  /**
   * Every kind of method that makes one model, or one for each task, of many experts of any
   * network; the grids of lambda go well below what the longest experts take.
   */
  static final List<String> KINDS =
      List.of(
          "linear",
          "task-arithmetic:lambda=0.3",
          "task-arithmetic:lambda=0.02/0.05/0.1/0.2/0.3/0.4/0.5/0.7/1",
          "ties:density=0.2,lambda=0.1/0.25/0.5/1/1.5/2/3",
          "dare-linear:density=0.5,lambda=0.02/0.05/0.1/0.2/0.3/0.5/0.7",
          "dare-ties:density=0.5,lambda=0.02/0.05/0.1/0.2/0.3/0.5/0.7/1",
          "della:density=0.5,lambda=0.1/0.25/0.5/1/1.5/2/3",
          "breadcrumbs:density=0.9,gamma=0.01,lambda=0.02/0.05/0.1/0.2/0.3/0.5/0.7",
          "magmax:scaling=0.05/0.1/0.2/0.5/1",
          "sce:select-topk=0.1/0.5/1",
          "consensus:scaling=0.05/0.1/0.2/0.3/0.5",
          "emr",
          "model-stock",
          "karcher",
          "ramplus-tl",
          "iso-c:lambda=0.1/0.3/1",
          "tsv-m:lambda=0.1/0.3/1",
          "fisher");

  /** Those of them that the catalogue has. */
  static final String USUAL =
      KINDS.stream().filter(ExpertMethods::isThere).collect(Collectors.joining(","));

  private static final String LAMBDA = "lambda=";
  private static final double PRIMARY_LAMBDA = 0.3;

  /**
   * A method with its settings.
   *
   * @param text as it is typed
   * @param drawn the same with the seed of what it draws, where it draws and none is typed
   * @param weighs whether weights may be chosen for it
   * @param mergers one for all tasks, or one for each
   */
  record Way(String text, String drawn, boolean weighs, List<Merger> mergers) {
    /** The settings in the text. */
    String settings() {
      return text.substring(Math.min(text.length(), merger().id().length() + 1));
    }

    /** The one lambda in the text; null without. */
    Double lambda() {
      return lambda(settings());
    }

    /** Likewise of settings, {@code density=0.2,lambda=0.5}. */
    static Double lambda(String settings) {
      return Stream.of(settings.split(","))
          .filter(setting -> setting.startsWith(LAMBDA))
          .map(setting -> Double.valueOf(setting.substring(LAMBDA.length())))
          .findFirst()
          .orElse(null);
    }

    /** Of all tasks, or of the first. */
    Merger merger() {
      return mergers.get(0);
    }

    /** Whether it is some method with some lambda, all weights 1. */
    boolean isPlain(String id, double lambda) {
      return merger().id().equals(id) && weighs && Objects.equals(lambda(), lambda);
    }

    /** The same with a weight for each expert. */
    Way with(List<Double> weights) {
      String all =
          weights.stream().map(String::valueOf).collect(Collectors.joining(":", "weights=", ""));
      String more = Catalogue.Methods.with(drawn, all);
      return new Way(
          Catalogue.Methods.with(text, all),
          more,
          false,
          List.of(Catalogue.mergers().method(more)));
    }

    /** Merged, in memory: one for all tasks, or one for each. */
    List<MemoryCheckpoint> merge(
        Checkpoint base,
        List<? extends Checkpoint> experts,
        List<Checkpoint> importances,
        Workspace ws)
        throws IOException {
      MergeProblem problem = problem(base, experts, importances);
      List<MemoryCheckpoint> merged = new ArrayList<>();
      try (Opened opened = new Opened()) {
        for (Merger each : mergers) {
          merged.add(opened.add(MemoryCheckpoint.copyOf(each.merge(problem, ws), ws)));
        }
        opened.release();
        return merged;
      }
    }

    private MergeProblem problem(
        Checkpoint base, List<? extends Checkpoint> experts, List<Checkpoint> importances) {
      MergeProblem problem = MergeProblem.of(experts).withImportances(importances);
      return merger().needs().base() ? problem.withBase(base) : problem;
    }
  }

  /**
   * From a list as it is typed, {@code linear,ties:density=0.2,lambda=0.5/1}.
   *
   * @param seed of the tasks and experts: what methods draw (the masks of DARE and DELLA) derives
   *     from it, so that it is the same for experts of all lengths, and another for other seeds
   * @throws IllegalArgumentException when a method is unknown, is there twice, or cannot merge so
   *     many experts of a base
   */
  static ExpertMethods of(String texts, int experts, long seed) {
    return of(texts, Optional.empty(), experts, seed);
  }

  /**
   * @param weighed names of methods whose weights are chosen too; without, the first that has
   *     weights and several lambdas
   */
  static ExpertMethods of(String texts, Optional<String> weighed, int experts, long seed) {
    Map<String, List<Way>> named = named(texts, experts, seed);
    Set<String> rows = new LinkedHashSet<>();
    if (weighed.isEmpty()) {
      named.entrySet().stream()
          .filter(method -> method.getValue().get(0).weighs() && lambdas(method.getValue()) > 1)
          .map(Map.Entry::getKey)
          .findFirst()
          .ifPresent(rows::add);
    } else {
      rows.addAll(Catalogue.Methods.split(weighed.get()));
      rows.forEach(name -> requireWeights(name, named));
    }
    return new ExpertMethods(named, Collections.unmodifiableSet(rows));
  }

  private static void requireWeights(String name, Map<String, List<Way>> named) {
    List<String> takers =
        named.entrySet().stream()
            .filter(method -> method.getValue().get(0).weighs())
            .map(Map.Entry::getKey)
            .toList();
    if (!takers.contains(name)) {
      throw new IllegalArgumentException(
          "weights: %s %s; of those that are tried, weights can be chosen for %s"
              .formatted(
                  name,
                  named.containsKey(name)
                      ? "takes none, or has some already"
                      : "is not among the methods",
                  takers.isEmpty() ? "none" : String.join(", ", takers)));
    }
  }

  private static Map<String, List<Way>> named(String texts, int experts, long seed) {
    long drawn = Seeds.derive(seed, "methods");
    Map<String, List<Way>> named = new LinkedHashMap<>();
    List<String> all = Catalogue.Methods.split(texts);
    for (String text : all) {
      String id = Catalogue.mergers().id(text);
      List<Way> ways = new ArrayList<>();
      for (String one : Catalogue.Methods.alternatives(text)) {
        ways.add(way(id, one, experts, drawn));
      }
      long same = all.stream().filter(t -> Catalogue.mergers().id(t).equals(id)).count();
      String name = same == 1 || ways.size() > 1 ? id : text;
      if (named.put(name, List.copyOf(ways)) != null) {
        throw new IllegalArgumentException(
            "methods: " + name + " is there twice in " + texts + "; name each once");
      }
    }
    return Collections.unmodifiableMap(named);
  }

  /** Whether a method is tried with more than one lambda, its settings other than that or not. */
  boolean choosesLambda(String name) {
    return lambdas(named.getOrDefault(name, List.of())) > 1;
  }

  private static long lambdas(List<Way> ways) {
    return ways.stream().map(Way::lambda).filter(Objects::nonNull).distinct().count();
  }

  /** Task arithmetic with one setting, so that it is the same at all lengths; null for none. */
  String fixed() {
    return named.entrySet().stream()
        .filter(method -> method.getValue().size() == 1)
        .filter(method -> method.getValue().get(0).merger().id().equals("task-arithmetic"))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(null);
  }

  /**
   * Task arithmetic with a lambda of 0.3 alone, by which claims about one method are decided; null
   * where it is not tried.
   */
  String primary() {
    return named.entrySet().stream()
        .filter(method -> method.getValue().size() == 1)
        .filter(method -> method.getValue().get(0).isPlain("task-arithmetic", PRIMARY_LAMBDA))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(null);
  }

  /** TIES with lambda chosen, which is looked at second; null where it is not tried. */
  String second() {
    return choosesLambda("ties") ? "ties" : null;
  }

  private static Way way(String id, String text, int experts, long seed) {
    require(Catalogue.mergers().method(text), experts);
    boolean draws = has(id, "seed") && !text.contains("seed=");
    String drawn = draws ? Catalogue.Methods.with(text, "seed=" + seed) : text;
    if (has(id, "task") && !text.contains("task=")) {
      List<Merger> each = new ArrayList<>();
      for (int t = 0; t < experts; t++) {
        each.add(Catalogue.mergers().method(Catalogue.Methods.with(drawn, "task=" + t)));
      }
      return new Way(text, drawn, false, each);
    }
    boolean weighs = has(id, "weights") && !text.contains("weights=");
    Way plain = new Way(text, drawn, weighs, List.of(Catalogue.mergers().method(drawn)));
    return weighs && has(id, "lambda")
        ? new Way(text, drawn, true, plain.with(Collections.nCopies(experts, 1.0)).mergers())
        : plain;
  }

  private static boolean isThere(String text) {
    return Catalogue.mergers().ids().contains(Catalogue.mergers().id(text));
  }

  private static boolean has(String id, String setting) {
    return Catalogue.mergers().entry(id).settings().entries().stream()
        .map(Settings.Entry::name)
        .anyMatch(setting::equals);
  }

  private static void require(Merger merger, int experts) {
    Merger.Needs needs = merger.needs();
    if (needs.objective()) {
      throw new IllegalArgumentException(
          "methods: %s needs %s; tasks with last layers of their own have no loss of one model in common"
              .formatted(merger.id(), merger.requires()));
    }
    if (experts < needs.fewest() || experts > needs.most()) {
      throw new IllegalArgumentException(
          "methods: %s needs %s; here are %d experts and their base"
              .formatted(merger.id(), merger.requires(), experts));
    }
  }

  /**
   * Refuses what does not fit so many models of such tensors, a weight too few for example, before
   * anything is trained.
   */
  void check(ExpertNetwork network, List<ExpertTask> tasks, Workspace ws) throws IOException {
    try (MemoryCheckpoint any = network.network().initialise(0);
        ExpertImportances one = new ExpertImportances(network, tasks.subList(0, 1), List.of(any))) {
      Checkpoint body = any.where(name -> !network.isHead(name));
      List<Checkpoint> models = Collections.nCopies(tasks.size(), body);
      for (Way way : named.values().stream().flatMap(List::stream).toList()) {
        List<Checkpoint> importances =
            switch (way.merger().needs().importance()) {
              case NONE -> List.of();
              // Of the same names and shapes.
              case FISHER -> models;
              case GRAM ->
                  Collections.nCopies(tasks.size(), one.of(Merger.Importance.GRAM, ws).get(0));
            };
        MergeProblem problem = way.problem(body, models, importances);
        for (Merger each : way.mergers()) {
          // A view: nothing is merged before it is read.
          each.merge(problem, ws);
        }
      }
    }
  }
}
