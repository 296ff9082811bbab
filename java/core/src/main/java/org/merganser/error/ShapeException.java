// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/** An array has another shape or type than the operation needs. */
public class ShapeException extends MerganserException {
  private static final long serialVersionUID = 1L;

  public ShapeException(String message) {
    super(message);
  }

  public ShapeException(String message, Throwable cause) {
    super(message, cause);
  }
}
