// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;

/** A recurrent network with parameters; serves one thread at a time. */
public final class RnnSession implements Network.Session {
  /** About how many states a batch holds at once: 32 MB of them. */
  private static final long STATES = 1 << 23;

  private static final int MOST = 500;

  private final VanillaRnn rnn;
  private final Map<String, Tensor> owned;
  private final Shared theta;
  private final Workspace host;
  private final List<Tensor> outputsOfLastRun = new ArrayList<>();
  private boolean closed;

  /** Inside of libtorch; the parameters are this one's from then on. */
  RnnSession(VanillaRnn rnn, Map<String, Tensor> owned) {
    this.rnn = rnn;
    this.owned = owned;
    this.theta = new Shared(owned);
    this.host = VanillaRnn.host();
  }

  /** Receives states. */
  @FunctionalInterface
  public interface StateSink {
    /**
     * @param from number of the first sequence
     * @param states [steps + drift x sequences x hidden], in the precision of the network; valid
     *     until this returns
     */
    void accept(int from, Tensor states) throws IOException;
  }

  /**
   * How well targets are told.
   *
   * @param loss mean cross-entropy in nats, of all targets
   * @param accuracy in [0, 1], of the targets that count
   */
  public record Score(double loss, double accuracy) {
    /** The loss in bits: bits per character of a text. */
    public double bits() {
      return loss / Math.log(2);
    }
  }

  /**
   * The shape of the units.
   *
   * @param gain n of each unit, or one for all
   * @param saturation s likewise
   */
  public record Shape(List<Double> gain, List<Double> saturation) {
    public Shape {
      gain = List.copyOf(gain);
      saturation = List.copyOf(saturation);
    }
  }

  /**
   * States after every step, then of steps with inputs of 0, in batches and in order.
   *
   * @param drift steps that follow those of the sequences
   * @throws NumericalException naming the first step, sequence and unit that is not finite
   */
  public synchronized void states(Sequences sequences, int drift, StateSink out)
      throws IOException {
    check(sequences);
    if (drift < 0) {
      throw new IllegalArgumentException("a network drifts for 0 steps or more, not " + drift);
    }
    int most = batch(sequences, drift);
    for (int from = 0; from < sequences.size(); from += most) {
      int[] which = IntStream.range(from, Math.min(from + most, sequences.size())).toArray();
      try (Tensor inputs = sequences.inputs(which);
          Tensor states = call(() -> copyStates(inputs, drift))) {
        int first = from;
        BadState.find(states)
            .ifPresent(
                bad -> {
                  throw new NumericalException(bad.after(first).toString());
                });
        out.accept(from, states);
      }
    }
  }

  private int batch(Sequences sequences, int drift) {
    long each = (long) (sequences.steps() + drift) * Math.max(rnn.hidden(), rnn.inputs());
    return (int) Math.max(1, Math.min(MOST, STATES / each));
  }

  private Tensor copyStates(Tensor inputs, int drift) throws IOException {
    return inScope(inputs, (pass, x) -> Bridge.copy(pass.states(x, drift, null)));
  }

  /**
   * Loss and accuracy on sequences; those of a text carry their states on.
   *
   * @throws NumericalException naming the first state that is not finite, or the loss
   */
  public synchronized Score score(Sequences sequences) throws IOException {
    check(sequences);
    if (sequences.classes() != rnn.outputs()) {
      throw new IllegalArgumentException(
          "the network has "
              + rnn.outputs()
              + " outputs, the data "
              + sequences.classes()
              + " classes");
    }
    try (Scoring scoring = new Scoring(sequences)) {
      int streams = sequences.streamLength();
      if (streams > 0) {
        int count = sequences.size() / streams;
        for (int k = 0; k < streams; k++) {
          int at = k;
          score(scoring, IntStream.range(0, count).map(b -> b * streams + at).toArray());
        }
        return scoring.result();
      }
      int most = batch(sequences, 0);
      for (int from = 0; from < sequences.size(); from += most) {
        score(scoring, IntStream.range(from, Math.min(from + most, sequences.size())).toArray());
      }
      return scoring.result();
    }
  }

  private void score(Scoring scoring, int... which) throws IOException {
    try (Tensor inputs = scoring.sequences.inputs(which)) {
      call(() -> inScope(inputs, (pass, x) -> scoring.add(pass, x, which)));
    }
  }

  /** Sums over batches, and the states that the windows of a text carry on. */
  private static final class Scoring implements AutoCloseable {
    private final Sequences sequences;
    private double loss;
    private long right;
    private long targets;
    private long counted;
    private Tensor carried;

    Scoring(Sequences sequences) {
      this.sequences = sequences;
    }

    private Void add(RnnPass pass, org.bytedeco.pytorch.Tensor x, int... which) {
      boolean carry = sequences.streamLength() > 0;
      try (Shared before = new Shared(carried == null ? Map.of() : Map.of("", carried))) {
        org.bytedeco.pytorch.Tensor h = pass.states(x, 0, before.only());
        BadState.refuse(h, which);
        org.bytedeco.pytorch.Tensor z = pass.logits(sequences.everyStep() ? h : pass.lastState());
        long[] wanted = sequences.targetsByStep(which);
        org.bytedeco.pytorch.Tensor y = Bridge.beside(z, wanted);
        double mean = torch.cross_entropy_loss(z, y).item_double();
        if (!Double.isFinite(mean)) {
          throw new RnnTraining.Diverged("the loss is " + mean + "; all states are finite");
        }
        loss += mean * wanted.length;
        targets += wanted.length;
        long from = sequences.everyStep() ? (long) sequences.scoredFrom() * which.length : 0;
        org.bytedeco.pytorch.Tensor hits =
            z.argmax(new org.bytedeco.pytorch.LongOptional(1), false).eq(y);
        right += hits.narrow(0, from, wanted.length - from).sum().item_long();
        counted += wanted.length - from;
      }
      if (carry) {
        Tensor last = Bridge.copy(pass.lastState().contiguous());
        close();
        carried = last;
      }
      return null;
    }

