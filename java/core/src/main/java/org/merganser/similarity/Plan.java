// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Arrays;
import java.util.Optional;

/**
 * How the layers of two networks are compared in one pass.
 *
 * @param kind what is summed
 * @param batch samples of a batch, for {@link Kind#MINIBATCH}; 0 for the others
 * @param bytes that are held until the end, or an estimate
 * @param remainder what becomes of samples that do not fill a batch
 * @param kernel of batches; linear for the others
 */
public record Plan(
    Kind kind, int batch, long bytes, MinibatchCka.Remainder remainder, Kernel kernel) {
  /** Of {@code sums}, and what it keeps. */
  public enum Kind {
    /** Products of features: exact for any number of samples. */
    FEATURE,
    /** Samples and Gram matrices of all of them, for at most 8192: exact. */
    FULL,
    /** Gram matrices of batches: the average of unbiased estimates, in memory without widths. */
    MINIBATCH
  }

  /** Samples whose Gram matrices are kept whole. */
  static final long MOST_SAMPLES = 8192;

  /** Fewer have no Gram matrix without its diagonal. */
  static final int LEAST_FULL = 3;

  private static final int LARGEST_BATCH = 256;
  private static final int SMALLEST_BATCH = 32;

  public Plan {
    if (kind == Kind.MINIBATCH && batch < MinibatchSums.LEAST) {
      throw new IllegalArgumentException(
          "batches of "
              + batch
              + " samples have no unbiased estimate; take "
              + MinibatchSums.LEAST
              + " or more, better 32");
    }
  }

  /** Of linear kernels; samples that do not fill a batch are dropped. */
  public Plan(Kind kind, int batch, long bytes) {
    this(kind, batch, bytes, MinibatchCka.Remainder.DROP, Kernel.linear());
  }

  /** Products of features. */
  public static Plan feature() {
    return new Plan(Kind.FEATURE, 0, 0);
  }

  /** Gram matrices of all samples. */
  public static Plan full() {
    return new Plan(Kind.FULL, 0, 0);
  }

  /**
   * Gram matrices of batches.
   *
   * @param batch at least 4; below 32 estimates scatter
   */
  public static Plan minibatch(int batch) {
    return new Plan(Kind.MINIBATCH, batch, 0);
  }

  /**
   * Gram matrices of batches as a measure has them: what is left over may be kept with the weight
   * of its samples, and of a Gaussian kernel each layer has one bandwidth for all batches, that of
   * the first, or a fixed one.
   */
  public static Plan minibatch(MinibatchCka.Options options) {
    Kernel kernel = options.kernel() instanceof Kernel.Rbf ? options.kernel() : Kernel.linear();
    return new Plan(Kind.MINIBATCH, options.batch(), 0, options.remainder(), kernel);
  }

  /** Whether values of batches are those of a measure with these options. */
  boolean gives(MinibatchCka.Options options) {
    Plan wanted = minibatch(options);
    return kind == wanted.kind
        && batch == wanted.batch
        && remainder == wanted.remainder
        && kernel.equals(wanted.kernel);
  }

  /**
   * The first that fits: {@link Kind#FEATURE} when {@code sum p_i q_j + sum p_i^2 + sum q_j^2}
   * numbers of F64 do, else {@link Kind#FULL} for at most 8192 samples that fit with half of their
   * Gram matrices, else {@link Kind#MINIBATCH} in batches of 256, or as many as fit.
   *
   * @param samples negative when not known, which leaves {@link Kind#FULL} out
   * @param widthsA features of each layer of A, after flattening
   * @param memoryBudget in bytes
   * @throws IllegalArgumentException when batches of 32 samples do not fit either
   */
  public static Plan choose(long samples, long[] widthsA, long[] widthsB, long memoryBudget) {
    double p = Arrays.stream(widthsA).asDoubleStream().sum();
    double q = Arrays.stream(widthsB).asDoubleStream().sum();
    double feature = featureBytes(widthsA, widthsB);
    if (feature <= memoryBudget) {
      return new Plan(Kind.FEATURE, 0, (long) feature);
    }
    double layers = widthsA.length + widthsB.length;
    double n = samples;
    double full = Double.BYTES * (n * (p + q) + layers * n * n / 2 + n * n);
    if (samples >= LEAST_FULL && samples <= MOST_SAMPLES && full <= memoryBudget) {
      return new Plan(Kind.FULL, 0, (long) full);
    }
    for (int batch = LARGEST_BATCH; batch >= SMALLEST_BATCH; batch /= 2) {
      double rows = Double.BYTES * layers * batch * batch / 2;
      if (rows <= memoryBudget) {
        return new Plan(Kind.MINIBATCH, batch, (long) rows);
      }
    }
    throw new IllegalArgumentException(
        "a budget of %d bytes holds no comparison of %d with %d layers: batches of 32 samples need %d"
            .formatted(
                memoryBudget,
                widthsA.length,
                widthsB.length,
                (long) (Double.BYTES * layers * SMALLEST_BATCH * SMALLEST_BATCH / 2)));
  }

  private static double featureBytes(long[] widthsA, long[] widthsB) {
    double own = Arrays.stream(widthsA).mapToDouble(p -> (double) p * p).sum();
    own += Arrays.stream(widthsB).mapToDouble(p -> (double) p * p).sum();
    double p = Arrays.stream(widthsA).asDoubleStream().sum();
    double q = Arrays.stream(widthsB).asDoubleStream().sum();
    return Double.BYTES * (p * q + own);
  }

  /**
   * Of layers that are in memory: the one with fewer operations, {@code n (p + q)^2} through
   * features or {@code n^2 (p + q)} through Gram matrices, if what it keeps fits, else the other if
   * that does; empty when neither does.
   */
  static Optional<Plan> inMemory(long samples, long[] widthsA, long[] widthsB, long memoryBudget) {
    double layers = widthsA.length + widthsB.length;
    double n = samples;
    boolean feature = featureBytes(widthsA, widthsB) <= memoryBudget;
    boolean full =
        samples >= LEAST_FULL
            && samples <= MOST_SAMPLES
            && Double.BYTES * (layers / 2 + 1) * n * n <= memoryBudget;
    double width = Arrays.stream(widthsA).average().orElse(0);
    width += Arrays.stream(widthsB).average().orElse(0);
    if (full && (n < width || !feature)) {
      return Optional.of(full());
    }
    return feature ? Optional.of(feature()) : Optional.empty();
  }
}
