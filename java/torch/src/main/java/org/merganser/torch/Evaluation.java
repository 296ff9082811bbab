// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;

/**
 * How well a network classifies.
 *
 * @param accuracy part of the samples whose largest logit is that of their class (the first of
 *     equals)
 * @param loss mean cross-entropy in nats
 */
public record Evaluation(double accuracy, double loss) {
  private static final int BATCH = 1000;

  /** Runs a model on all examples in eval mode. */
  public static Evaluation of(Network network, Checkpoint theta, Examples data, Workspace ws)
      throws IOException {
    try (Tensor logits = logits(network, theta, data, ws)) {
      return ofLogits(logits, data);
    }
  }

  /** Logits of all examples, F32 [samples x classes]. */
  public static Tensor logits(Network network, Checkpoint theta, Examples data, Workspace ws)
      throws IOException {
    Tensor all = Tensor.allocate(DType.F32, data.size(), data.classes());
    try (Network.Session session = network.open(theta, ws)) {
      long[] done = new long[1];
      for (Iterator<Tensor> it = data.batches(BATCH).open(0); it.hasNext(); ) {
        ws.cancellation().check();
        session.run(
            it.next(),
            Mode.EVAL,
            Set.of(Network.OUTPUT),
            (tap, output) -> {
              Tensor rows = all.rows(done[0], done[0] + output.dim(0));
              output.require("output of the network", rows.dtype(), rows.shape());
              rows.memory().copyFrom(output.memory().slice(0, output.bytes()));
              done[0] += output.dim(0);
            });
      }
    }
    return all;
  }

  /** The ensemble of models: the mean of their logits. A new tensor. */
  public static Tensor mean(List<Tensor> logits) {
    Tensor first = logits.get(0);
    Tensor mean = Tensor.allocate(DType.F32, first.shape());
    for (long i = 0; i < mean.size(); i++) {
      double sum = 0;
      for (Tensor model : logits) {
        sum += model.get(i);
      }
      mean.set(i, sum / logits.size());
    }
    return mean;
  }

  /** From logits [samples x classes]. */
  public static Evaluation ofLogits(Tensor logits, Examples data) {
    if (logits.rank() != 2 || logits.dim(0) != data.size() || logits.dim(1) != data.classes()) {
      throw new ShapeException(
          "logits are "
              + logits
              + " for "
              + data.size()
              + " samples of "
              + data.classes()
              + " classes");
    }
    int classes = Math.toIntExact(logits.dim(1));
    long right = 0;
    double loss = 0;
    for (int i = 0; i < data.size(); i++) {
      int best = 0;
      double largest = logits.get((long) i * classes);
      for (int c = 1; c < classes; c++) {
        double value = logits.get((long) i * classes + c);
        if (value > largest) {
          largest = value;
          best = c;
        }
      }
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        sum += Math.exp(logits.get((long) i * classes + c) - largest);
      }
      int label = data.labels()[i];
      loss += largest + Math.log(sum) - logits.get((long) i * classes + label);
      right += best == label ? 1 : 0;
    }
    return new Evaluation((double) right / data.size(), loss / data.size());
  }
}
