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
