// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.model.Objective;
import org.merganser.repair.BatchNormReset;

/** One optimisation over a {@link TorchObjective}: theta is memory that libtorch reads in place. */
final class TorchObjectiveSession implements Objective.Session {
  private static final int HELD_OUT_BATCH = 1000;
  private static final int IMAGE_BATCH = 100;

  private final TorchObjective objective;
  private final TorchNetwork network;
  private final Workspace ws;
  private final Map<String, org.merganser.linalg.Tensor> owned = new LinkedHashMap<>();
  private final Map<String, Tensor> all = new LinkedHashMap<>();
  private final List<org.merganser.linalg.Tensor> theta = new ArrayList<>();
  private final List<Tensor> leaves = new ArrayList<>();
  private final List<Tensor> gradients = new ArrayList<>();
  private final List<org.merganser.linalg.Tensor> views = new ArrayList<>();
  private final int[] trainSamples;
  private final int[] heldOutSamples;
  private final Examples heldOut;
  private final BatchOrder order;
  private final Lent lent;
  private Tensor inputs;
  private Tensor heldOutInputs;
  private boolean closed;

  TorchObjectiveSession(TorchObjective objective, Workspace ws) throws IOException {
    this.objective = objective;
    this.network = objective.network;
    this.ws = ws;
    int[][] parts = objective.split(ws.seed());
    this.trainSamples = parts[0];
    this.heldOut = objective.heldOut.orElse(objective.data);
    this.heldOutSamples = objective.heldOut.isPresent() ? range(0, heldOut.size()) : parts[1];
    this.order = new BatchOrder(trainSamples.length, objective.batchSize, ws.seed());
    Set<String> learned = network.learned();
    network
        .parameters()
        .forEach(
            (name, info) ->
                owned.put(name, org.merganser.linalg.Tensor.zeros(info.dtype(), info.dims())));
    // Never used: batches normalise themselves. Zero would make the reset refuse them.
    for (BatchNormLayer layer : network.batchNorms()) {
      org.merganser.linalg.Tensor variance = owned.get(layer.variance());
      for (long i = 0; i < variance.size(); i++) {
        variance.set(i, 1);
      }
    }
    List<org.merganser.linalg.Tensor> read = new ArrayList<>(owned.values());
    read.add(objective.data.inputs());
    read.add(heldOut.inputs());
    lent = new Lent(read);
    TorchNatives.call(
        objective.threads,
        () -> {
          owned.forEach(
              (name, tensor) -> {
                Tensor shared = Bridge.share(tensor);
                all.put(name, shared);
                if (learned.contains(name)) {
                  shared.set_requires_grad(true);
                  leaves.add(shared);
                  theta.add(tensor);
                }
              });
          inputs = Bridge.share(objective.data.inputs());
          heldOutInputs = Bridge.share(heldOut.inputs());
          return null;
        });
  }

  @Override
  public org.merganser.linalg.Tensor theta(int slot) {
    return theta.get(slot);
  }

  /** Theta as libtorch's optimisers take it. */
  List<Tensor> leaves() {
    return leaves;
  }

  @Override
  public synchronized double lossAndGradient(long step) throws IOException {
    requireOpen();
    ws.cancellation().check();
    releaseGradients();
    int[] batch = order.batch(step);
    long epoch = step / order.batches();
    for (int i = 0; i < batch.length; i++) {
      batch[i] = trainSamples[batch[i]];
    }
    return TorchNatives.call(
        objective.threads,
        () -> {
          double loss = backward(batch, Math.toIntExact(epoch));
          for (int s = 0; s < leaves.size(); s++) {
            Tensor gradient = leaves.get(s).grad();
            if (!gradient.defined()) {
              throw new IllegalStateException(
                  "the loss does not depend on '" + objective.slots().get(s).name() + "'");
            }
            // Dense already, unless a user's loss made it otherwise.
            Tensor dense = gradient.is_contiguous() ? gradient : gradient.contiguous();
            gradients.add(dense);
            views.add(Bridge.view(dense));
          }
          return loss;
        });
  }

