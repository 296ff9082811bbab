// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.error.CancelledException;
import org.merganser.error.MerganserException;
import org.merganser.error.NativeLibraryException;
import org.merganser.error.NumericalException;
import org.merganser.natives.global.merganser;

/** Turns a status code of the C ABI into the exception it stands for. */
final class Status {
  private Status() {}

  static void check(int status) {
    if (status == merganser.MG_OK) {
      return;
    }
    String message = Natives.text(merganser.mg_last_error());
    switch (status) {
      case merganser.MG_INVALID_ARGUMENT -> throw new IllegalArgumentException(message);
      case merganser.MG_NUMERICAL -> throw new NumericalException(message);
      case merganser.MG_OUT_OF_MEMORY ->
          throw new NativeLibraryException(
              "out of native memory: "
                  + message
                  + "; free memory or lower the size of the problem (the budget of the statistics, smaller batches)",
              new OutOfMemoryError(message));
      case merganser.MG_UNAVAILABLE -> throw new NativeLibraryException(message);
      case merganser.MG_CANCELLED -> throw new CancelledException("cancelled");
      default -> throw new MerganserException("internal error in the native library: " + message);
    }
  }
}
