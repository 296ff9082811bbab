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
   * Which part of an axis belongs to a space: feature f has the {@code repeat} entries from {@code
   * offset + f stride} on.
   *
   * <ul>
   *   <li>A flatten of channels x height x width before a linear layer has {@code repeat = height *
   *       width}.
   *   <li>A fused query-key-value axis has three blocks with their offsets, the stacked gates of an
   *       LSTM four.
   *   <li>Heads of d entries each are features with {@code repeat = d}; where the queries, keys and
   *       values of each head lie together, {@code stride = 3 d}.
   *   <li>Channels shuffled from g groups have {@code stride = g}, each group its offset.
   * </ul>
   *
   * @param offset first entry
   * @param repeat neighbouring entries of one feature
   * @param stride entries from one feature to the next, at least {@code repeat}
   */
  public record Block(long offset, long repeat, long stride) {
    /** The axis from its start, one entry a feature. */
    public static final Block WHOLE = new Block(0, 1);

    public Block {
      if (offset < 0 || repeat < 1) {
        throw new IllegalArgumentException(
            "block needs offset >= 0 and repeat >= 1, not " + offset + " and " + repeat);
      }
      if (stride < repeat) {
        throw new IllegalArgumentException(
            "block of stride " + stride + " has features of " + repeat + " entries: they overlap");
      }
    }

    /** Features one after the other: {@code stride = repeat}. */
    public Block(long offset, long repeat) {
      this(offset, repeat, repeat);
    }

    /** Whether features follow one another without gaps. */
    public boolean isDense() {
      return stride == repeat;
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
