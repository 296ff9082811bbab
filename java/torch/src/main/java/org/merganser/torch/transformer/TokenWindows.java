// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.model.Inputs;

/**
 * Sequences of token ids of equal length: what transformers are trained on, and the inputs of their
 * forward passes ({@link #batches}).
 */
public final class TokenWindows {
  private final int[][] windows;

  private TokenWindows(int[]... windows) {
    this.windows = windows;
  }

  /**
   * Sequences as they are.
   *
   * @throws ShapeException when there are none, or lengths differ
   */
  public static TokenWindows of(List<int[]> sequences) {
    int[][] windows = sequences.stream().map(int[]::clone).toArray(int[][]::new);
    if (windows.length == 0 || windows[0].length == 0) {
      throw new ShapeException("no tokens; give at least one sequence of at least one token");
    }
    requireEqualLengths(windows);
    return new TokenWindows(windows);
  }

  /**
   * Windows of a text: each begins {@code stride} tokens after the one before; tokens after the
   * last whole window are left out.
   *
   * @throws ShapeException when the text has fewer tokens than a window
   */
  public static TokenWindows of(int[] tokens, int length, int stride) {
    if (length < 1 || stride < 1) {
      throw new IllegalArgumentException(
          "windows need a positive length and stride, not " + length + " and " + stride);
    }
    if (tokens.length < length) {
      throw new ShapeException(
          "windows of " + length + " tokens do not fit into a text of " + tokens.length);
    }
    List<int[]> windows = new ArrayList<>();
    for (int from = 0; from <= tokens.length - length; from += stride) {
      windows.add(Arrays.copyOfRange(tokens, from, from + length));
    }
    return of(windows);
  }

  /** Their number. */
  public int size() {
    return windows.length;
  }

  /** Tokens of each. */
  public int length() {
    return windows[0].length;
  }

  /** Some of them, in the order given; the arrays are this one's. */
  int[][] select(int... which) {
    return Arrays.stream(which).mapToObj(i -> windows[i]).toArray(int[][]::new);
  }

  /** I64 [sequences x tokens] in order; the last batch may be smaller. The seed has no effect. */
  public Inputs batches(int size) {
    if (size < 1) {
      throw new IllegalArgumentException("batches need at least 1 sequence, not " + size);
    }
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        return new Batches(size);
      }

      @Override
      public long samples() {
        return windows.length;
      }
    };
  }

  /** Each batch is a new tensor, closed when the next one is asked. */
  private final class Batches implements Iterator<Tensor> {
    private final int batch;
    private int at;
    private Tensor last;

    Batches(int batch) {
      this.batch = batch;
    }

    @Override
    public boolean hasNext() {
      return at < windows.length;
    }

    @Override
    public Tensor next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      if (last != null) {
        last.close();
      }
      int to = Math.min(at + batch, windows.length);
      last = tensor(Arrays.copyOfRange(windows, at, to));
      at = to;
      return last;
    }
  }

  /** I64 [sequences x tokens]; a new tensor. */
  static Tensor tensor(int[]... sequences) {
    if (sequences.length == 0 || sequences[0].length == 0) {
      throw new ShapeException("no tokens; give at least one sequence of at least one token");
    }
    requireEqualLengths(sequences);
    Tensor ids = Tensor.allocate(DType.I64, sequences.length, sequences[0].length);
    long at = 0;
    for (int[] sequence : sequences) {
      for (int id : sequence) {
        ids.memory().putLong(Long.BYTES * at++, id);
      }
    }
    return ids;
  }

  private static void requireEqualLengths(int[]... sequences) {
    for (int s = 1; s < sequences.length; s++) {
      if (sequences[s].length != sequences[0].length) {
        throw new ShapeException(
            "sequence "
                + s
                + " has "
                + sequences[s].length
                + " tokens, sequence 0 has "
                + sequences[0].length
                + "; sequences of a batch are of equal length");
      }
    }
  }

  /**
   * @param what there are so many of, for the message
   * @throws IllegalArgumentException naming the first id that is none
   */
  static void checkIds(Tensor ids, int count, String what) {
    long tokens = ids.dim(1);
    for (long i = 0; i < ids.size(); i++) {
      long id = ids.memory().getLong(Long.BYTES * i);
      if (id < 0 || id >= count) {
        throw new IllegalArgumentException(
            "token %d of sequence %d is %d, and there are %d %s, from 0"
                .formatted(i % tokens, i / tokens, id, count, what));
      }
    }
  }
}
