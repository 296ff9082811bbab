// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

/**
 * Which part of an axis belongs to a space: {@code width * repeat} entries from {@code offset} on,
 * {@code repeat} neighbours for each feature. A flatten of channels x height x width before a
 * linear layer has {@code repeat = height * width}; a fused query-key-value axis has three blocks
 * with their offsets.
 */
public record Block(long offset, long repeat) {
  /** The axis from its start, one entry a feature. */
  public static final Block WHOLE = new Block(0, 1);

  public Block {
    if (offset < 0 || repeat < 1) {
      throw new IllegalArgumentException(
          "block needs offset >= 0 and repeat >= 1, not " + offset + " and " + repeat);
    }
  }
}
