// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import org.merganser.torch.internal.Libtorch;

/** Loads libtorch, which whatever needs it does by itself, too. */
public final class TorchNatives {
  private TorchNatives() {}

  /**
   * Loads libtorch if it is not loaded yet.
   *
   * @throws org.merganser.error.NativeLibraryException with the artifact that is missing
   */
  public static void load() {
    Libtorch.load();
  }

  /** Version of libtorch and of its bindings. */
  public static String version() {
    return Libtorch.version();
  }
}
