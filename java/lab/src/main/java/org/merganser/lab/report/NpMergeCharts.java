// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.awt.Color;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.lab.experiment.NpMergeResult;

/** The pictures of the experiment of NP Merge, by file name. */
final class NpMergeCharts {
  private static final Color[] BATCHES = {
    new Color(0xd9a441), new Color(0x6fa8d0), new Color(0x6cc2a5)
  };

  private static final Map<String, String> NAMES =
      Map.of(
          "average", "average",
          "np-merge", "np-merge, stopped",
          "np-merge-all-steps", "np-merge, all steps",
          "finetuned-average", "fine-tuned, stopped");

  private NpMergeCharts() {}

  /** Name of a method of the curve over samples. */
  static String name(String method) {
    return NAMES.getOrDefault(method, method);
  }

  static Map<String, Picture> all(NpMergeResult result) throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>(curves(result));
    pictures.putAll(coefficients(result));
    if (result.samples().isPresent()) {
      pictures.putAll(samples(result.samples().get()));
    }
    return pictures;
  }

  /** One picture for each aligner: what was learned from its average. */
  static Map<String, Picture> curves(NpMergeResult result) throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>();
    for (String aligner : result.settings().aligners()) {
      LineChart chart = new LineChart("After " + aligner, "step", "loss (nats)").from(0);
      List<NpMergeResult.Curve> curves =
          result.curves().stream()
              .filter(c -> aligner(c.method(), result).equals(aligner))
              .toList();
      for (int c = 0; c < curves.size(); c++) {
        NpMergeResult.Curve curve = curves.get(c);
        String name = curve.method().replaceFirst("\\+.*", "");
        int every = result.options().np().evalEvery();
        List<Double> middles = new ArrayList<>();
        List<Double> losses = new ArrayList<>();
        for (int from = 0; from < curve.batchLoss().size(); from += every) {
          List<Double> part =
              curve.batchLoss().subList(from, Math.min(from + every, curve.batchLoss().size()));
          middles.add(from + part.size() / 2.0);
          losses.add(part.stream().mapToDouble(Double::doubleValue).average().orElseThrow());
        }
        if (!middles.isEmpty()) {
          chart.dashed(name + ", batches", BATCHES[c % BATCHES.length], middles, losses);
        }
        if (!curve.steps().isEmpty()) {
          chart.line(
              name, c + 1, curve.steps().stream().map(Long::doubleValue).toList(), curve.heldOut());
        }
      }
      pictures.put(
          Picture.fileName("curve-", aligner, pictures.keySet()),
          new Picture(chart.png(), "Loss by step after alignment by " + aligner));
    }
    return pictures;
  }

  private static String aligner(String method, NpMergeResult result) {
    int plus = method.indexOf('+');
    return plus < 0 ? result.options().fineTuned() : method.substring(plus + 1);
  }

  /** One picture for each weight tensor. */
  static Map<String, Picture> coefficients(NpMergeResult result) throws IOException {
    Map<String, Picture> pictures = new LinkedHashMap<>();
    List<Double> centres =
        IntStream.range(0, NpMergeResult.BINS)
            .mapToObj(b -> (b + 0.5) / NpMergeResult.BINS)
            .toList();
    for (Map.Entry<String, Map<String, List<Long>>> tensor : result.coefficients().entrySet()) {
      if (!tensor.getKey().endsWith("weight")) {
        continue;
      }
      LineChart chart =
          new LineChart(tensor.getKey(), "coefficient", "parameters (%)").across(0, 1).from(0);
      int colour = 0;
      for (Map.Entry<String, List<Long>> method : tensor.getValue().entrySet()) {
        double all = method.getValue().stream().mapToLong(Long::longValue).sum();
        chart.line(
            method.getKey(),
            colour++,
            centres,
            method.getValue().stream().map(n -> 100 * n / all).toList());
      }
      pictures.put(
          Picture.fileName("coefficients-", tensor.getKey(), pictures.keySet()),
          new Picture(chart.png(), "Histogram of the learned coefficients of " + tensor.getKey()));
    }
    return pictures;
  }

  /** Accuracy and loss by number of samples. */
  static Map<String, Picture> samples(NpMergeResult.Samples samples) throws IOException {
    LineChart accuracy = chart(samples, "test accuracy (%)");
    LineChart loss = chart(samples, "test loss (nats)").from(0);
    List<Double> places =
        IntStream.range(0, samples.counts().size()).mapToObj(i -> (double) i).toList();
    int colour = 0;
    for (Map.Entry<String, List<NpMergeResult.SamplePoint>> method : samples.points().entrySet()) {
      String name = name(method.getKey());
      List<NpMergeResult.SamplePoint> points = method.getValue();
      accuracy.line(
          name, colour, places, points.stream().map(point -> 100 * point.accuracy()).toList());
      loss.line(
          name, colour++, places, points.stream().map(NpMergeResult.SamplePoint::loss).toList());
    }
    Map<String, Picture> pictures = new LinkedHashMap<>();
    pictures.put(
        "samples-accuracy.png",
        new Picture(accuracy.png(), "Test accuracy by number of training samples"));
    pictures.put(
        "samples-loss.png", new Picture(loss.png(), "Test loss by number of training samples"));
    return pictures;
  }

  private static LineChart chart(NpMergeResult.Samples samples, String y) {
    return new LineChart("Aligned by " + samples.aligner(), "training samples", y)
        .named(samples.counts().stream().map(String::valueOf).toList());
  }
}
