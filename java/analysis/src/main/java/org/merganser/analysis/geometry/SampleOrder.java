// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.geometry;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The order in which samples are multiplied. It follows from their numbers and not from how they
 * come, so that every sum over samples and every product is rounded alike whatever their order: by
 * hashes of the first columns, and of as many more as it takes to tell samples apart.
 *
 * @param order the samples, in that order; equal ones as they come
 * @param first for each place in the order that of the first sample equal to that there
 */
record SampleOrder(int[] order, int[] first) {
  /** Columns that are hashed of all samples. */
  private static final long FIRST = 1024;

  /** Columns at a time of samples that are alike in these; twice as many each time up to this. */
  private static final long MOST = 1 << 20;

  static SampleOrder of(SampleRows rows, Workspace ws) throws IOException {
    int n = Math.toIntExact(rows.samples());
    long[] keys = new long[n];
    int[] tied = IntStream.range(0, n).toArray();
    long from = 0;
    for (long step = FIRST;
        from < rows.width() && tied.length > 0;
        step = Math.min(2 * step, MOST)) {
      ws.cancellation().check();
      long to = Math.min(rows.width(), from + step);
      try (Tensor part = Tensor.allocate(rows.dtype(), to - from)) {
        for (int i : tied) {
          rows.read(i, from, to, part, ws);
          keys[i] = hash(keys[i], part);
        }
      }
      tied = tied(tied, keys);
      from = to;
    }
    Integer[] sorted = new Integer[n];
    Arrays.setAll(sorted, i -> i);
    Arrays.sort(sorted, (a, b) -> Long.compare(keys[a], keys[b]));
    int[] order = Arrays.stream(sorted).mapToInt(each -> each).toArray();
    int[] first = new int[n];
    for (int k = 1; k < n; k++) {
      int before = first[k - 1];
      // Products are those of the first, so that a hash alone does not do.
      boolean same =
          keys[order[k]] == keys[order[before]] && equal(rows, order[k], order[before], ws);
      first[k] = same ? before : k;
    }
    return new SampleOrder(order, first);
  }

  private static boolean equal(SampleRows rows, int a, int b, Workspace ws) throws IOException {
    long step = Math.min(rows.width(), MOST);
    for (long from = 0; from < rows.width(); from += step) {
      ws.cancellation().check();
      long to = Math.min(rows.width(), from + step);
      try (Tensor one = Tensor.allocate(rows.dtype(), to - from);
          Tensor other = Tensor.allocate(rows.dtype(), to - from)) {
        rows.read(a, from, to, one, ws);
        rows.read(b, from, to, other, ws);
        if (!bytes(one).equals(bytes(other))) {
          return false;
        }
      }
    }
    return true;
  }

  private static ByteBuffer bytes(Tensor values) {
    return values.buffer(0, Math.toIntExact(values.bytes()));
  }

  /** Of the bytes, where they lie. */
  private static long hash(long key, Tensor values) {
    ByteBuffer bytes = bytes(values);
    long hash = key;
    while (bytes.hasRemaining()) {
      long next = bytes.remaining() < Long.BYTES ? bytes.getInt() : bytes.getLong();
      hash = Hashes.mix(hash ^ next);
    }
    return hash;
  }

  /** Those of which another has the same key. */
  private static int[] tied(int[] samples, long... keys) {
    Map<Long, Integer> count = new HashMap<>();
    for (int i : samples) {
      count.merge(keys[i], 1, Integer::sum);
    }
    return Arrays.stream(samples).filter(i -> count.get(keys[i]) > 1).toArray();
  }

  /** For each sample its place in this order. */
  int[] places() {
    int[] places = new int[order.length];
    for (int k = 0; k < order.length; k++) {
      places[order[k]] = k;
    }
    return places;
  }

  /**
   * Products in this order, as the samples came, in a new matrix on the host; of equal samples
   * those of the first.
   */
  Matrix restored(Matrix products) {
    int n = order.length;
    Matrix restored = Matrix.allocate(n, n);
    for (int i = 0; i < n; i++) {
      double[] row = products.row(first[i]);
      for (int j = 0; j <= i; j++) {
        GramMatrix.put(restored, order[i], order[j], row[first[j]]);
      }
    }
    return restored;
  }
}
