// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * One Workspace for the tests, which run on one thread. Two engines run a test class one after the
 * other, so neither may close it for the other.
 */
public final class Work {
  public static final Workspace WS = Workspace.builder().threads(2).seed(7).open();

  private Work() {}

  /** A copy on the host of a tensor that may lie on a device. */
  public static Tensor host(Tensor tensor) {
    return tensor.toHost(WS);
  }

  /** The elements of a matrix that may lie on a device. */
  public static double[][] array(Matrix matrix) {
    try (Matrix host = matrix.toHost(WS)) {
      return host.toArray();
    }
  }
}
