// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

/**
 * What has kernels, which is a Workspace. They are not in its API: the rest of the library reaches
 * them through {@link Kernels#of}.
 */
public abstract class KernelHolder {
  /**
   * Its kernels.
   *
   * @throws IllegalStateException when it is closed
   */
  protected abstract Kernels kernels();
}
