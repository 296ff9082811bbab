// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Codes;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.NpState;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective;
import org.merganser.model.Objective.Slot;

/** One run of {@link NpMerger}. Its loop allocates nothing but the records of losses. */
final class NpRun {
  private final Objective objective;
  private final List<Slot> slots;
  private final NpMerger.Options options;
  private final MergeProblem problem;
  private final Workspace ws;
  private final int models;
  private final NpHistory history;

  private DType dtype;
  private Workspace own;
  private Objective.Session session;
  private final List<Tensor> inputs = new ArrayList<>();
  private final List<Tensor> best = new ArrayList<>();
  private NpState np;
  private Block[] theta;
  private Block[] gradient;
  private long[] copied;

  NpRun(Objective objective, NpMerger.Options options, MergeProblem problem, Workspace ws) {
    this.objective = objective;
    this.slots = List.copyOf(objective.slots());
    this.options = options;
    this.history = new NpHistory(options);
    this.problem = problem;
    this.ws = ws;
    this.models = problem.models().size();
  }

  NpMerger.Result run() throws IOException {
    check();
    // Of its own: a cancelled Workspace refuses everything, the state could not be saved then.
    try (Workspace uninterrupted =
            Workspace.builder().backend(ws.backend()).threads(ws.threads()).seed(ws.seed()).open();
        Objective.Session opened = objective.open(ws)) {
      own = uninterrupted;
      session = opened;
      try {
        open();
        return learn();
      } finally {
        closeState();
        best.forEach(Tensor::close);
      }
    }
  }

  private void closeState() {
    if (np != null) {
      np.close();
      np = null;
    }
    inputs.forEach(Tensor::close);
    inputs.clear();
  }

