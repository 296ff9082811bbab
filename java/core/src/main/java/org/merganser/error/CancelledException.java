// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/** The work was cancelled by its caller; nothing was left half-written. */
public class CancelledException extends MerganserException {
  private static final long serialVersionUID = 1L;

  public CancelledException(String message) {
    super(message);
  }

  public CancelledException(String message, Throwable cause) {
    super(message, cause);
  }
}
