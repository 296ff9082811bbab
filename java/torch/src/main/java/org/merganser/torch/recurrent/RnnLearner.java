// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.internal.session.BatchOrder;
import org.merganser.torch.internal.session.Learner;

/**
 * A recurrent network that learns: the mean cross-entropy of a batch, at the last step or over all,
 * and its gradient by {@link RnnPass}. Independent sequences are drawn without replacement; windows
 * of a text follow one another with their states carried on, and the gradient ends at a window.
 */
class RnnLearner implements Learner, AutoCloseable {
  private final VanillaRnn rnn;
  private final Sequences data;
  private final Workspace ws;
  private final Workspace host;
  private final BatchOrder order;
  private final Shared shared;
  private final Map<String, Tensor> learned = new LinkedHashMap<>();
  private final long shapeFrom;
  private org.merganser.linalg.Tensor carried;

  /**
   * @param parameters of the network, in its precision, which stay the caller's
   * @param names of those that are learned
   * @param shapeFrom step from which on n and s are, if they are
   */
  RnnLearner(
      VanillaRnn rnn,
      Map<String, org.merganser.linalg.Tensor> parameters,
      Set<String> names,
      Sequences data,
      int batch,
      long shapeFrom,
      Workspace ws)
      throws IOException {
    this.rnn = rnn;
    this.data = data;
    this.shapeFrom = shapeFrom;
    this.ws = ws;
    this.order = new BatchOrder(data.size(), batch, ws.seed());
    try (Opened opened = new Opened()) {
      shared = Libtorch.call(VanillaRnn.THREADS, () -> opened.add(new Shared(parameters)));
      names.forEach(name -> learned.put(name, shared.all().get(name)));
      learned.values().forEach(leaf -> leaf.set_requires_grad(true));
      host = opened.add(VanillaRnn.host());
      opened.release();
    }
  }

  @Override
  public List<Tensor> leaves() {
    return new ArrayList<>(learned.values());
  }

  @Override
  public int threads() {
    return VanillaRnn.THREADS;
  }

  /** Batches of an epoch. */
  int batches() {
    return data.streamLength() > 0 ? data.streamLength() : order.batches();
  }

  @Override
  public double backward(long step) throws IOException {
    ws.cancellation().check();
    int[] which = batch(step);
    try (org.merganser.linalg.Tensor inputs = data.inputs(which)) {
      return Libtorch.call(VanillaRnn.THREADS, () -> backward(inputs, step >= shapeFrom, which));
    }
  }

  private int[] batch(long step) {
    int windows = data.streamLength();
    if (windows == 0) {
      return order.batch(step);
    }
    int at = (int) (step % windows);
    if (at == 0) {
      forget();
    }
    return IntStream.range(0, data.size() / windows).map(b -> b * windows + at).toArray();
  }

  @SuppressWarnings("try")
  private double backward(org.merganser.linalg.Tensor inputs, boolean shape, int... which) {
    try (Shared in = new Shared(inputs);
        Shared before = new Shared(carried == null ? Map.of() : Map.of("", carried));
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        RnnPass pass = new RnnPass(rnn, shared.all(), shape && learnsShape(), host)) {
      Tensor x = in.only().to(shared.all().get(VanillaRnn.V).scalar_type());
      Tensor h = pass.states(x, 0, before.only());
      Tensor z = pass.logits(data.everyStep() ? h : pass.lastState());
      Tensor y = Bridge.beside(z, data.targetsByStep(which));
      double loss = torch.cross_entropy_loss(z, y).item_double();
      if (!Double.isFinite(loss)) {
        throw new RnnTraining.Diverged("the loss is " + loss + cause(h, which));
      }
      // (softmax - one) / count.
      Tensor dz = z.softmax(1);
      dz.scatter_(1, y.unsqueeze(1), new Scalar(-1.0), "add");
      dz.mul_(new Scalar(1.0 / z.size(0)));
      Map<String, Tensor> gradients = pass.gradients(dz);
      learned.forEach(
          (name, leaf) -> {
            // What has no gradient yet the optimiser leaves alone, and knows nothing of.
            if (shape || !rnn.shape().contains(name)) {
              keep(leaf, gradients.get(name));
            }
          });
      if (data.streamLength() > 0) {
        org.merganser.linalg.Tensor last = Bridge.copy(pass.lastState().contiguous());
        forget();
        carried = last;
      }
      return loss;
    }
  }

  private boolean learnsShape() {
    return learned.containsKey(VanillaRnn.N) || learned.containsKey(VanillaRnn.S);
  }

  private static String cause(Tensor states, int... which) {
    return BadState.describe(states, which)
        .map(bad -> ": " + bad)
        .orElse("; all states are finite");
  }

  private static void keep(Tensor leaf, Tensor gradient) {
    try (Tensor place = leaf.mutable_grad()) {
      place.put(gradient);
    }
  }

  /** Gradients that the last batch left, by names; copies. */
  Map<String, org.merganser.linalg.Tensor> gradients() throws IOException {
    return Libtorch.call(VanillaRnn.THREADS, this::copyGradients);
  }

  @SuppressWarnings("try")
  private Map<String, org.merganser.linalg.Tensor> copyGradients() {
    Map<String, org.merganser.linalg.Tensor> copies = new LinkedHashMap<>();
    try (PointerScope scope = new PointerScope()) {
      learned.forEach((name, leaf) -> copies.put(name, Bridge.copy(leaf.grad().contiguous())));
    }
    return copies;
  }

  private void forget() {
    if (carried != null) {
      carried.close();
      carried = null;
    }
  }

  /** None: training that has some tells. */
  @Override
  public OptionalDouble heldOut(EarlyStopping.Score score) throws IOException {
    return OptionalDouble.empty();
  }

  @Override
  public void close() {
    forget();
    shared.close();
    host.close();
  }
}