  /** Everything that can be known before any work. */
  private void check() {
    if (slots.isEmpty()) {
      throw new IllegalArgumentException("the objective has no parameters to learn");
    }
    if (!options.initial().isEmpty() && options.initial().size() != models) {
      throw new IllegalArgumentException(
          options.initial().size() + " initial coefficients for " + models + " models");
    }
    List<String> problems = new ArrayList<>();
    boolean allBf16 = true;
    Map<String, TensorInfo> tensors = problem.models().get(0).tensors();
    for (Slot slot : slots) {
      TensorInfo found = tensors.get(slot.name());
      if (found == null) {
        problems.add(Names.missing(slot.name(), tensors.keySet(), problems.size()));
      } else if (!found.dtype().isArithmetic()) {
        problems.add("'" + slot.name() + "' " + found + " cannot be learned: it is no real number");
      } else if (!found.shape().equals(slot.info().shape())) {
        problems.add("'" + slot.name() + "' is " + found + ", the objective has " + slot.info());
      } else {
        allBf16 &= found.dtype() == DType.BF16;
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the models do not fit the objective", problems);
    }
    dtype = allBf16 ? DType.BF16 : DType.F32;
  }

  private void open() throws IOException {
    long[] counts = new long[slots.size()];
    long[] rows = new long[slots.size()];
    theta = new Block[slots.size()];
    gradient = new Block[slots.size()];
    Block[] blocks = new Block[slots.size() * models];
    for (int s = 0; s < slots.size(); s++) {
      Slot slot = slots.get(s);
      counts[s] = slot.info().size();
      rows[s] = slot.info().rank() == 0 ? 1 : Math.max(1, slot.info().dim(0));
      Tensor target = session.theta(s);
      target.require("theta of '" + slot.name() + "'", DType.F32, slot.info().dims());
      theta[s] = Block.of(target);
      for (int k = 0; k < models; k++) {
        inputs.add(input(k, slot.name()));
        blocks[s * models + k] = Block.of(inputs.get(s * models + k));
      }
    }
    try {
      np = Kernels.of(own).np(nativeOptions(), counts, rows, blocks, initial());
    } catch (NumericalException e) {
      throw new NumericalException(
          "the models cannot be merged: " + e.getMessage() + "; slots are " + names(), e);
    }
  }

  /** One model's tensor in the type of the run, on its device. */
  private Tensor input(int model, String name) throws IOException {
    Tensor read = problem.models().get(model).readOn(name, ws);
    if (read.dtype() != dtype) {
      try (Tensor stored = read) {
        read = stored.to(dtype, ws);
      }
    }
    if (options.state().isPresent()) {
      try (Tensor host = read.toHost(ws)) {
        history.fingerprint().add(host);
      }
    }
    return read;
  }

  private NpMerger.Result learn() throws IOException {
    NpStateFile file =
        options.state().isEmpty() ? null : new NpStateFile(options, slots, ws.seed());
    if (file != null) {
      file.load(np, history, best, own);
    }
    np.theta(theta);
    copied = Kernels.of(own).transfers();
    NpMerger.Stop stop = NpMerger.Stop.STEPS;
    try {
      while (true) {
        // Before the step, so that a run that was cancelled while evaluating evaluates when it goes
        // on.
        boolean last = history.step() >= options.steps();
        if (history.stopping().isDue(history.step(), last)) {
          evaluate();
        }
        if (last) {
          break;
        }
        if (history.stopping().isOver()) {
          stop = NpMerger.Stop.PATIENCE;
          break;
        }
        ws.cancellation().check();
        step();
        report();
      }
    } catch (CancelledException e) {
      throw file == null ? e : saved(file, e);
    } catch (NonFinite e) {
      throw new NpMerger.Diverged(e.getMessage(), finish(NpMerger.Stop.DIVERGED), e);
    }
    NpMerger.Result learned = finish(stop);
    if (file != null) {
      file.delete();
    }
    return learned;
  }

  /** A loss or gradient that stops the run. */
  private static final class NonFinite extends NumericalException {
    private static final long serialVersionUID = 1;

    NonFinite(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private void step() throws IOException {
    long step = history.step();
    double loss = session.lossAndGradient(step);
    for (int s = 0; s < gradient.length; s++) {
      Tensor found = session.gradient(s);
      Slot slot = slots.get(s);
      found.require("gradient of '" + slot.name() + "'", DType.F32, slot.info().dims());
      gradient[s] = Block.of(found);
    }
    if (!Double.isFinite(loss)) {
      throw new NonFinite("step " + step + ": the loss is " + loss + culprit() + kept(), null);
    }
    try {
      np.step(options.optimizer().learningRate() * history.stopping().rate(step), gradient, theta);
    } catch (NpState.BadGradient e) {
      throw new NonFinite(
          "step "
              + step
              + ": the gradient of '"
              + slots.get(e.slot()).name()
              + "' at index "
              + e.index()
              + " is not finite or too large ("
              + e.getMessage()
              + ")"
              + kept(),
          e);
    }
    history.losses().add(loss);
  }

  /** The first tensor with a gradient that is not finite. */
  private String culprit() {
    for (int s = 0; s < gradient.length; s++) {
      long[] bad =
          Kernels.of(own)
              .tensors()
              .nonFinite(DType.F32.code(), slots.get(s).info().size(), gradient[s]);
      if (bad[0] > 0) {
        return ", the gradient of '"
            + slots.get(s).name()
            + "' holds "
            + bad[0]
            + " non-finite values, the first at index "
            + bad[1];
      }
    }
    return ", the gradients are finite";
  }

  private String kept() {
    return "; the coefficients of step "
        + bestStep()
        + " are kept. Lower the learning rate (now "
        + options.optimizer().learningRate()
        + ") or look at the data";
  }

  /** The last one without held-out data. */
  private long bestStep() {
    return history.stopping().bestStepOr(history.step());
  }

  /** Evaluates on the held-out data, and keeps the logits when they are the best so far. */
  private void evaluate() throws IOException {
    OptionalDouble loss = session.heldOutLoss();
    if (history.step() == 0 && loss.isPresent() && !Double.isFinite(loss.getAsDouble())) {
      throw new NonFinite(
          "the held-out loss of the models' average is " + loss.getAsDouble() + kept(), null);
    }
    if (loss.isEmpty() || !history.stopping().add(history.step(), loss.getAsDouble())) {
      return;
    }
    for (int s = 0; s < slots.size(); s++) {
      if (best.size() == s) {
        best.add(Tensor.allocate(DType.F32, new long[] {np.size(s)}, own));
      }
      np.read(s, NpState.Z, best.get(s).size(), Block.of(best.get(s)));
    }
  }

  private void report() {
    List<HeldOut> found = history.stopping().evaluations();
    String heldOut =
        found.isEmpty()
            ? ""
            : String.format(Locale.ROOT, ", held out %.4f", found.get(found.size() - 1).score());
    double loss = history.losses().get(history.losses().size() - 1);
    ws.progress()
        .report(
            "np-merge",
            history.step(),
            options.steps(),
            String.format(Locale.ROOT, "loss %.4f%s", loss, heldOut));
  }

  private CancelledException saved(NpStateFile file, CancelledException cause) throws IOException {
    file.save(np, history, best, own);
    return new CancelledException(
        "cancelled after step "
            + history.step()
            + " of "
            + options.steps()
            + "; its state is in "
            + file.path()
            + ", and the same call goes on from there",
        cause);
  }

  /** The model of the best coefficients; frees the state before the model is made. */
  private NpMerger.Result finish(NpMerger.Stop stop) throws IOException {
    long[] now = Kernels.of(own).transfers();
    NpMerger.Traffic traffic = new NpMerger.Traffic(now[0] - copied[0], now[1] - copied[1]);
    if (best.isEmpty()) {
      for (int s = 0; s < slots.size(); s++) {
        best.add(Tensor.allocate(DType.F32, new long[] {np.size(s)}, own));
        np.read(s, NpState.Z, best.get(s).size(), Block.of(best.get(s)));
      }
    } else {
      for (int s = 0; s < slots.size(); s++) {
        np.load(s, NpState.Z, best.get(s).size(), Block.of(best.get(s)));
      }
      np.theta(theta);
    }
    closeState();
    MemoryCheckpoint coefficients = NpCoefficients.of(slots, best, options, models, own);
    return new NpMerger.Result(
        // The Workspace of the caller may be cancelled; what was learned is still to be kept.
        objective.model(session, problem.models(), own),
        coefficients,
        history.losses(),
        history.stopping().evaluations(),
        bestStep(),
        stop,
        traffic);
  }

  private NpState.Options nativeOptions() {
    NpMerger.Optimizer.Adam adam =
        options.optimizer() instanceof NpMerger.Optimizer.Adam a ? a : null;
    NpMerger.Optimizer.Sgd sgd = options.optimizer() instanceof NpMerger.Optimizer.Sgd s ? s : null;
    return new NpState.Options(
        switch (options.form()) {
          case SIGMOID -> Codes.SIGMOID;
          case CLAMP -> Codes.CLAMP;
          case SOFTMAX -> Codes.SOFTMAX;
        },
        adam != null ? Codes.ADAM : Codes.SGD,
        switch (options.granularity()) {
          case PARAMETER -> Codes.PARAMETER;
          case ROW -> Codes.ROW;
          case TENSOR -> Codes.TENSOR;
        },
        models,
        dtype.code(),
        adam != null ? adam.beta1() : 0,
        adam != null ? adam.beta2() : 0,
        adam != null ? adam.epsilon() : 0,
        sgd != null ? sgd.momentum() : 0,
        options.pull(),
        options.limit());
  }

  private double[] initial() {
    return options.initial().isEmpty()
        ? null
        : options.initial().stream().mapToDouble(Double::doubleValue).toArray();
  }

  private List<String> names() {
    return slots.stream().map(Slot::name).toList();
  }
}
