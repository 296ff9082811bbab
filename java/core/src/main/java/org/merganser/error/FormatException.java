// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/** A file does not follow its format; the message names the file and the place. */
public class FormatException extends MerganserException {
  private static final long serialVersionUID = 1L;

  public FormatException(String message) {
    super(message);
  }

  public FormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
