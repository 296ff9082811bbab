// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import org.merganser.error.NativeLibraryException;

/** For a child JVM: loads libtorch twice and says what came of it. */
final class LoadTorch {
  private LoadTorch() {}

  public static void main(String[] args) {
    for (int i = 0; i < 2; i++) {
      try {
        TorchNatives.load();
        System.out.println("loaded " + TorchNatives.version());
      } catch (NativeLibraryException e) {
        System.out.println("refused " + e.getMessage());
      }
    }
  }
}
