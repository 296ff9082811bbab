// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.internal.kernel.Block;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** What commands take from {@code .npy} files, with messages that name the file. */
final class ArrayFiles {
  private ArrayFiles() {}

  /**
   * An F64 or F32 matrix.
   *
   * @param what its rows and columns are, for messages
   */
  static Matrix matrix(Path file, String what) throws IOException {
    Tensor read = Npy.read(file);
    if (read.rank() != 2 || read.dtype() != DType.F64 && read.dtype() != DType.F32) {
      throw refused(read, file, "an F64 or F32 matrix " + what);
    }
    return Matrix.of(read);
  }

  /** Numbers, a vector or one column. */
  static double[] values(Path file) throws IOException {
    try (Tensor read = Npy.read(file)) {
      boolean one = read.rank() == 1 || read.rank() == 2 && read.dim(1) == 1;
      if (!one || read.dtype() != DType.F64 && read.dtype() != DType.F32) {
        throw refused(read, file, "an F64 or F32 vector, a value for each vertex");
      }
      return read.toDoubleArray();
    }
  }

  /** Pairs of vertices. */
  static int[][] edges(Path file) throws IOException {
    try (Tensor read = Npy.read(file)) {
      boolean pairs = read.rank() == 2 && read.dim(1) == 2;
      if (!pairs || read.dtype() != DType.I64 && read.dtype() != DType.I32) {
        throw refused(read, file, "an I64 or I32 matrix [edges x 2], two vertices a row");
      }
      int[][] edges = new int[Math.toIntExact(read.dim(0))][2];
      try (Block.View view = Block.view(read, 0, Math.toIntExact(read.bytes()))) {
        ByteBuffer buffer = view.buffer();
        for (int[] edge : edges) {
          for (int end = 0; end < 2; end++) {
            long vertex = read.dtype() == DType.I64 ? buffer.getLong() : buffer.getInt();
            // Whatever an int does not hold is no vertex either.
            edge[end] = (int) Math.max(-1, Math.min(Integer.MAX_VALUE, vertex));
          }
        }
      }
      return edges;
    }
  }

  private static ShapeException refused(Tensor read, Path file, String needed) {
    return new ShapeException(
        file + " is " + read.dtype() + " " + Arrays.toString(read.shape()) + ", needed " + needed);
  }
}
