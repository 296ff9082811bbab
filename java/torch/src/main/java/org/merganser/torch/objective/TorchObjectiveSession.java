// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.bytedeco.pytorch.Scalar;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.EarlyStopping;
import org.merganser.model.Objective;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;

/** One optimisation over a {@link TorchObjective}: theta is memory that libtorch reads in place. */
final class TorchObjectiveSession implements Objective.Session {
  private final TorchNetwork network;
  private final Samples train;
  private final Augmentation augmentation;
  private final int resetSamples;
  private final Workspace ws;
  private final Map<String, Tensor> parameters = new LinkedHashMap<>();
  private final List<Tensor> theta = new ArrayList<>();
  private final List<org.bytedeco.pytorch.Tensor> gradients = new ArrayList<>();
  private final List<Tensor> views = new ArrayList<>();
  private final TorchSession torch;

  TorchObjectiveSession(
      TorchSession.Setup setup, Samples.Split split, int resetSamples, Workspace ws)
      throws IOException {
    this.network = setup.network();
    this.train = split.train();
    this.augmentation = setup.augmentation();
    this.resetSamples = resetSamples;
    this.ws = ws;
    try (Opened opened = new Opened()) {
      network
          .parameters()
          .forEach(
              (name, info) ->
                  parameters.put(name, opened.add(Tensor.allocate(info.dtype(), info.dims(), ws))));
      Libtorch.call(setup.threads(), this::start);
      network.learned().forEach(name -> theta.add(parameters.get(name)));
      torch =
          new TorchSession(
              setup,
              parameters,
              train,
              split.heldOut(),
              Learned.all(network, Learned.Statistics.OF_BATCH),
              ws);
      opened.release();
    }
  }

  /** Zeros; but running variances, which are never used, or the reset would refuse them. */
  private Void start() {
    Set<String> ones = new HashSet<>();
    network.batchNorms().stream().map(BatchNormLayer::variance).forEach(ones::add);
    try (Shared all = new Shared(parameters)) {
      all.all().forEach((name, tensor) -> fill(tensor, ones.contains(name) ? 1 : 0));
    }
    return null;
  }

  private static void fill(org.bytedeco.pytorch.Tensor tensor, int value) {
    try (Scalar scalar = new Scalar(value)) {
      tensor.fill_(scalar);
    }
  }

  /** All tensors of the network by name, theta among them. */
  Map<String, Tensor> parameters() {
    return parameters;
  }

  TorchSession torch() {
    return torch;
  }

  @Override
  public Tensor theta(int slot) {
    return theta.get(slot);
  }

  @Override
  public synchronized double lossAndGradient(long step) throws IOException {
    torch.requireOpen();
    releaseGradients();
    double loss = torch.backward(step);
    Libtorch.call(
        torch.threads(),
        () -> {
          List<String> names = List.copyOf(network.learned());
          for (int s = 0; s < names.size(); s++) {
            view(names.get(s), torch.leaves().get(s).grad());
          }
          return null;
        });
    return loss;
  }

  private void view(String name, org.bytedeco.pytorch.Tensor gradient) {
    if (!gradient.defined()) {
      throw new IllegalStateException("the loss does not depend on '" + name + "'");
    }
    // Dense already, unless a user's loss made it otherwise.
    org.bytedeco.pytorch.Tensor dense = gradient.is_contiguous() ? gradient : gradient.contiguous();
    gradients.add(dense);
    views.add(Bridge.view(dense));
  }

  @Override
  public Tensor gradient(int slot) {
    return views.get(slot);
  }

  private void releaseGradients() {
    views.forEach(Tensor::close);
    views.clear();
    gradients.forEach(org.bytedeco.pytorch.Tensor::close);
    gradients.clear();
  }

  @Override
  public synchronized OptionalDouble heldOutLoss() throws IOException {
    return torch.heldOut(EarlyStopping.Score.LOSS);
  }

  @Override
  public synchronized Checkpoint buffers() throws IOException {
    torch.requireOpen();
    if (network.batchNorms().isEmpty()) {
      return MemoryCheckpoint.of(Map.of());
    }
    int[] seen = train.range(0, Math.min(train.size(), resetSamples));
    try (Workspace calm =
            Workspace.builder().backend(ws.backend()).threads(ws.threads()).seed(ws.seed()).open();
        Examples samples = train.data().select(seen);
        MemoryCheckpoint reset =
            new BatchNormReset()
                .apply(
                    MemoryCheckpoint.of(parameters),
                    network,
                    samples.batches(samples.batchSize(), augmentation),
                    calm)) {
      Map<String, Tensor> statistics = new LinkedHashMap<>();
      for (String name : reset.tensors().keySet()) {
        if (!network.learned().contains(name)) {
          statistics.put(name, reset.tensor(name).copy());
        }
      }
      return MemoryCheckpoint.of(statistics);
    }
  }

  @Override
  public synchronized void close() {
    releaseGradients();
    torch.close();
    parameters.values().forEach(Tensor::close);
  }
}
