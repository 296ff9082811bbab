// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/**
 * Root of what Merganser throws besides {@link java.io.IOException} and {@link
 * IllegalArgumentException}. The message says what, where, the numbers and what to do.
 */
public class MerganserException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public MerganserException(String message) {
    super(message);
  }

  public MerganserException(String message, Throwable cause) {
    super(message, cause);
  }
}
