// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.model.Inputs;

/**
 * Labelled samples in memory.
 *
 * @param inputs F32 [samples x ...]
 * @param labels class of each sample, 0 to classes-1
 * @param classes number of classes
 */
public record Examples(Tensor inputs, int[] labels, int classes) implements AutoCloseable {
  public Examples {
    if (inputs.rank() < 2
        || inputs.dtype() != DType.F32
        || inputs.dim(0) != labels.length
        || labels.length == 0) {
      throw new ShapeException(
          "examples need F32 inputs [samples, ...] with a label each, not "
              + inputs
              + " and "
              + labels.length
              + " labels");
    }
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] < 0 || labels[i] >= classes) {
        throw new IllegalArgumentException(
            "label " + labels[i] + " of sample " + i + " is not in 0.." + (classes - 1));
      }
    }
  }

  /** Number of samples. */
  public int size() {
    return labels.length;
  }

  /** The first {@code count} samples; shares the memory. */
  public Examples first(int count) {
    if (count < 1 || count > size()) {
      throw new IllegalArgumentException(
          "cannot take " + count + " of " + size() + " samples; give 1 to " + size());
    }
    return new Examples(inputs.rows(0, count), Arrays.copyOf(labels, count), classes);
  }

  /** The inputs in order, in batches; the last may be smaller. The seed has no effect. */
  public Inputs batches(int batchSize) {
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        return new Iterator<>() {
          private int at;

          @Override
          public boolean hasNext() {
            return at < Examples.this.size();
          }

          @Override
          public Tensor next() {
            if (!hasNext()) {
              throw new NoSuchElementException();
            }
            int from = at;
            at = Math.min(from + batchSize, Examples.this.size());
            return inputs.rows(from, at);
          }
        };
      }

      @Override
      public long samples() {
        return Examples.this.size();
      }
    };
  }

  @Override
  public void close() {
    inputs.close();
  }
}
