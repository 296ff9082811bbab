// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.lab.report.Json;

/**
 * What all seeds found with one part of wrong labels and one form of experts, by length of
 * training.
 *
 * @param noise part of the training labels that are wrong
 * @param form of the experts: {@code full}, {@code lora} or {@code moe}
 * @param base what experts begin with, on the tasks, seed by seed
 * @param steps the lengths, increasing
 * @param points of each length, seed by seed
 * @param stopped those that {@link org.merganser.lab.experiment.UndertrainingExperiment early
 *     stopping} ended, seed by seed; empty without
 * @param tried the mergers asked for
 */
record ExpertCurves(
    double noise,
    String form,
    List<TaskScores> base,
    List<Integer> steps,
    List<List<ExpertPoint>> points,
    List<ExpertPoint> stopped,
    ExpertMethods tried) {
  /** Name of what experts begin with. */
  static final String BASE = "base";

  /** Key of experts that ended early. */
  static final String STOPPED = "stopped";

  /** All curves of some findings, in their order. */
  static List<ExpertCurves> of(List<Findings> seeds, ExpertMethods tried) {
    List<ExpertCurves> all = new ArrayList<>();
    for (String noise : seeds.get(0).map("curves").keySet()) {
      for (String form : seeds.get(0).map("curves", noise).keySet()) {
        Map<String, List<ExpertPoint>> found = new LinkedHashMap<>();
        for (String length : seeds.get(0).map("curves", noise, form).keySet()) {
          found.put(length, points(seeds, noise, form, length));
        }
        List<ExpertPoint> stopped = found.remove(STOPPED);
        List<Integer> steps = found.keySet().stream().map(Integer::valueOf).toList();
        all.add(
            new ExpertCurves(
                Double.parseDouble(noise),
                form,
                Findings.all(seeds, TaskScores.class, "base", noise),
                steps,
                List.copyOf(found.values()),
                stopped == null ? List.of() : stopped,
                tried));
      }
    }
    return all;
  }

  private static List<ExpertPoint> points(
      List<Findings> seeds, String noise, String form, String length) {
    return seeds.stream()
        .map(seed -> Json.convert(seed.map("curves", noise, form).get(length), ExpertPoint.class))
        .toList();
  }

  /** As files and sections are called. */
  String id() {
    return "noise-" + noise + "-" + form;
  }

  String title() {
    return switch (form) {
          case "full" -> "Full fine-tuning";
          case "lora" -> "LoRA";
          default -> "Mixture of LoRA experts";
        }
        + ", "
        + Math.round(100 * noise)
        + " % wrong labels";
  }

  int seeds() {
    return points.get(0).size();
  }

  /** Of merging; the same at every length. */
  List<String> methods() {
    return List.copyOf(points.get(0).get(0).merged().keySet());
  }

  /** What examples are told of by: task arithmetic with a fixed lambda, else the first method. */
  String difficultyMethod() {
    String fixed = tried.fixed();
    return fixed != null && methods().contains(fixed) ? fixed : methods().get(0);
  }

  /** Whether a lambda was taken of several; beside weights that of the method without them. */
  boolean choosesLambda(String method) {
    return tried.choosesLambda(
        method.endsWith(ExpertMerging.WEIGHTS)
            ? method.substring(0, method.length() - ExpertMerging.WEIGHTS.length())
            : method);
  }

  /** A number of every seed. */
  List<Double> each(Function<Integer, Double> ofSeed) {
    return IntStream.range(0, seeds()).boxed().map(ofSeed).toList();
  }

  /** Index of the length that is best for a seed by some number, of equals the shortest. */
  int best(int seed, ToDoubleFunction<ExpertPoint> value) {
    return IntStream.range(0, steps.size())
        .boxed()
        .max(
            Comparator.<Integer>comparingDouble(
                    length -> value.applyAsDouble(points.get(length).get(seed)))
                .thenComparing(Comparator.reverseOrder()))
        .orElseThrow();
  }

  ExpertPoint point(int length, int seed) {
    return points.get(length).get(seed);
  }

  /** At the greatest length. */
  ExpertPoint last(int seed) {
    return point(steps.size() - 1, seed);
  }

  /** The experts of the length that is best for a seed on held-out examples. */
  TaskScores reference(int seed) {
    return point(best(seed, p -> p.experts().meanHeldOut()), seed).experts();
  }
}
