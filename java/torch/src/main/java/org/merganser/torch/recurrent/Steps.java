// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import org.bytedeco.pytorch.Tensor;
import org.merganser.torch.internal.Bridge;

/** An array [steps x samples x hidden] of libtorch, step by step, as libtorch's and as ours. */
final class Steps {
  private final Tensor all;
  private final org.merganser.linalg.Tensor rows;
  private final long samples;

  /** Inside of the caller's scope, after which it is not used. */
  Steps(Tensor contiguous) {
    this.all = contiguous;
    this.samples = contiguous.size(1);
    long steps = contiguous.size(0);
    this.rows = Bridge.view(contiguous).reshape(steps * samples, contiguous.size(2));
  }

  /** The whole. */
  Tensor all() {
    return all;
  }

  long count() {
    return all.size(0);
  }

  long samples() {
    return samples;
  }

  /** One step [samples x hidden]. */
  Tensor at(long step) {
    return all.select(0, step);
  }

  /** The same memory as a tensor of ours. */
  org.merganser.linalg.Tensor ours(long step) {
    return rows.rows(step * samples, (step + 1) * samples);
  }

  /** All steps from one to another as rows [(to - from) samples x hidden]. */
  Tensor rows(long from, long to) {
    return all.narrow(0, from, to - from).view((to - from) * samples, all.size(2));
  }
}
