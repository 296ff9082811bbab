// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.util.Arrays;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;

/** Which axis of activations counts features; all others count samples. */
final class FeatureAxis {
  private FeatureAxis() {}

  /** The axis from 0; -1 when there is none such, or when it is that of the samples. */
  static int of(int rank, int axis) {
    int found = axis < 0 ? rank + axis : axis;
    return found >= 1 && found < rank ? found : -1;
  }

  /** A view with features on axis 1, axes before them joined to that of the samples. */
  static Tensor second(String space, Tensor tensor, int axis) {
    int found = of(tensor.rank(), axis);
    if (axis == 1 || found == 1) {
      return tensor;
    }
    if (found < 0) {
      throw new ShapeException(
          "activations of space '" + space + "' are " + tensor + ": no features on axis " + axis);
    }
    long[] shape = tensor.shape();
    return tensor.reshape(
        Tensor.size(Arrays.copyOf(shape, found)),
        shape[found],
        Tensor.size(Arrays.copyOfRange(shape, found + 1, shape.length)));
  }
}
