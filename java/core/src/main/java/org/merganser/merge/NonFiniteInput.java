// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** What is wrong with values that cannot be merged, with the numbers of the whole tensor. */
final class NonFiniteInput {
  private NonFiniteInput() {}

  /**
   * @param inputs the models, and the base after them
   */
  static NumericalException of(String name, List<Checkpoint> inputs, int models, Workspace ws)
      throws IOException {
    TensorInfo info = inputs.get(0).info(name);
    for (int k = 0; k < inputs.size(); k++) {
      Checkpoint input = inputs.get(k);
      long tile = input.tile(name, TensorGroup.TILE);
      long count = 0;
      long first = -1;
      for (long from = 0; from < info.size(); from += tile) {
        long to = Math.min(info.size(), from + tile);
        try (Tensor part = Tensor.allocate(info.dtype(), new long[] {to - from}, ws)) {
          input.readRange(name, from, to, part, ws);
          long[] found = TensorGroup.nonFinite(part, ws);
          count += found[0];
          first = first < 0 && found[0] > 0 ? from + found[1] : first;
        }
      }
      if (count > 0) {
        return new NumericalException(
            (k < models ? "model " + k : "the base")
                + ": "
                + Names.quote(name)
                + " "
                + info
                + " holds "
                + count
                + " non-finite values, the first at index "
                + first
                + " ("
                + value(input, name, first, ws)
                + "); repair the model, leave the tensor out (--ignore, Checkpoint.where), or"
                + " take linear:non-finite=propagate (in a recipe non_finite: propagate;"
                + " NonFiniteWeights.PROPAGATE)");
      }
    }
    return new NumericalException(Names.quote(name) + " " + info + " changed while it was read");
  }

  private static double value(Checkpoint input, String name, long index, Workspace ws)
      throws IOException {
    try (Tensor one = Tensor.allocate(input.info(name).dtype(), 1)) {
      input.readRange(name, index, index + 1, one, ws);
      return one.get(0);
    }
  }
}
