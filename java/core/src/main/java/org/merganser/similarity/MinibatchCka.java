// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;
import org.merganser.similarity.Kernel.Bandwidth;
import org.merganser.similarity.Kernel.Linear;
import org.merganser.similarity.Kernel.Rbf;

/**
 * Debiased CKA from batches of samples: HSIC_u of both sides and of each with itself are averaged
 * over batches, and the ratio is formed once, at the end. On average the batches have the HSIC of
 * all samples, so it is an estimate of debiased CKA that needs no Gram matrix of all of them.
 *
 * <p>Batches are the samples as they come, the same of both sides. What is left over is dropped and
 * counted in the details, or kept with the weight of its samples, when there are 4 or more. With
 * fewer samples than a batch, they are one. A Gaussian kernel has one bandwidth for all batches,
 * that of the first. Cost {@code n b (p + q)}.
 *
 * <p>Source: Nguyen, Raghu and Kornblith 2021, "Do wide and deep networks learn the same things?".
 */
public final class MinibatchCka extends PairedMeasure {
  private static final int LEAST = 4;
  private static final int SMALL = 32;

  /** What becomes of the samples after the last whole batch. */
  public enum Remainder {
    DROP,
    KEEP
  }

  /** Settings. */
  public record Options(
      @Setting(value = "samples a batch", min = LEAST) int batch,
      @Setting("what becomes of the samples after the last whole batch") Remainder remainder,
      @Setting("how alike samples of one side are") Kernel kernel) {
    public Options {
      Settings.check(Options.class, batch, remainder, kernel);
    }

    /** Batches of 256, linear. */
    public static Options defaults() {
      return new Options(256, Remainder.DROP, Linear.defaults());
    }

    public Options withBatch(int value) {
      return new Options(value, remainder, kernel);
    }

    public Options withRemainder(Remainder value) {
      return new Options(batch, value, kernel);
    }

    public Options withKernel(Kernel value) {
      return new Options(batch, remainder, value);
    }
  }

  private final Options options;

  private MinibatchCka(Options options) {
    this.options = options;
  }

  public static MinibatchCka of(Options options) {
    return new MinibatchCka(options);
  }

  @Override
  public String id() {
    return "cka-minibatch";
  }

  @Override
  public String summary() {
    return "debiased CKA from batches of samples";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public double least() {
    return -1;
  }

  @Override
  public Set<Invariance> invariances(Side side) {
    boolean fixed = options.kernel() instanceof Rbf rbf && rbf.bandwidth() == Bandwidth.FIXED;
    return fixed ? ISOMETRIES : SIMILARITIES;
  }

  /** Which samples are in a batch together matters. */
  @Override
  public Set<Trait> traits() {
    return set(Trait.SYMMETRIC, Trait.NORMALISED);
  }

  @Override
  public int minimumSamples() {
    return LEAST;
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    int n = pair.samples();
    int batch = Math.min(options.batch(), n);
    int left = n % batch;
    boolean kept = options.remainder() == Remainder.KEEP && left >= LEAST;
    Batches batches = new Batches(pair, ws);
    HsicSums sums = HsicSums.ZERO;
    for (int from = 0; from + batch <= n; from += batch) {
      sums = sums.plus(batch, batches.sums(from, from + batch));
    }
    if (kept) {
      sums = sums.plus(left, batches.sums(n - left, n));
    }
    Finding found =
        new Finding(sums.cosine(), Estimator.DEBIASED, batches.route)
            .detail("batch", batch)
            .detail("batches", n / batch + (kept ? 1 : 0))
            .detail("left-over", kept ? 0 : left);
    if (batch < SMALL) {
      found.warn(
          "SMALL_BATCH",
          "batches of "
              + batch
              + " samples make noisy sums; take "
              + SMALL
              + " or more, or cka-linear-debiased");
    }
    return found;
  }

  /** Sums of one batch after the other. */
  private final class Batches {
    private final Pair pair;
    private final Workspace ws;
    private double bandwidthX;
    private double bandwidthY;
    private Route route = Route.GRAM;

    Batches(Pair pair, Workspace ws) {
      this.pair = pair;
      this.ws = ws;
    }

    HsicSums sums(int from, int to) {
      try (Opened opened = new Opened()) {
        Matrix x = opened.add(rows(pair.x().centred(), from, to));
        Matrix y = opened.add(rows(pair.y().centred(), from, to));
        if (options.kernel() instanceof Linear linear) {
          route = HsicSums.route(linear.route(), x, y);
          return HsicSums.linear(x, y, Form.DEBIASED, linear.route(), ws);
        }
        GaussianGram k = opened.add(gram("X", x, bandwidthX));
        GaussianGram l = opened.add(gram("Y", y, bandwidthY));
        bandwidthX = k.bandwidth();
        bandwidthY = l.bandwidth();
        return HsicSums.of(k.gram(), l.gram(), Form.DEBIASED, ws);
      }
    }

    private GaussianGram gram(String name, Matrix x, double known) {
      return known > 0
          ? GaussianGram.of(x, known, Form.DEBIASED, ws)
          : GaussianGram.of(name, x, (Rbf) options.kernel(), Form.DEBIASED, ws);
    }

    /** A new matrix, less its own mean. */
    private Matrix rows(Matrix x, int from, int to) {
      try (Tensor rows = x.asTensor().rows(from, to)) {
        return Gram.centredColumns(Matrix.of(rows), ws);
      }
    }
  }
}
