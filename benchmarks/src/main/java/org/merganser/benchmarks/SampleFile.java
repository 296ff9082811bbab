// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** A file of random samples, F32, about a mean that is not 0; deleted when closed. */
final class SampleFile implements AutoCloseable {
  private static final int BUFFER = 1 << 22;

  private final Path path;

  SampleFile(int n, int width) throws IOException {
    path = Files.createTempFile("merganser-samples", ".npy");
    SplittableRandom random = new SplittableRandom(n);
    ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
    try (FileChannel out = FileChannel.open(path, StandardOpenOption.WRITE)) {
      out.write(Npy.header(TensorInfo.of(DType.F32, n, width)));
      for (long left = (long) n * width; left > 0; left--) {
        buffer.putFloat((float) (1 + random.nextDouble()));
        if (!buffer.hasRemaining() || left == 1) {
          buffer.flip();
          while (buffer.hasRemaining()) {
            out.write(buffer);
          }
          buffer.clear();
        }
      }
    }
  }

  Path path() {
    return path;
  }

  /**
   * That centred products are right: the sum of all is 0, and one of them is that of its rows by
   * plain loops.
   */
  void check(Matrix products, double tolerance) throws IOException {
    try (Npy file = Npy.open(path)) {
      int n = Math.toIntExact(file.info().dim(0));
      int width = Math.toIntExact(file.info().dim(1));
      double[] mean = new double[width];
      double[] first = {};
      double[] last = {};
      for (int i = 0; i < n; i++) {
        double[] row = row(file, i, width);
        for (int k = 0; k < width; k++) {
          mean[k] += row[k] / n;
        }
        first = i == 0 ? row : first;
        last = row;
      }
      double square = 0;
      double product = 0;
      for (int k = 0; k < width; k++) {
        square += (first[k] - mean[k]) * (first[k] - mean[k]);
        product += (first[k] - mean[k]) * (last[k] - mean[k]);
      }
      Validation.requireElement("square", 0, products.get(0, 0), square, tolerance * square);
      double found = products.get(0, n - 1L);
      Validation.requireElement("product", n - 1L, found, product, tolerance * square);
    }
  }

  private static double[] row(Npy file, int i, int width) throws IOException {
    try (Matrix row = Matrix.of(Tensor.allocate(DType.F32, 1, width))) {
      file.readRows(i, i + 1L, row.asTensor());
      return row.row(0);
    }
  }

  @Override
  public void close() throws IOException {
    Files.deleteIfExists(path);
  }
}
