// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.networks;

/** Numbers of channels under a width multiplier. */
final class Widths {
  private Widths() {}

  static long scaled(long channels, double width) {
    long scaled = Math.round(channels * width);
    if (!(width > 0) || scaled < 1) {
      throw new IllegalArgumentException(
          "width multiplier " + width + " leaves " + scaled + " of " + channels + " channels");
    }
    return scaled;
  }
}
