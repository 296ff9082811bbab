// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.Collection;
import java.util.List;

/**
 * How a tensor is divided for digests: the largest trailing sub-array of at most so many bytes, and
 * as many of them as fit, within one of the next larger. So whole rows, planes and tensors are
 * whole pieces, whatever a tile is. Types of less than a byte count as vectors.
 *
 * @param unit elements of a piece
 * @param group elements in which pieces begin anew
 */
record Pieces(long size, long unit, long group) {
  static final long BYTES = 2 << 20;

  static Pieces of(TensorInfo info, long bytes) {
    int bits = info.dtype().bits();
    List<Long> shape = bits < 8 ? List.of(info.size()) : info.shape();
    long most = Math.max(bits < 8 ? 8 : 1, bytes * 8 / bits);
    long part = 1;
    long group = info.size();
    for (int axis = shape.size() - 1; axis >= 0; axis--) {
      long larger = part * shape.get(axis);
      if (larger > most) {
        group = larger;
        break;
      }
      part = larger;
    }
    long unit = Math.max(1, most / Math.max(1, part) * part);
    return new Pieces(info.size(), bits < 8 ? Math.max(8, unit / 8 * 8) : unit, group);
  }

  /** Of {@link #BYTES}, of all tensors. */
  static int count(Collection<TensorInfo> tensors) {
    return tensors.stream().mapToInt(info -> of(info, BYTES).count()).reduce(0, Math::addExact);
  }

  /** An empty tensor is one empty piece. */
  int count() {
    return size == 0 ? 1 : Math.toIntExact(size / group * inGroup());
  }

  private long inGroup() {
    return (group + unit - 1) / unit;
  }

  long begin(int piece) {
    return size == 0 ? 0 : piece / inGroup() * group + piece % inGroup() * unit;
  }

  long end(int piece) {
    return size == 0 ? 0 : Math.min(begin(piece) + unit, piece / inGroup() * group + group);
  }

  /** The end of the least pieces from one on that end with a block. */
  int upTo(int piece, long block) {
    int last = piece;
    while (last + 1 < count() && end(last) % block != 0) {
      last++;
    }
    return last + 1;
  }
}
