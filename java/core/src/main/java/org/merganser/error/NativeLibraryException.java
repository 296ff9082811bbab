// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/**
 * A native library is missing, cannot be loaded, does not fit the Java part, or has no memory left.
 */
public class NativeLibraryException extends MerganserException {
  private static final long serialVersionUID = 1L;

  public NativeLibraryException(String message) {
    super(message);
  }

  public NativeLibraryException(String message, Throwable cause) {
    super(message, cause);
  }
}
