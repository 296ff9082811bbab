// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Samples in rows, checked before work is done with them. */
final class Samples {
  static final int LEAST_DEBIASED = 4;

  private static final double EPSILON = Math.ulp(1.0);

  /** Squares whose squares are numbers, and sums of them. */
  private static final double SMALLEST = 1e-140;

  private static final double LARGEST = 1e140;

  private Samples() {}

  /** An F64 copy where the Workspace computes. */
  static Matrix wide(Matrix x, Workspace ws) {
    return x.dtype() == DType.F64 ? x.on(ws) : Matrix.of(x.asTensor().to(DType.F64, ws));
  }

  /**
   * Minus the mean of each column, F64, new.
   *
   * @throws NumericalException where there is NaN or infinity, or all samples are the same
   */
  static Matrix centred(String name, Matrix x, Workspace ws) {
    Centred centred = centre(name, x, ws);
    if (centred.constant()) {
      centred.matrix().close();
      throw new NumericalException(
          "%s is constant: all %d samples have the same %d features, so CKA is undefined"
              .formatted(name, x.rows(), x.columns()));
    }
    return centred.matrix();
  }

  /**
   * @param constant whether all samples are the same, up to rounding
   */
  record Centred(Matrix matrix, boolean constant) {}

  /**
   * @throws NumericalException where there is NaN or infinity
   */
  static Centred centre(String name, Matrix x, Workspace ws) {
    if (x.rows() < 2 || x.columns() < 1) {
      throw new ShapeException(
          name + " is a " + x + "; CKA needs two samples of one feature at least");
    }
    try (Matrix wide = wide(x, ws);
        Opened opened = new Opened()) {
      double[] sums = Vectors.columnSums(wide, ws);
      requireFinite(name, wide, sums, ws);
      Matrix centred = opened.add(Gram.centredColumns(wide, ws));
      double squares = Translation.sum(LinAlg.rowProducts(centred, centred, ws));
      double rounding = EPSILON * Math.sqrt(Translation.dot(sums, sums));
      boolean constant = !(squares > rounding * rounding);
      if (!constant && !(squares > SMALLEST && squares < LARGEST)) {
        throw new NumericalException(
            "%s has deviations of size %s, whose fourth powers F64 does not hold; multiply the"
                    .formatted(name, Math.sqrt(squares))
                + " activations by a constant");
      }
      opened.release();
      return new Centred(centred, constant);
    }
  }

  /**
   * @param gram centred
   * @throws NumericalException where all samples are the same: where the Gram is 0
   */
  static void requireVarying(String name, Matrix gram, Workspace ws) {
    requireVarying(name, gram, 0, ws);
  }

  /**
   * @param rounding what its trace may be of rounding
   */
  static void requireVarying(String name, Matrix gram, double rounding, Workspace ws) {
    if (!(gram.trace(ws) > rounding)) {
      throw new NumericalException(
          "%s is constant: all %d samples have the same features, so CKA is undefined"
              .formatted(name, gram.rows()));
    }
  }

  private static void requireFinite(String name, Matrix wide, double[] sums, Workspace ws) {
    if (Arrays.stream(sums).allMatch(Double::isFinite)) {
      return;
    }
    try (Matrix here = wide.toHost(ws)) {
      for (long i = 0; i < here.rows(); i++) {
        for (long j = 0; j < here.columns(); j++) {
          if (!Double.isFinite(here.get(i, j))) {
            throw new NumericalException(
                "%s[%d, %d] is %s; correct it, or leave such samples out on both sides"
                    .formatted(name, i, j, here.get(i, j)));
          }
        }
      }
    }
    throw new NumericalException(name + ": sums of its features are beyond the range of numbers");
  }

  static void requirePaired(Matrix x, Matrix y) {
    if (x.rows() != y.rows()) {
      throw new ShapeException(
          "X is a " + x + " and Y a " + y + ": both need the same samples in the same order");
    }
  }

  /** Some rows, in the order given: new, where the Workspace computes. */
  static Matrix rows(Matrix x, int[] rows, Workspace ws) {
    Tensor picked = Tensor.allocate(x.dtype(), new long[] {rows.length, x.columns()}, ws);
    try (Opened opened = new Opened()) {
      opened.add(picked);
      for (int i = 0; i < rows.length; i++) {
        picked.rows(i, i + 1).copyFrom(x.asTensor().rows(rows[i], rows[i] + 1), ws);
      }
      opened.release();
      return Matrix.of(picked);
    }
  }

  static void requireDebiased(long samples) {
    if (samples < LEAST_DEBIASED) {
      throw new IllegalArgumentException(tooFew("debiased CKA", LEAST_DEBIASED, samples));
    }
  }

  /**
   * @param square of the norm of a Gram that was centred, either way, of centred samples
   */
  static void requireSeen(String name, double square, Matrix centred, Workspace ws) {
    if (!isSeen(square, centred, ws)) {
      throw unseen(name);
    }
  }

  static NumericalException unseen(String name) {
    return new NumericalException(
        name
            + ": nothing is left of its Gram without what single samples add (U-centring gives 0),"
            + " and debiased CKA is not defined; use the biased estimator");
  }

  static boolean isSeen(double square, Matrix centred, Workspace ws) {
    return isSeen(
        square, Translation.sum(LinAlg.rowProducts(centred, centred, ws)), centred.rows());
  }

  /**
   * @param trace of the Gram, of so many samples
   */
  static boolean isSeen(double square, double trace, long samples) {
    double rounding = samples * EPSILON * trace;
    return square > rounding * rounding;
  }

  static String tooFew(String what, int least, long samples) {
    return "%s needs at least %d samples, and there are %d".formatted(what, least, samples);
  }
}
