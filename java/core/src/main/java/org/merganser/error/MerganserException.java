// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/**
 * Root of what Merganser throws besides {@link java.io.IOException} and {@link
 * IllegalArgumentException}. The message says what, where, the numbers and what to do.
 */
public class MerganserException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public MerganserException(String message) {
    super(printable(message));
  }

  public MerganserException(String message, Throwable cause) {
    super(printable(message), cause);
  }

  /** Names in messages come from files: a terminal must not obey them. */
  private static String printable(String message) {
    if (message == null || message.chars().noneMatch(MerganserException::isControl)) {
      return message;
    }
    StringBuilder text = new StringBuilder();
    for (char c : message.toCharArray()) {
      text.append(isControl(c) ? String.format("\\u%04x", (int) c) : String.valueOf(c));
    }
    return text.toString();
  }

  private static boolean isControl(int c) {
    return Character.isISOControl(c) && c != '\n' && c != '\t';
  }
}
