// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * How well a network classifies.
 *
 * @param accuracy part of the samples whose largest logit is that of their class (the first of
 *     equals)
 * @param loss mean cross-entropy in nats
 */
public record Evaluation(double accuracy, double loss) {

  /** Runs a model on all samples in eval mode. */
  public static Evaluation of(Network network, Checkpoint theta, Inputs.Labelled data, Workspace ws)
      throws IOException {
    try (Tensor logits = logits(network, theta, data, ws)) {
      return ofLogits(logits, data);
    }
  }

  /**
   * Logits of all samples, F32 [samples x classes]. Batches run at the same time in as many
   * sessions as the Workspace has threads; the result does not depend on how many.
   */
  public static Tensor logits(Network network, Checkpoint theta, Inputs.Labelled data, Workspace ws)
      throws IOException {
    List<PairedActivations.Model> model = PairedActivations.Model.of(network, List.of(theta));
    try (Opened opened = new Opened()) {
      Tensor all = opened.add(Tensor.allocate(DType.F32, data.samples(), data.classes()));
      long[] seen = new long[1];
      try (PairedActivations outputs =
          new ForwardPasses(model, data, Mode.EVAL, ws.threads(), ws)) {
        outputs.each(
            Set.of(Network.OUTPUT),
            batch -> {
              seen[0] = batch.first() + batch.samples();
              if (seen[0] <= data.samples()) {
                Tensor output = batch.of(0, Network.OUTPUT);
                Tensor rows = all.rows(batch.first(), seen[0]);
                output.require("output of the network", output.dtype(), rows.shape());
                rows.convertFrom(output, ws);
              }
            },
            ws);
      }
      if (seen[0] != data.samples()) {
        throw new IllegalArgumentException(
            "the data have %d samples with labels, and batches of %d"
                .formatted(data.samples(), seen[0]));
      }
      opened.release();
      return all;
    }
  }

  /** The ensemble of models: the mean of their logits. A new tensor. */
  public static Tensor mean(List<Tensor> logits) {
    if (logits.isEmpty()) {
      throw new IllegalArgumentException("an ensemble of no models has no logits");
    }
    long[] shape = logits.get(0).shape();
    logits.forEach(model -> model.require("logits of a model", model.dtype(), shape));
    Tensor mean = Tensor.allocate(DType.F32, shape);
    for (long i = 0; i < mean.size(); i++) {
      double sum = 0;
      for (Tensor model : logits) {
        sum += model.get(i);
      }
      mean.set(i, sum / logits.size());
    }
    return mean;
  }

  /**
   * The ensemble of models with classes of their own: the softmax of each over its classes, then
   * the largest of all. A new tensor of logarithms of these probabilities, which serve as logits:
   * as K such distributions make one when divided by K, their softmax is {@code p / K}.
   *
   * @param logits of each model, [samples x classes]
   * @param classes of each model; together every class once
   */
  public static Tensor disjoint(List<Tensor> logits, List<int[]> classes) {
    Tensor first = logits.get(0);
    int columns = Math.toIntExact(first.dim(1));
    int[] all = classes.stream().flatMapToInt(Arrays::stream).sorted().toArray();
    if (logits.size() != classes.size()
        || !Arrays.equals(all, IntStream.range(0, columns).toArray())) {
      throw new ShapeException(
          "%s models for %s parts with classes %s of 0..%s; together they have each class once"
              .formatted(logits.size(), classes.size(), Arrays.toString(all), columns - 1));
    }
    Tensor result = Tensor.allocate(DType.F32, first.shape());
    for (int k = 0; k < classes.size(); k++) {
      Tensor own = logits.get(k);
      for (long at = 0; at < result.size(); at += columns) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int c : classes.get(k)) {
          largest = Math.max(largest, own.get(at + c));
        }
        double sum = 0;
        for (int c : classes.get(k)) {
          sum += Math.exp(own.get(at + c) - largest);
        }
        double norm = largest + Math.log(sum);
        for (int c : classes.get(k)) {
          result.set(at + c, own.get(at + c) - norm);
        }
      }
    }
    return result;
  }

  /** From logits [samples x classes]. */
  public static Evaluation ofLogits(Tensor logits, Inputs.Labelled data) {
    long samples = data.samples();
    if (logits.rank() != 2 || logits.dim(0) != samples || logits.dim(1) != data.classes()) {
      throw new ShapeException(
          "logits are "
              + logits
              + " for "
              + samples
              + " samples of "
              + data.classes()
              + " classes");
    }
    int classes = Math.toIntExact(logits.dim(1));
    long right = 0;
    double loss = 0;
    for (long i = 0; i < samples; i++) {
      int best = 0;
      double largest = logits.get(i * classes);
      for (int c = 1; c < classes; c++) {
        double value = logits.get(i * classes + c);
        if (value > largest) {
          largest = value;
          best = c;
        }
      }
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        sum += Math.exp(logits.get(i * classes + c) - largest);
      }
      int label = data.label(i);
      if (label < 0 || label >= classes) {
        throw new IllegalArgumentException(
            "label %d of sample %d is not in 0..%d".formatted(label, i, classes - 1));
      }
      loss += largest + Math.log(sum) - logits.get(i * classes + label);
      right += best == label ? 1 : 0;
    }
    return new Evaluation((double) right / samples, loss / samples);
  }
}
