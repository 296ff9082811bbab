// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.util.Iterator;
import org.merganser.linalg.Tensor;
import org.merganser.model.Inputs;

/** Inputs that count the batches handed out. */
record CountedInputs(Inputs inputs, long[] batches) implements Inputs {
  @Override
  public Iterator<Tensor> open(long seed) {
    Iterator<Tensor> source = inputs.open(seed);
    batches[0] = 0;
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return source.hasNext();
      }

      @Override
      public Tensor next() {
        batches[0]++;
        return source.next();
      }
    };
  }

  @Override
  public long samples() {
    return inputs.samples();
  }
}
