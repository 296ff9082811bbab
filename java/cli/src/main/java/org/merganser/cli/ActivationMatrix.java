// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/** Activations in a {@code .npy} file as a matrix, a sample a row. */
final class ActivationMatrix {
  private ActivationMatrix() {}

  static Matrix read(Path file, Workspace ws) throws IOException {
    try (Npy npy = Npy.open(file)) {
      TensorInfo info = npy.info();
      if (info.rank() < 2 || !info.dtype().isArithmetic()) {
        throw new FormatException(
            file
                + " is "
                + info
                + ", no activations [samples x features] of floating point numbers");
      }
    }
    Tensor all = Npy.read(file);
    long samples = all.dim(0);
    Tensor rows = all.reshape(samples, samples == 0 ? 0 : all.size() / samples);
    if (rows.dtype() == DType.F64 || rows.dtype() == DType.F32) {
      return Matrix.of(rows);
    }
    try (rows) {
      return Matrix.of(rows.to(DType.F32, ws));
    }
  }

  /** Those of a folder by name. */
  static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      List<Path> files =
          all.filter(file -> String.valueOf(file.getFileName()).endsWith(".npy")).sorted().toList();
      if (files.isEmpty()) {
        throw new FormatException(folder + " has no .npy files");
      }
      return files;
    }
  }
}
