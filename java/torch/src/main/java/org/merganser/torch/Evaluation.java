// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Threads;
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

  /** Activations of more images do not stay in the cache, and are mapped anew by every layer. */
  private static final int IMAGE_BATCH = 100;

  /** Runs a model on all examples in eval mode. */
  public static Evaluation of(Network network, Checkpoint theta, Examples data, Workspace ws)
      throws IOException {
    try (Tensor logits = logits(network, theta, data, ws)) {
      return ofLogits(logits, data);
    }
  }

  /**
   * Logits of all examples, F32 [samples x classes]. Batches run at the same time in as many
   * sessions as the Workspace has threads; the result does not depend on how many.
   */
  public static Tensor logits(Network network, Checkpoint theta, Examples data, Workspace ws)
      throws IOException {
    int batch = data.inputs().rank() == 2 ? BATCH : IMAGE_BATCH;
    int batches = (data.size() + batch - 1) / batch;
    int workers = Math.min(ws.threads(), batches);
    Tensor all = Tensor.allocate(DType.F32, data.size(), data.classes());
    List<Network.Session> sessions = new ArrayList<>();
    try (Threads threads = new Threads(workers)) {
      List<Callable<Void>> runs = new ArrayList<>();
      AtomicInteger next = new AtomicInteger();
      for (int w = 0; w < workers; w++) {
        Network.Session session = network.open(theta, ws);
        sessions.add(session);
        runs.add(
            () -> {
              for (int b = next.getAndIncrement(); b < batches; b = next.getAndIncrement()) {
                ws.cancellation().check();
                run(session, data, (long) b * batch, batch, all);
              }
              return null;
            });
      }
      threads.all(runs);
    } catch (IOException | RuntimeException e) {
      all.close();
      throw e;
    } finally {
      sessions.forEach(Network.Session::close);
    }
    return all;
  }

  private static void run(Network.Session session, Examples data, long from, int batch, Tensor all)
      throws IOException {
    long to = Math.min(from + batch, data.size());
    session.run(
        data.inputs().rows(from, to),
        Mode.EVAL,
        Set.of(Network.OUTPUT),
        (tap, output) -> {
          Tensor rows = all.rows(from, to);
          output.require("output of the network", rows.dtype(), rows.shape());
          rows.memory().copyFrom(output.memory().slice(0, output.bytes()));
        });
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
      int label = data.label(i);
      loss += largest + Math.log(sum) - logits.get((long) i * classes + label);
      right += best == label ? 1 : 0;
    }
    return new Evaluation((double) right / data.size(), loss / data.size());
  }
}
