// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.natives.global.merganser;

/** Activations with a gain and a saturation. */
public final class ActivationKernels {
  public static final int UNIFORM = merganser.MG_GAMMA_UNIFORM;
  public static final int PER_UNIT = merganser.MG_GAMMA_PER_UNIT;
  public static final int PER_ELEMENT = merganser.MG_GAMMA_PER_ELEMENT;

  private final Context context;

  ActivationKernels(Context context) {
    this.context = context;
  }

  /**
   * Arrays [rows x columns] and their n and s, one of each, of each column or of each element.
   *
   * @param shape which of these
   * @param least of n, or 0 for any n but 0
   */
  public record Shaped(
      int dtype, int shape, long rows, long columns, Block n, Block s, double least) {}

  public void forward(Shaped of, Block x, Block out) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_gamma_forward(
              call.context(),
              of.dtype(),
              of.shape(),
              of.rows(),
              of.columns(),
              call.in(x),
              call.in(of.n()),
              call.in(of.s()),
              of.least(),
              call.out(out)));
    }
  }

  /** {@code dn} and {@code ds} may both be null. */
  public void backward(Shaped of, Block x, Block g, Block dx, Block dn, Block ds) {
    try (Call call = context.enter()) {
      call.check(
          merganser.mg_gamma_backward(
              call.context(),
              of.dtype(),
              of.shape(),
              of.rows(),
              of.columns(),
              call.in(x),
              call.in(g),
              call.in(of.n()),
              call.in(of.s()),
              of.least(),
              call.out(dx),
              call.out(dn),
              call.out(ds)));
    }
  }
}
