// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
import org.merganser.linalg.Matrix;

/**
 * The peer of the CCA map: the algorithm as published (Horoi et al. 2024) in F32, its roots and the
 * orthogonal factor by three singular value decompositions (gesdd) and ten products of n x n
 * matrices. Column-major; everything is allocated beforehand. The peer of orthogonal Procrustes is
 * its last step.
 */
final class PublishedCca implements AutoCloseable {
  private final int n;
  private final FloatPointer sxx;
  private final FloatPointer syy;
  private final FloatPointer sxy;
  private final FloatPointer copy;
  private final FloatPointer u;
  private final FloatPointer vt;
  private final FloatPointer scaled;
  private final FloatPointer sigma;
  private final FloatPointer q;
  private final FloatPointer[] rootsX;
  private final FloatPointer[] rootsY;
  private final FloatPointer t;
  private final FloatPointer tinv;

  PublishedCca(Correlated inputs, double gamma) {
    n = (int) inputs.sxx().rows();
    sxx = narrow(inputs.sxx(), gamma);
    syy = narrow(inputs.syy(), gamma);
    sxy = narrow(inputs.sxy(), 0);
    copy = square();
    u = square();
    vt = square();
    scaled = square();
    sigma = new FloatPointer(n);
    q = square();
    rootsX = new FloatPointer[] {square(), square()};
    rootsY = new FloatPointer[] {square(), square()};
    t = square();
    tinv = square();
  }

  /** T and its inverse. */
  float run() {
    roots(sxx, rootsX);
    roots(syy, rootsY);
    multiply(false, rootsX[1], sxy, scaled);
    multiply(false, scaled, rootsY[1], q);
    orthogonalFactor(q);
    multiply(false, rootsX[0], q, scaled);
    multiply(false, scaled, rootsY[1], t);
    multiply(true, rootsY[0], q, scaled);
    multiply(false, scaled, rootsX[1], tinv);
    return t.get(0);
  }

  /** The orthogonal factor of Sxy. */
  float procrustes() {
    orthogonalFactor(sxy);
    return q.get(0);
  }

  Matrix map() {
    return widen(t);
  }

  Matrix factor() {
    return widen(q);
  }

  @Override
  public void close() {
    for (FloatPointer each :
        new FloatPointer[] {
          sxx, syy, sxy, copy, u, vt, scaled, sigma, q, rootsX[0], rootsX[1], rootsY[0], rootsY[1],
          t, tinv
        }) {
      each.close();
    }
  }

  private void roots(FloatPointer a, FloatPointer[] roots) {
    decompose(a);
    for (int power = 0; power < 2; power++) {
      for (int j = 0; j < n; j++) {
        float root = (float) Math.sqrt(sigma.get(j));
        float factor = power == 0 ? root : 1 / root;
        for (long i = (long) j * n; i < (long) (j + 1) * n; i++) {
          scaled.put(i, u.get(i) * factor);
        }
      }
      multiply(false, scaled, vt, roots[power]);
    }
  }

  private void orthogonalFactor(FloatPointer a) {
    decompose(a);
    multiply(false, u, vt, q);
  }

  private void decompose(FloatPointer a) {
    FloatPointer.memcpy(copy, a, 4L * n * n);
    int info =
        openblas.LAPACKE_sgesdd(
            openblas.LAPACK_COL_MAJOR, (byte) 'S', n, n, copy, n, sigma, u, n, vt, n);
    if (info != 0) {
      throw new IllegalStateException("sgesdd failed with info = " + info);
    }
  }

  /** c = a b, or a b^T. */
  private void multiply(boolean transpose, FloatPointer a, FloatPointer b, FloatPointer c) {
    openblas.cblas_sgemm(
        openblas.CblasColMajor,
        openblas.CblasNoTrans,
        transpose ? openblas.CblasTrans : openblas.CblasNoTrans,
        n,
        n,
        n,
        1,
        a,
        n,
        b,
        n,
        0,
        c,
        n);
  }

  private FloatPointer square() {
    return new FloatPointer((long) n * n);
  }

  private FloatPointer narrow(Matrix matrix, double gamma) {
    FloatPointer result = square();
    for (long i = 0; i < n; i++) {
      for (long j = 0; j < n; j++) {
        result.put(j * n + i, (float) (matrix.get(i, j) + (i == j ? gamma : 0)));
      }
    }
    return result;
  }

  private Matrix widen(FloatPointer from) {
    Matrix result = Matrix.allocate(n, n);
    for (long i = 0; i < n; i++) {
      for (long j = 0; j < n; j++) {
        result.set(i, j, from.get(j * n + i));
      }
    }
    return result;
  }
}
