// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.Device;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;

/**
 * A transformer with parameters. {@link #run} serves one thread; {@link #logits} and {@link
 * #logProbabilities} any number at once.
 */
public final class TransformerSession implements Network.Session {
  static final int THREADS = 1;

  /** Rows whose logits are there at once: of 150 000 tokens they take 40 MB. */
  private static final long ROWS = 64;

  private final TransformerNetwork network;
  private final Map<String, org.merganser.linalg.Tensor> owned;
  private final Shared theta;
  private final Device device;
  private final List<Tensor> outputsOfLastRun = new ArrayList<>();
  private final List<org.merganser.linalg.Tensor> viewsOfLastRun = new ArrayList<>();

  /** Read by what computes, written by {@link #close}. */
  private final ReadWriteLock use = new ReentrantReadWriteLock();

  private boolean closed;

  /** Inside of libtorch; the parameters are this one's from then on. */
  TransformerSession(
      TransformerNetwork network, Map<String, org.merganser.linalg.Tensor> owned, Device device) {
    this.network = network;
    this.owned = owned;
    this.device = device;
    this.theta = new Shared(owned);
  }

  @Override
  public synchronized void run(
      org.merganser.linalg.Tensor inputs, Mode mode, Set<String> taps, Network.TapSink out)
      throws IOException {
    network.checkInputs(inputs);
    Map<String, Tensor> found = new LinkedHashMap<>();
    whileOpen(
        () -> {
          releaseOutputs();
          return forward(inputs, taps, found);
        });
    for (Map.Entry<String, Tensor> item : found.entrySet()) {
      org.merganser.linalg.Tensor view = Bridge.view(item.getValue());
      viewsOfLastRun.add(view);
      out.accept(item.getKey(), view);
    }
  }

  @SuppressWarnings("try")
  private Void forward(
      org.merganser.linalg.Tensor inputs, Set<String> taps, Map<String, Tensor> found) {
    try (Shared ids = new Shared(inputs);
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      TokenPass pass = pass(Bridge.on(device, ids.only()), null, taps);
      if (taps.contains(Network.OUTPUT)) {
        Tensor output = pass.output(pass.hidden());
        found.putAll(pass.tapped());
        found.put(
            Network.OUTPUT,
            output.reshape(inputs.dim(0), inputs.dim(1), output.size(1)).contiguous());
      } else {
        pass.tapOnly();
        found.putAll(pass.tapped());
      }
      for (Tensor tensor : found.values()) {
        // Outlives the scope, until the next run or close.
        tensor.retainReference();
        outputsOfLastRun.add(tensor);
      }
      return null;
    }
  }

  private TokenPass pass(Tensor ids, Tensor types, Set<String> taps) {
    return new TokenPass(network.config(), theta.all(), ids, types, taps);
  }

  /**
   * Logits of every token, or what the last layer leaves in a model without a head.
   *
   * @param sequences of equal length
   * @return a new tensor on the host, of the precision: [sequences x tokens x V]
   */
  public org.merganser.linalg.Tensor logits(int[]... sequences) throws IOException {
    return logits(sequences, null);
  }

  /**
   * The same with types of tokens, as encoders have them of pairs of texts.
   *
   * @param types as many, each below {@link
   *     org.merganser.transformer.TransformerConfig#tokenTypes}; null for 0
   */
  public org.merganser.linalg.Tensor logits(int[][] sequences, int[][] types) throws IOException {
    try (org.merganser.linalg.Tensor ids = TokenWindows.tensor(sequences);
        org.merganser.linalg.Tensor kinds =
            TokenWindows.tensor(types == null ? sequences : types)) {
      network.checkInputs(ids);
      if (types != null) {
        network.checkTypes(kinds, ids);
      }
      return whileOpen(() -> logits(ids, types == null ? null : kinds));
    }
  }

  @SuppressWarnings("try")
  private org.merganser.linalg.Tensor logits(
      org.merganser.linalg.Tensor ids, org.merganser.linalg.Tensor types) {
    try (Shared x = new Shared(ids);
        Shared t = new Shared(types == null ? ids : types);
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor kinds = types == null ? null : Bridge.on(device, t.only());
      TokenPass pass = pass(Bridge.on(device, x.only()), kinds, Set.of());
      Tensor output = pass.output(pass.hidden());
      return Bridge.copy(output.reshape(ids.dim(0), ids.dim(1), output.size(1)).contiguous());
    }
  }

  /**
   * {@code log p(t_i | t_0 ... t_(i-1))} of every token but the first, in nats.
   *
   * @param sequences of equal length, at least 2
   * @return for each sequence its tokens from the second on
   * @throws IllegalArgumentException when the model is no causal one
   */
  public double[][] logProbabilities(int[]... sequences) throws IOException {
    return logProbabilities(1, sequences);
  }

  /**
   * The same of the last tokens of each.
   *
   * @param first of them that counts, at least 1: no logits are computed for those before
   */
  double[][] logProbabilities(int first, int[]... sequences) throws IOException {
    network.requireCausal();
    try (org.merganser.linalg.Tensor ids = TokenWindows.tensor(sequences)) {
      network.checkInputs(ids);
      return whileOpen(() -> logProbabilities(first, ids));
    }
  }

  @SuppressWarnings("try")
  private double[][] logProbabilities(int first, org.merganser.linalg.Tensor ids) {
    int length = (int) ids.dim(1);
    int count = length - first;
    double[][] found = new double[(int) ids.dim(0)][count];
    try (Shared x = new Shared(ids);
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor tokens = Bridge.on(device, x.only());
      TokenPass pass = pass(tokens, null, Set.of());
      Tensor hidden = pass.hidden().reshape(found.length, length, -1);
      for (int s = 0; s < found.length; s++) {
        Tensor before = hidden.select(0, s).narrow(0, first - 1L, count);
        score(pass, before, tokens.select(0, s).narrow(0, first, count), found[s]);
      }
      return found;
    }
  }

  /** A few rows of logits after the other: all of a large vocabulary would take gigabytes. */
  @SuppressWarnings("try")
  private static void score(TokenPass pass, Tensor hidden, Tensor ids, double[] into) {
    for (int from = 0; from < into.length; from += (int) ROWS) {
      try (PointerScope scope = new PointerScope()) {
        long count = Math.min(ROWS, into.length - from);
        Tensor scores =
            Operations.logProbabilities(
                pass.output(hidden.narrow(0, from, count)), ids.narrow(0, from, count));
        try (org.merganser.linalg.Tensor copy = Bridge.copy(scores.contiguous())) {
          System.arraycopy(copy.toDoubleArray(), 0, into, from, (int) count);
        }
      }
    }
  }

  private <T> T whileOpen(Libtorch.Work<T> work) throws IOException {
    use.readLock().lock();
    try {
      if (closed) {
        throw new IllegalStateException("this session is already closed");
      }
      return Libtorch.call(THREADS, work);
    } finally {
      use.readLock().unlock();
    }
  }

  private void releaseOutputs() {
    // A view kept too long then says so, instead of reading freed memory.
    viewsOfLastRun.forEach(org.merganser.linalg.Tensor::close);
    viewsOfLastRun.clear();
    outputsOfLastRun.forEach(Tensor::close);
    outputsOfLastRun.clear();
  }

  @Override
  public synchronized void close() {
    use.writeLock().lock();
    try {
      closed = true;
      releaseOutputs();
      theta.close();
      owned.values().forEach(org.merganser.linalg.Tensor::close);
    } finally {
      use.writeLock().unlock();
    }
  }
}
