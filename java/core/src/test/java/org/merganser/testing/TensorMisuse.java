// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.testing.MisuseRound.Held;

/** Calls about tensors and memory. */
final class TensorMisuse extends MisusePool {
  TensorMisuse(MisusePool shared) {
    super(shared, shared.random);
  }

  void elements() {
    Held<Tensor> t = any(tensors);
    long size = t == null ? 0 : t.object.size();
    long index = index(size);
    round.call(
        () -> "get " + index + " of " + of(t),
        index >= 0 && index < size,
        false,
        using(t),
        () -> same(t.object.get(index), t.values[(int) index]));
    Held<Matrix> m = any(matrices);
    long row = index(m == null ? 0 : m.object.rows());
    long column = index(m == null ? 0 : m.object.columns());
    round.call(
        () -> "get (" + row + ", " + column + ") of " + of(m),
        m != null
            && row >= 0
            && row < m.object.rows()
            && column >= 0
            && column < m.object.columns(),
        false,
        using(m),
        () -> {
          int at = (int) (row * m.object.columns() + column);
          return same(m.object.get(row, column), m.values[at]);
        });
  }

  void convert() {
    Held<Tensor> t = any(tensors);
    Held<Workspace> ws = any(workspaces);
    DType type = oneIn(10) ? DType.I32 : DType.F64;
    round.call(
        () -> of(t) + " to " + type,
        type == DType.F64,
        true,
        using(t, ws),
        () -> {
          try (Tensor wide = t.object.to(type, of(ws));
              Tensor found = Work.host(wide)) {
            return same(found.toDoubleArray(), t.values);
          }
        });
  }

  void rows() throws Exception {
    Held<Tensor> t = any(tensors);
    long rows = t == null ? 0 : t.object.dim(0);
    long from = index(rows + 1);
    long to = index(rows + 1);
    Held<?>[] made = new Held<?>[1];
    round.call(
        () -> "rows " + from + " to " + to + " of " + of(t),
        from >= 0 && to >= from && to <= rows,
        false,
        using(t),
        () -> {
          Tensor view = t.object.rows(from, to);
          long width = rows == 0 ? 0 : t.values.length / rows;
          double[] part = Arrays.copyOfRange(t.values, (int) (from * width), (int) (to * width));
          Held<Tensor> held = new Held<>(view, part, t);
          made[0] = held;
          add(tensors, held);
          return true;
        });
  }

  /** A buffer that outlives what it was made of. */
  void keptBuffer() {
    Held<Tensor> t = any(tensors);
    long bytes = t == null ? 0 : t.object.bytes();
    long offset = oneIn(4) ? index(bytes) : 0;
    boolean good = offset >= 0 && offset <= bytes;
    boolean close = oneIn(3);
    round.call(
        () -> "buffer of " + of(t) + " from " + offset + (close ? ", closed" : ""),
        good,
        false,
        using(t),
        () -> {
          ByteBuffer buffer = t.object.buffer(offset, (int) (bytes - offset));
          if (close) {
            t.close();
          }
          for (int i = 0; offset % 4 == 0 && i < buffer.remaining() / 4; i++) {
            if (!same(buffer.getFloat(4 * i), t.values[(int) (offset / 4) + i])) {
              return false;
            }
          }
          return true;
        });
  }

  void copy() {
    Held<Tensor> t = any(tensors);
    Held<Tensor> other = any(tensors);
    round.call(
        () -> "copy of " + of(t),
        true,
        false,
        using(t),
        () -> {
          try (Tensor copy = t.object.copy()) {
            return same(copy.toDoubleArray(), t.values) && copy.sameBytes(copy);
          }
        });
    round.call(
        () -> "sameBytes of " + of(t) + " and " + of(other),
        true,
        false,
        // Other shapes are told apart without a look.
        t != null
                && other != null
                && Arrays.equals(t.object.shape(), other.object.shape())
                && t.object.size() > 0
            ? using(t, other)
            : t == null || other == null ? using((Held<?>) null) : using(),
        () -> t.object.sameBytes(of(other)) == sameBits(t, other));
  }

  private static boolean sameBits(Held<Tensor> a, Held<Tensor> b) {
    boolean same = Arrays.equals(a.object.shape(), b.object.shape());
    for (int i = 0; same && i < a.values.length; i++) {
      same = same(a.values[i], b.values[i]);
    }
    return same;
  }

  void scaleOrSum() {
    Held<Tensor> t = any(tensors);
    Held<Workspace> ws = any(workspaces);
    long rows = t == null ? 1 : oneIn(6) ? 7 : t.object.dim(0);
    double[] scales = new double[(int) rows];
    Arrays.fill(scales, 1);
    boolean empty = t != null && t.object.size() == 0;
    round.call(
        () -> "scale " + rows + " rows of " + of(t),
        t != null && ws != null && rows == t.object.dim(0),
        !empty,
        empty ? using(ws) : using(t, ws),
        () -> {
          try (Tensor scaled = t.object.scaledRows(scales, of(ws));
              Tensor host = Work.host(scaled)) {
            double[] found = host.toDoubleArray();
            for (int i = 0; i < found.length; i++) {
              if (found[i] != t.values[i] && !Double.isNaN(t.values[i])) {
                return false;
              }
            }
            return true;
          }
        });
    if (t != null && t.object.bytes() >= 8) {
      round.call(
          () -> "slice and clear",
          true,
          false,
          using(),
          () -> {
            try (Memory memory = Memory.allocate(t.object.bytes())) {
              memory.clear();
              Memory part = memory.slice(4, memory.bytes() - 4);
              return part.getFloat(0) == 0;
            }
          });
    }
  }
}
