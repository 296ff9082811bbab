// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * The gradient of linear CKA in X, {@code 2 (L / (|K| |L|) - CKA K / |K|^2) X}, with centred Grams
 * K and L, or U-centred ones for the unbiased estimator.
 */
final class CkaGradient {
  private CkaGradient() {}

  static Matrix of(Matrix x, Matrix y, boolean debiased, Workspace ws) {
    Samples.requirePaired(x, y);
    if (debiased) {
      Samples.requireDebiased(x.rows());
    }
    try (Opened opened = new Opened()) {
      Matrix centred = opened.add(Samples.centred("X", x, ws));
      Matrix k = opened.add(gram(centred, debiased, ws));
      Matrix other = opened.add(Samples.centred("Y", y, ws));
      Matrix l = opened.add(gram(other, debiased, ws));
      double kk = Translation.sum(LinAlg.rowProducts(k, k, ws));
      double ll = Translation.sum(LinAlg.rowProducts(l, l, ws));
      double kl = Translation.sum(LinAlg.rowProducts(k, l, ws));
      Samples.requireSeen("X", kk, centred, ws);
      Samples.requireSeen("Y", ll, other, ws);
      double norms = Math.sqrt(kk) * Math.sqrt(ll);
      Matrix turned = opened.add(LinAlg.transpose(centred, ws));
      Matrix zeros = opened.add(Matrix.zeros(x.rows(), x.columns()));
      Matrix gradient = zeros.on(ws);
      try (Opened made = new Opened()) {
        made.add(gradient);
        LinAlg.addProduct(2 / norms, l, turned, gradient, ws);
        LinAlg.addProduct(-2 * kl / norms / kk, k, turned, gradient, ws);
        made.release();
      }
      return gradient;
    }
  }

  private static Matrix gram(Matrix centred, boolean debiased, Workspace ws) {
    Matrix gram = Gram.linear(centred, ws);
    if (debiased) {
      Gram.uCentre(gram, ws);
    }
    return gram;
  }
}
