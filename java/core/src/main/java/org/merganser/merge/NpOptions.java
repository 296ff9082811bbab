// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Settings of {@link NpMerger}; made by {@link #builder}. The paper (arXiv 2412.15467) fixes the
 * sigmoid and one coefficient for each parameter; rates, lengths and stopping are ours.
 *
 * @param form how logits become coefficients
 * @param granularity what has a logit of its own
 * @param optimizer of the logits
 * @param steps at most, at least 1
 * @param evalEvery steps between two evaluations on the held-out data
 * @param patience evaluations without improvement after which the run ends
 * @param initial coefficient of each model at the start, of sum 1; empty for equal ones
 * @param initUniform in round j of successive merges, whether the start is the mean of j models:
 *     coefficients (j-1)/j and 1/j
 * @param pull mu in {@code dL/dz + mu z}, a pull to equal coefficients (for {@link Form#CLAMP}
 *     {@code mu (z - 1/2)})
 * @param limit logits stay in [-limit, limit]; in (0, 40]
 * @param state where an interrupted run leaves what it needs to go on, and looks for it
 */
public record NpOptions(
    Form form,
    Granularity granularity,
    Optimizer optimizer,
    long steps,
    int evalEvery,
    int patience,
    List<Double> initial,
    boolean initUniform,
    double pull,
    double limit,
    Optional<Path> state) {

  /** How logits z become coefficients. */
  public enum Form {
    /** {@code s = 1 / (1 + exp(-z))} of the first of two models: the published form. */
    SIGMOID,
    /** {@code s = z}, kept in [0, 1]; for comparison. */
    CLAMP,
    /** {@code s = softmax(z_1 ... z_K)} of K models at once, 2 to 8. */
    SOFTMAX
  }

  /** What has a logit of its own. */
  public enum Granularity {
    PARAMETER,
    /** A row: all parameters of one entry of the first dimension. */
    ROW,
    TENSOR
  }

  /** How logits follow their gradient. */
  public sealed interface Optimizer {
    double learningRate();

    /** Adam (Kingma and Ba 2015) without weight decay. */
    record Adam(double learningRate, double beta1, double beta2, double epsilon)
        implements Optimizer {
      public Adam {
        requireRate(learningRate);
        requireFraction("beta1", beta1);
        requireFraction("beta2", beta2);
        if (!(epsilon >= 1e-30) || Double.isInfinite(epsilon)) {
          throw new IllegalArgumentException(
              "epsilon must be at least 1e-30 and finite, not " + epsilon);
        }
      }

      /** Betas 0.9 and 0.999, epsilon 1e-8. */
      public Adam(double learningRate) {
        this(learningRate, 0.9, 0.999, 1e-8);
      }
    }

    /** Stochastic gradient descent. */
    record Sgd(double learningRate, double momentum) implements Optimizer {
      public Sgd {
        requireRate(learningRate);
        requireFraction("momentum", momentum);
      }
    }

    private static void requireRate(double rate) {
      if (!(rate > 0) || Double.isInfinite(rate)) {
        throw new IllegalArgumentException(
            "learning rate must be positive and finite, not " + rate);
      }
    }

    private static void requireFraction(String name, double value) {
      if (!(value >= 0 && value < 1)) {
        throw new IllegalArgumentException(name + " must be in [0, 1), not " + value);
      }
    }
  }

  private static final double LARGEST_LIMIT = 40;
  private static final double LARGEST_PULL = 1e6;
  private static final double SUM_TOLERANCE = 1e-6;

  public NpOptions {
    initial = List.copyOf(initial);
    if (steps < 1) {
      throw new IllegalArgumentException(
          "steps must be at least 1, not "
              + steps
              + "; without any the result is the average, which LinearMerger gives");
    }
    if (evalEvery < 1 || patience < 1) {
      throw new IllegalArgumentException(
          "evalEvery and patience must be at least 1, not " + evalEvery + " and " + patience);
    }
    if (!(pull >= 0 && pull <= LARGEST_PULL)) {
      throw new IllegalArgumentException("pull must be in [0, 1e6], not " + pull);
    }
    if (!(limit > 0 && limit <= LARGEST_LIMIT)) {
      throw new IllegalArgumentException("limit must be in (0, 40], not " + limit);
    }
    double sum = initial.stream().mapToDouble(Double::doubleValue).sum();
    if (!initial.isEmpty()
        && (!(Math.abs(sum - 1) <= SUM_TOLERANCE) || initial.stream().anyMatch(s -> s < 0))) {
      throw new IllegalArgumentException(
          "initial coefficients " + initial + " must be at least 0 and sum to 1, not to " + sum);
    }
    if (initUniform && !initial.isEmpty()) {
      throw new IllegalArgumentException(
          "initUniform sets the initial coefficients; drop " + initial);
    }
  }

  /**
   * Adam 0.05, 200 steps, an evaluation every 10 of them and the end after 5 without improvement,
   * sigmoid, a coefficient for each parameter, equal coefficients at the start, no pull, limit 15.
   */
  public static NpOptions defaults() {
    return builder().build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Collects settings; {@link #build} checks them. */
  public static final class Builder {
    private Form form = Form.SIGMOID;
    private Granularity granularity = Granularity.PARAMETER;
    private Optimizer optimizer = new Optimizer.Adam(0.05);
    private long steps = 200;
    private int evalEvery = 10;
    private int patience = 5;
    private List<Double> initial = List.of();
    private boolean initUniform;
    private double pull;
    private double limit = 15;
    private Optional<Path> state = Optional.empty();

    private Builder() {}

    public Builder form(Form value) {
      form = value;
      return this;
    }

    public Builder granularity(Granularity value) {
      granularity = value;
      return this;
    }

    public Builder optimizer(Optimizer value) {
      optimizer = value;
      return this;
    }

    public Builder steps(long value) {
      steps = value;
      return this;
    }

    public Builder evalEvery(int value) {
      evalEvery = value;
      return this;
    }

    public Builder patience(int value) {
      patience = value;
      return this;
    }

    /** One coefficient for each model. */
    public Builder initial(double... coefficients) {
      initial = Arrays.stream(coefficients).boxed().toList();
      return this;
    }

    public Builder initUniform(boolean value) {
      initUniform = value;
      return this;
    }

    public Builder pull(double value) {
      pull = value;
      return this;
    }

    public Builder limit(double value) {
      limit = value;
      return this;
    }

    public Builder state(Path file) {
      state = Optional.of(file);
      return this;
    }

    public NpOptions build() {
      return new NpOptions(
          form,
          granularity,
          optimizer,
          steps,
          evalEvery,
          patience,
          initial,
          initUniform,
          pull,
          limit,
          state);
    }
  }
}
