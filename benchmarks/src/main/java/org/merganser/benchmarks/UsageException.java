// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

/** A wrong argument or file of bounds; its message is all that the user needs. */
final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1;

  UsageException(String message) {
    super(message);
  }

  UsageException(String message, Throwable cause) {
    super(message, cause);
  }
}