    @Override
    public void close() {
      if (carried != null) {
        carried.close();
      }
    }

    private Score result() {
      return new Score(loss / targets, (double) right / counted);
    }
  }

  /** The logits of states, one row each: what the readout makes of any of them. */
  public synchronized Tensor readout(Tensor states) throws IOException {
    if (states.rank() < 2 || states.dim(states.rank() - 1) != rnn.hidden() || states.size() == 0) {
      throw new ShapeException(
          "states are " + states + ", the network reads [... x " + rnn.hidden() + "]");
    }
    return call(() -> inScope(states, (pass, h) -> Bridge.copy(pass.logits(h))));
  }

  /**
   * n and s as the units have them.
   *
   * @throws IllegalArgumentException when the units have no shape
   */
  public synchronized Shape shape() throws IOException {
    if (rnn.gamma().isEmpty()) {
      throw new IllegalArgumentException("units of " + rnn.unit() + " have no shape");
    }
    return call(() -> inScope(null, (pass, none) -> new Shape(pass.gains(), pass.saturations())));
  }

  /**
   * @param inputs [sequences x steps x inputs], F32 or F64
   * @param taps {@link VanillaRnn#HIDDEN}: [sequences x steps x hidden]; {@link Network#OUTPUT}:
   *     logits of the last step [sequences x outputs]
   * @throws NumericalException naming the first state that is not finite, or the output
   */
  @Override
  public synchronized void run(Tensor inputs, Mode mode, Set<String> taps, Network.TapSink out)
      throws IOException {
    checkInputs(inputs);
    for (String tap : taps) {
      if (!tap.equals(VanillaRnn.HIDDEN) && !tap.equals(Network.OUTPUT)) {
        throw new IllegalArgumentException(
            "a recurrent network has taps '"
                + VanillaRnn.HIDDEN
                + "' and '"
                + Network.OUTPUT
                + "', not '"
                + tap
                + "'");
      }
    }
    releaseOutputs();
    Map<String, Tensor> found = call(() -> inScope(inputs, (pass, x) -> tapped(pass, x, taps)));
    outputsOfLastRun.addAll(found.values());
    for (Map.Entry<String, Tensor> tap : found.entrySet()) {
      out.accept(tap.getKey(), tap.getValue());
    }
  }

  private Map<String, Tensor> tapped(
      RnnPass pass, org.bytedeco.pytorch.Tensor x, Set<String> taps) {
    org.bytedeco.pytorch.Tensor states = pass.states(x, 0, null);
    BadState.refuse(states, IntStream.range(0, Math.toIntExact(x.size(0))).toArray());
    org.bytedeco.pytorch.Tensor logits = pass.logits(pass.lastState());
    if (!BadState.isFinite(logits)) {
      throw new RnnTraining.Diverged("an output is not finite; all states are");
    }
    Map<String, Tensor> found = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      if (taps.contains(VanillaRnn.HIDDEN)) {
        Tensor copy = opened.add(Bridge.copy(states.transpose(0, 1).contiguous()));
        found.put(VanillaRnn.HIDDEN, copy);
      }
      if (taps.contains(Network.OUTPUT)) {
        found.put(Network.OUTPUT, opened.add(Bridge.copy(logits)));
      }
      opened.release();
    }
    return found;
  }

  private void check(Sequences sequences) {
    if (sequences.width() != rnn.inputs()) {
      throw new ShapeException(
          "the network reads " + rnn.inputs() + " values a step, the data are " + sequences);
    }
  }

  private void checkInputs(Tensor inputs) {
    if (inputs.rank() != 3
        || inputs.dim(2) != rnn.inputs()
        || inputs.size() == 0
        || !inputs.dtype().isArithmetic()) {
      throw new ShapeException(
          "inputs are "
              + inputs
              + ", the network reads [sequences x steps x "
              + rnn.inputs()
              + "] of at least one step");
    }
  }

  /** Work on one of our tensors as libtorch sees it, in the precision. */
  private interface Work<T> {
    T on(RnnPass pass, org.bytedeco.pytorch.Tensor x) throws IOException;
  }

  @SuppressWarnings("try")
  private <T> T inScope(Tensor ours, Work<T> work) throws IOException {
    try (Shared shared = new Shared(ours == null ? Map.of() : Map.of("", ours));
        PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard();
        RnnPass pass = new RnnPass(rnn, theta.all(), false, host)) {
      return work.on(
          pass,
          ours == null ? null : shared.only().to(theta.all().get(VanillaRnn.V).scalar_type()));
    }
  }

  private <T> T call(Libtorch.Work<T> work) throws IOException {
    if (closed) {
      throw new IllegalStateException("this session is already closed");
    }
    return Libtorch.call(VanillaRnn.THREADS, work);
  }

  private void releaseOutputs() {
    outputsOfLastRun.forEach(Tensor::close);
    outputsOfLastRun.clear();
  }

  @Override
  public synchronized void close() {
    closed = true;
    releaseOutputs();
    theta.close();
    host.close();
    owned.values().forEach(Tensor::close);
  }
}
