// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

/**
 * One axis of one parameter that belongs to a feature space.
 *
 * @param tensor name of the parameter
 * @param axis axis of it, from 0
 * @param role what it does with the features
 * @param block which part of the axis
 */
public record Binding(String tensor, int axis, Role role, Block block) {
  /**
   * Which part of an axis belongs to a space: {@code width * repeat} entries from {@code offset}
   * on, {@code repeat} neighbours for each feature. A flatten of channels x height x width before a
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

  public Binding {
    if (tensor.isEmpty() || axis < 0) {
      throw new IllegalArgumentException(
          "binding needs a tensor name and axis >= 0, not '" + tensor + "' and " + axis);
    }
  }

  /** The whole axis. */
  public static Binding of(String tensor, int axis, Role role) {
    return new Binding(tensor, axis, role, Block.WHOLE);
  }
}
