// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.internal.session.BatchOrder;
import org.merganser.torch.internal.session.Learner;

/**
 * A decoder that learns: parameters that libtorch reads in place, the mean of {@code -log p} of the
 * next tokens of a batch of windows and its gradient. Batches are drawn without replacement, in an
 * order that depends on the seed of the Workspace and the epoch only.
 */
final class TokenLearner implements Learner, AutoCloseable {
  private final TransformerNetwork network;
  private final TokenWindows train;
  private final Optional<TokenWindows> heldOut;
  private final int batch;
  private final int threads;
  private final Workspace ws;
  private final BatchOrder order;
  private final Shared shared;
  private final List<Tensor> leaves;

  /**
   * @param parameters of the network, in its precision, which stay the caller's
   * @param heldOut windows that no step sees
   * @param threads of libtorch
   */
  TokenLearner(
      TransformerNetwork network,
      Map<String, org.merganser.linalg.Tensor> parameters,
      TokenWindows train,
      Optional<TokenWindows> heldOut,
      int batch,
      int threads,
      Workspace ws)
      throws IOException {
    this.network = network;
    this.train = train;
    this.heldOut = heldOut;
    this.batch = batch;
    this.threads = threads;
    this.ws = ws;
    this.order = new BatchOrder(train.size(), batch, ws.seed());
    network.requireCausal();
    check("the training data", train);
    if (heldOut.isPresent()) {
      check("the held-out data", heldOut.get());
    }
    try (Opened opened = new Opened()) {
      shared = Libtorch.call(threads, () -> opened.add(new Shared(parameters)));
      leaves = new ArrayList<>(shared.all().values());
      leaves.forEach(leaf -> leaf.set_requires_grad(true));
      opened.release();
    }
  }

  private void check(String what, TokenWindows windows) {
    if (windows.length() < 2) {
      throw new ShapeException(
          what + " are windows of one token, of which none is the next; give at least 2");
    }
    for (int i = 0; i < windows.size(); i++) {
      try (org.merganser.linalg.Tensor ids = TokenWindows.tensor(windows.select(i))) {
        network.checkInputs(ids);
      }
    }
  }

  @Override
  public List<Tensor> leaves() {
    return leaves;
  }

  /** Gradients that the last step left, by names of parameters; copies on the host. */
  Map<String, org.merganser.linalg.Tensor> gradients() throws IOException {
    return Libtorch.call(threads, this::copyGradients);
  }

  @SuppressWarnings("try")
  private Map<String, org.merganser.linalg.Tensor> copyGradients() {
    Map<String, org.merganser.linalg.Tensor> copies = new LinkedHashMap<>();
    try (PointerScope scope = new PointerScope()) {
      shared.all().forEach((name, leaf) -> copies.put(name, Bridge.copy(leaf.grad().contiguous())));
    }
    return copies;
  }

  @Override
  public int threads() {
    return threads;
  }

  /** Batches of an epoch. */
  int batches() {
    return order.batches();
  }

  @Override
  public double backward(long step) throws IOException {
    ws.cancellation().check();
    int[][] windows = train.select(order.batch(step));
    return Libtorch.call(threads, () -> backward(windows));
  }

  @SuppressWarnings("try")
  private double backward(int[]... windows) {
    resetGradients();
    try (PointerScope scope = new PointerScope()) {
      Tensor loss = loss(windows);
      loss.backward();
      return loss.item_double();
    }
  }

  @Override
  public OptionalDouble heldOut(EarlyStopping.Score score) throws IOException {
    if (heldOut.isEmpty()) {
      return OptionalDouble.empty();
    }
    int size = heldOut.get().size();
    double sum = 0;
    for (int from = 0; from < size; from += batch) {
      ws.cancellation().check();
      int[][] windows =
          heldOut.get().select(IntStream.range(from, Math.min(from + batch, size)).toArray());
      sum += windows.length * Libtorch.call(threads, () -> plain(score, windows));
    }
    return OptionalDouble.of(sum / size);
  }

  /** Of windows, which are all of one length, so that means of batches can be averaged. */
  @SuppressWarnings("try")
  private double plain(EarlyStopping.Score score, int[]... windows) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      return score == EarlyStopping.Score.LOSS
          ? loss(windows).item_double()
          : right(windows) / ((double) windows.length * (windows[0].length - 1));
    }
  }

  /** Mean over all tokens but the first of each window. */
  private Tensor loss(int[]... windows) {
    return torch.cross_entropy_loss(logits(windows), next(windows));
  }

  /** How many of these tokens have the largest logit. */
  private long right(int[]... windows) {
    Tensor told = logits(windows).argmax(new LongOptional(1), false);
    return told.eq(next(windows)).sum().item_long();
  }

  /** Of the tokens after all but the last of each window, one below the other. */
  private Tensor logits(int[]... windows) {
    int length = windows[0].length;
    Tensor read = tokens(windows, 0, length - 1).reshape(windows.length, length - 1);
    TokenPass pass = new TokenPass(network.config(), shared.all(), read, null, Set.of());
    return pass.output(pass.hidden());
  }

  private Tensor next(int[]... windows) {
    return tokens(windows, 1, windows[0].length);
  }

  /** A copy where the parameters lie, which the graph keeps. */
  private Tensor tokens(int[][] windows, int from, int to) {
    long[] ids =
        Arrays.stream(windows)
            .flatMapToInt(window -> Arrays.stream(window, from, to))
            .asLongStream()
            .toArray();
    return Bridge.beside(leaves.get(0), ids);
  }

  @Override
  public void close() {
    shared.close();
  }
}
