// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Locale;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Gram.Median;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.HsicSums.Form;
import org.merganser.similarity.Kernel.Bandwidth;
import org.merganser.similarity.Kernel.Rbf;

/**
 * The Gram matrix of one side by the Gaussian kernel.
 *
 * @param gram centred or U-centred, the caller's
 * @param bandwidth s in {@code exp(-d^2 / (2 s^2))}
 * @param sampled whether the median is of some pairs only
 */
record GaussianGram(Matrix gram, double bandwidth, boolean sampled) implements AutoCloseable {
  static GaussianGram of(String name, Matrix x, Rbf kernel, Form form, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(Gram.squaredDistances(x, ws));
      double bandwidth = kernel.t();
      boolean sampled = false;
      if (kernel.bandwidth() != Bandwidth.FIXED) {
        Median median = median(name, k, kernel.bandwidth(), ws);
        bandwidth *= Math.sqrt(median.value());
        sampled = median.sampled();
      }
      apply(k, bandwidth, form, ws);
      opened.release();
      return new GaussianGram(k, bandwidth, sampled);
    }
  }

  /** With a bandwidth that is known. */
  static GaussianGram of(Matrix x, double bandwidth, Form form, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix k = opened.add(Gram.squaredDistances(x, ws));
      apply(k, bandwidth, form, ws);
      opened.release();
      return new GaussianGram(k, bandwidth, false);
    }
  }

  private static void apply(Matrix k, double bandwidth, Form form, Workspace ws) {
    Gram.rbf(k, 0.5 / bandwidth / bandwidth, ws);
    if (form == Form.BIASED) {
      Gram.centre(k, ws);
    } else {
      Gram.uCentre(k, ws);
    }
  }

  /**
   * Of squared distances.
   *
   * @throws NumericalException where their median is 0
   */
  static double bandwidth(String name, Matrix distances, Rbf kernel, Workspace ws) {
    return kernel.bandwidth() == Bandwidth.FIXED
        ? kernel.t()
        : kernel.t() * Math.sqrt(median(name, distances, kernel.bandwidth(), ws).value());
  }

  private static Median median(String name, Matrix distances, Bandwidth rule, Workspace ws) {
    try {
      return Gram.medianSquaredDistance(distances, rule.rule(), ws);
    } catch (NumericalException e) {
      throw new NumericalException(
          name
              + " ("
              + rule.name().toLowerCase(Locale.ROOT).replace('_', '-')
              + "): "
              + e.getMessage(),
          e);
    }
  }

  /** Adds the bandwidths to what was found. */
  static Finding describe(Finding found, GaussianGram x, GaussianGram y) {
    found.detail("bandwidth-x", x.bandwidth).detail("bandwidth-y", y.bandwidth);
    if (x.sampled || y.sampled) {
      found.warn(
          "MEDIAN_SAMPLED",
          "the median distance is that of 4194304 pairs drawn from "
              + x.gram.rows()
              + " samples; a fixed bandwidth is exact");
    }
    return found;
  }

  @Override
  public void close() {
    gram.close();
  }
}
