// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.LongToDoubleFunction;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.Score;
import org.merganser.torch.internal.Libtorch;

/**
 * Gradient descent by an optimiser of libtorch, in place: training and fine-tuning.
 *
 * @param <S> whose parameters it moves
 */
public abstract class Descent<S extends Learner> {
  private final Function<TensorVector, Optimizer> optimizer;
  private final double learningRate;
  private final LongToDoubleFunction multiple;
  private final double clipNorm;

  /**
   * @param optimizer of the parameters
   * @param multiple of the learning rate at a step, from 0
   * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
   */
  protected Descent(
      Function<TensorVector, Optimizer> optimizer,
      double learningRate,
      LongToDoubleFunction multiple,
      double clipNorm) {
    this.optimizer = optimizer;
    this.learningRate = learningRate;
    this.multiple = multiple;
    this.clipNorm = clipNorm;
  }

  /** What diverged at a step, for the message: "training diverged in epoch 2 of 5". */
  protected abstract String diverged(long step);

  /** What ends a run: a loss or a gradient of a step that is not finite. */
  protected NumericalException failure(long step, String what) {
    return new NumericalException(
        "%s: %s; lower the learning rate (now %s)".formatted(diverged(step), what, learningRate));
  }

  /** Told after every step. */
  protected abstract void stepped(long made, double loss) throws IOException;

  /** Leaves the gradient of the batch of a step at the leaves, and returns its loss. */
  protected double backward(S session, long step) throws IOException {
    return session.backward(step);
  }

  /**
   * Makes at most {@code steps} steps. The parameters are then those of the best held-out score, or
   * of the last step when the session has no such data.
   *
   * @param parameters those of the session
   * @return loss of the batch of each step
   * @throws NumericalException when a loss, the norm of a gradient that is to be clipped, or the
   *     held-out score that is evaluated first, is not finite
   */
  public List<Double> run(
      S session, Map<String, Tensor> parameters, long steps, EarlyStopping stopping, Workspace ws)
      throws IOException {
    List<Double> losses = new ArrayList<>();
    Map<String, Tensor> best = new LinkedHashMap<>();
    Optimizer libtorch = open(session);
    try {
      for (long step = 0; ; step++) {
        boolean last = step == steps;
        if (stopping.isDue(step, last) && isBetter(session, step, stopping)) {
          parameters.forEach(
              (name, tensor) ->
                  best.computeIfAbsent(name, n -> Tensor.allocate(tensor.dtype(), tensor.shape()))
                      .copyFrom(tensor, ws));
        }
        if (last || stopping.isOver()) {
          break;
        }
        double loss = backward(session, step);
        if (!Double.isFinite(loss)) {
          throw failure(step, "the loss is " + loss);
        }
        losses.add(loss);
        double rate = learningRate * multiple.applyAsDouble(step) * stopping.rate(step);
        descend(libtorch, rate, session, step);
        stepped(step + 1, loss);
      }
      best.forEach((name, tensor) -> parameters.get(name).copyFrom(tensor, ws));
      return losses;
    } finally {
      libtorch.close();
      best.values().forEach(Tensor::close);
    }
  }

  private Optimizer open(S session) throws IOException {
    org.bytedeco.pytorch.Tensor[] leaves =
        session.leaves().toArray(org.bytedeco.pytorch.Tensor[]::new);
    return Libtorch.call(session.threads(), () -> optimizer.apply(new TensorVector(leaves)));
  }

  private boolean isBetter(S session, long step, EarlyStopping stopping) throws IOException {
    Score what = stopping.policy().score();
    OptionalDouble found = session.heldOut(what);
    boolean first = stopping.evaluations().isEmpty();
    if (first && found.isPresent() && !Double.isFinite(found.getAsDouble())) {
      throw new NumericalException(
          "the held-out loss of the model to train on is "
              + found.getAsDouble()
              + (step == 0 ? "" : " after step " + step));
    }
    return found.isPresent() && stopping.add(step, found.getAsDouble());
  }

  @SuppressWarnings("try")
  private void descend(Optimizer libtorch, double rate, S session, long step) throws IOException {
    Libtorch.call(
        session.threads(),
        () -> {
          try (PointerScope scope = new PointerScope();
              NoGradGuard guard = new NoGradGuard()) {
            if (clipNorm < Double.POSITIVE_INFINITY) {
              double norm =
                  torch.clip_grad_norm_(libtorch.param_groups().get(0).params(), clipNorm);
              // Divided by such a norm every gradient is 0 or not a number: nothing would be
              // learned.
              if (!Double.isFinite(norm)) {
                throw failure(step, "the norm of the gradient is " + norm);
              }
            }
            libtorch.param_groups().get(0).options().set_lr(rate);
            return libtorch.step();
          }
        });
  }
}