  @SuppressWarnings("try")
  private double backward(int[] batch, int epoch) {
    try (PointerScope scope = new PointerScope()) {
      Tensor drawn = Bridge.rows(inputs, batch);
      Tensor x = objective.augmentation.apply(drawn, ws.seed(), epoch, batch);
      Tensor outputs = network.pureForward(x, all, Mode.TRAIN);
      Tensor loss = objective.loss.of(outputs, Bridge.labels(objective.data, batch));
      loss.backward();
      return loss.item_float();
    }
  }

  @Override
  public org.merganser.linalg.Tensor gradient(int slot) {
    return views.get(slot);
  }

  /** Makes room for the next gradients before they are computed. */
  private void releaseGradients() {
    views.forEach(org.merganser.linalg.Tensor::close);
    views.clear();
    gradients.forEach(Tensor::close);
    gradients.clear();
    for (Tensor leaf : leaves) {
      try (Tensor gradient = leaf.mutable_grad()) {
        gradient.reset();
      }
    }
  }

  @Override
  public synchronized OptionalDouble heldOutLoss() throws IOException {
    requireOpen();
    int n = heldOutSamples.length;
    if (n == 0) {
      return OptionalDouble.empty();
    }
    boolean normalised = !network.batchNorms().isEmpty();
    int size =
        normalised
            ? objective.batchSize
            : heldOut.inputs().rank() == 2 ? HELD_OUT_BATCH : IMAGE_BATCH;
    // Of about equal size: the statistics of a small last batch would be poor.
    int batches = (n + size - 1) / size;
    double sum = 0;
    for (int b = 0; b < batches; b++) {
      ws.cancellation().check();
      int from = (int) ((long) n * b / batches);
      int to = (int) ((long) n * (b + 1) / batches);
      int[] batch = Arrays.copyOfRange(heldOutSamples, from, to);
      sum +=
          batch.length
              * TorchNatives.call(
                  objective.threads, () -> plain(batch, normalised ? Mode.TRAIN : Mode.EVAL));
    }
    return OptionalDouble.of(sum / n);
  }

  @SuppressWarnings("try")
  private double plain(int[] batch, Mode mode) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor outputs = network.pureForward(Bridge.rows(heldOutInputs, batch), all, mode);
      return objective.loss.of(outputs, Bridge.labels(heldOut, batch)).item_float();
    }
  }

  @Override
  public synchronized Checkpoint buffers() throws IOException {
    requireOpen();
    if (network.batchNorms().isEmpty()) {
      return MemoryCheckpoint.of(Map.of());
    }
    int count = Math.min(trainSamples.length, objective.resetSamples);
    boolean images = objective.data.inputs().rank() > 2;
    try (Workspace calm =
            Workspace.builder().backend(ws.backend()).threads(ws.threads()).seed(ws.seed()).open();
        Examples samples = objective.data.select(Arrays.copyOf(trainSamples, count));
        MemoryCheckpoint reset =
            new BatchNormReset()
                .apply(
                    MemoryCheckpoint.of(owned),
                    network,
                    samples.batches(images ? IMAGE_BATCH : HELD_OUT_BATCH, objective.augmentation),
                    calm)) {
      Map<String, org.merganser.linalg.Tensor> statistics = new LinkedHashMap<>();
      for (String name : reset.tensors().keySet()) {
        if (!network.learned().contains(name)) {
          statistics.put(name, reset.tensor(name).copy());
        }
      }
      return MemoryCheckpoint.of(statistics);
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this session is already closed");
    }
  }

  private static int[] range(int from, int to) {
    int[] all = new int[to - from];
    for (int i = 0; i < all.length; i++) {
      all[i] = from + i;
    }
    return all;
  }

  @Override
  public synchronized void close() {
    closed = true;
    views.forEach(org.merganser.linalg.Tensor::close);
    gradients.forEach(Tensor::close);
    all.values().forEach(Tensor::close);
    inputs.close();
    heldOutInputs.close();
    lent.close();
    owned.values().forEach(org.merganser.linalg.Tensor::close);
  }
}
