// SPDX-License-Identifier: Apache-2.0
package org.merganser.activation;

import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;

/**
 * Gain n and saturation s of {@link AdaptiveActivation} for activations [B x H]: one of each, one
 * of each unit, one of each element. Both are tensors of the type of the activations, which stay
 * the caller's.
 *
 * <p>n must be at least {@link #LEAST_GAIN}; {@code unconstrained} allows any but 0, of either
 * sign. s may be any number in both cases. What is not finite is refused.
 */
public sealed interface ShapeParams {
  /** The least n, unless it is unconstrained: the activation has a pole at 0. */
  double LEAST_GAIN = 1e-3;

  Tensor n();

  Tensor s();

  /** Whether n may be any number but 0. */
  boolean unconstrained();

  /** One n and one s, tensors of one element. */
  record Uniform(Tensor n, Tensor s, boolean unconstrained) implements ShapeParams {
    public Uniform(Tensor n, Tensor s) {
      this(n, s, false);
    }

    /** New tensors of a type, F64 or F32. */
    public static Uniform of(DType dtype, double n, double s) {
      return new Uniform(scalar(dtype, n), scalar(dtype, s));
    }

    private static Tensor scalar(DType dtype, double value) {
      return switch (dtype) {
        case F64 -> Tensor.of(new double[] {value}, 1);
        case F32 -> Tensor.of(new float[] {(float) value}, 1);
        default -> throw new ShapeException("activations are F32 or F64, not " + dtype);
      };
    }
  }

  /** Those of each unit, [H]. */
  record PerUnit(Tensor n, Tensor s, boolean unconstrained) implements ShapeParams {
    public PerUnit(Tensor n, Tensor s) {
      this(n, s, false);
    }
  }

  /** Those of each element, [B x H]: gains that change with time. */
  record PerElement(Tensor n, Tensor s, boolean unconstrained) implements ShapeParams {
    public PerElement(Tensor n, Tensor s) {
      this(n, s, false);
    }
  }
}
