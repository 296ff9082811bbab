// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/** The numbers do not allow the computation: non-finite values, no variance, a singular matrix. */
public class NumericalException extends MerganserException {
  private static final long serialVersionUID = 1L;

  public NumericalException(String message) {
    super(message);
  }

  public NumericalException(String message, Throwable cause) {
    super(message, cause);
  }
}
