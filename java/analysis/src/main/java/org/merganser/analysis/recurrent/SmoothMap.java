// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

/** A map F of R^H into itself with its derivative, such as one step of a recurrent network. */
public interface SmoothMap {
  /** H. */
  int dimension();

  /** F(h), new. */
  double[] apply(double[] state);

  /** {@code J[i, j] = dF_i / dh_j}, [H x H] row-major, new. */
  double[] jacobian(double[] state);

  /** The same into an array of {@code H H} elements, for callers that keep one. */
  default void jacobian(double[] state, double[] into) {
    double[] jacobian = jacobian(state);
    System.arraycopy(jacobian, 0, into, 0, jacobian.length);
  }
}
