// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.FileBytes;
import org.merganser.linalg.Tensor;

/**
 * The tensors of a file of {@code torch.save}. What is contiguous there is read by position, as
 * from safetensors; other views of a storage are gathered whole, each byte of it about once.
 */
final class TorchCheckpoint implements Checkpoint {
  private static final long SPAN = 1 << 22;

  private final FileBytes file;
  private final TorchFile content;
  private final Map<String, TensorInfo> infos;

  TorchCheckpoint(FileBytes file, TorchFile content) {
    this.file = file;
    this.content = content;
    Map<String, TensorInfo> found = new LinkedHashMap<>();
    content.tensors().forEach((name, tensor) -> found.put(name, tensor.info()));
    this.infos = Collections.unmodifiableMap(found);
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return infos;
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of("format", "pt");
  }

  @Override
  public long block(String name) {
    TensorInfo info = info(name);
    return isContiguous(content.tensors().get(name)) ? 1 : Math.max(1, info.size());
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TensorInfo info = info(name);
    Ranges.check(name, info, from, to, into);
    TorchGlobals.Stored tensor = content.tensors().get(name);
    if (isContiguous(tensor)) {
      long begin = at(tensor, tensor.offset());
      Reads.file(file, begin + info.dtype().bytes(from), into, ws);
      return;
    }
    try (Tensor whole = Tensor.allocate(info.dtype(), info.size())) {
      new Gather(tensor, whole).run();
      try (Tensor part = Ranges.part(whole, from, to);
          Tensor flat = into.reshape(to - from)) {
        flat.copyFrom(part, ws);
      }
    }
  }

  private long at(TorchGlobals.Stored tensor, long element) {
    // Of an empty tensor the offset means nothing.
    return content.begins().get(tensor.storage().key())
        + (tensor.info().size() == 0 ? 0 : tensor.info().dtype().bytes(element));
  }

  /** Whether the elements lie in row-major order without gaps; axes of length 1 have no stride. */
  private static boolean isContiguous(TorchGlobals.Stored tensor) {
    TensorInfo info = tensor.info();
    long expected = 1;
    for (int axis = info.rank() - 1; axis >= 0 && info.size() > 0; axis--) {
      if (info.dim(axis) != 1 && tensor.strides().get(axis) != expected) {
        return false;
      }
      expected *= info.dim(axis);
    }
    return true;
  }

  @Override
  public void close() {
    file.close();
  }

  @Override
  public String toString() {
    return file.path().toString();
  }

  /**
   * Copies a view of a storage into row-major order. A box of elements that spans more of the file
   * than is read at once is cut across the axis that spans most, so that of a transposed matrix
   * every byte is read once.
   */
  private final class Gather {
    private final TorchGlobals.Stored tensor;
    private final Tensor into;
    private final int width;
    private final long[] strides;
    private final long[] steps;

    Gather(TorchGlobals.Stored tensor, Tensor into) {
      this.tensor = tensor;
      this.into = into;
      this.width = tensor.info().dtype().bits() / 8;
      int rank = tensor.info().rank();
      this.strides = tensor.strides().stream().mapToLong(Long::longValue).toArray();
      this.steps = new long[rank];
      long step = 1;
      for (int axis = rank - 1; axis >= 0; axis--) {
        steps[axis] = step;
        step *= tensor.info().dim(axis);
      }
    }

    void run() throws IOException {
      box(tensor.info().dims(), tensor.offset(), 0);
    }

    private void box(long[] dims, long source, long target) throws IOException {
      long span = 1;
      int widest = 0;
      for (int axis = 0; axis < dims.length; axis++) {
        span += (dims[axis] - 1) * strides[axis];
        widest = extent(dims, axis) > extent(dims, widest) ? axis : widest;
      }
      if (span <= SPAN / width) {
        int length = (int) span * width;
        copy(dims, 0, file.read(at(tensor, source), length), 0, target);
        return;
      }
      long[] half = dims.clone();
      half[widest] = dims[widest] / 2;
      box(half, source, target);
      long[] rest = dims.clone();
      rest[widest] = dims[widest] - half[widest];
      box(rest, source + half[widest] * strides[widest], target + half[widest] * steps[widest]);
    }

    private long extent(long[] dims, int axis) {
      return (dims[axis] - 1) * strides[axis];
    }

    private void copy(long[] dims, int axis, ByteBuffer from, long source, long target) {
      if (axis < dims.length - 1) {
        for (long i = 0; i < dims[axis]; i++) {
          copy(dims, axis + 1, from, source + i * strides[axis], target + i * steps[axis]);
        }
        return;
      }
      // An axis of stride 0 may be longer than what was read.
      long most = SPAN / width;
      for (long done = 0; done < dims[axis]; done += most) {
        int count = (int) Math.min(most, dims[axis] - done);
        ByteBuffer row = into.buffer((target + done) * width, count * width);
        for (int i = 0; i < count; i++) {
          int at = (int) (source + (done + i) * strides[axis]) * width;
          row.put(i * width, from, at, width);
        }
      }
    }
  }
}
