// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.stats.StatisticsRequest.Pair;

/**
 * {@code *.mgstats}: a safetensors file with, for each space, {@code SPACE/samples} F64 [2] (used,
 * skipped), {@code SPACE/mean/I} and {@code SPACE/m2/I} F64 [width], {@code SPACE/block/I,J} F64
 * [width_i x width_j]; metadata {@code format}, {@code version} and {@code spaces} (ids in order,
 * one a line).
 */
final class MomentsFile {
  private static final String FORMAT = "mgstats";
  private static final String VERSION = "1";

  /** As many as F64 counts. */
  private static final double MOST_SAMPLES = 1L << 53;

  private MomentsFile() {}

  static void save(Moments moments, Path path, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String id : moments.spaces()) {
        SpaceMoments space = moments.space(id);
        double[] samples = {space.samples(), space.skipped()};
        tensors.put(id + "/samples", opened.add(Tensor.of(samples, 2)));
        for (int k = 0; k < space.models(); k++) {
          tensors.put(id + "/mean/" + k, opened.add(Tensor.of(space.mean(k), space.width(k))));
          tensors.put(id + "/m2/" + k, opened.add(Tensor.of(space.m2(k), space.width(k))));
        }
        space
            .blocks()
            .forEach(
                (pair, block) ->
                    tensors.put(id + "/block/" + pair.i() + "," + pair.j(), block.asTensor()));
      }
      Map<String, String> metadata =
          Map.of(
              "format", FORMAT, "version", VERSION, "spaces", String.join("\n", moments.spaces()));
      // Not closed as a whole: the blocks belong to the moments.
      Safetensors.write(MemoryCheckpoint.of(tensors), metadata, path, ws);
    }
  }

  static Moments load(Path path, Workspace ws) throws IOException {
    try (Checkpoint file = Safetensors.open(path);
        Opened opened = new Opened()) {
      Map<String, String> metadata = file.metadata();
      if (!FORMAT.equals(metadata.get("format")) || !VERSION.equals(metadata.get("version"))) {
        throw new FormatException(
            path
                + ": metadata says "
                + metadata
                + ", expected format "
                + FORMAT
                + " version "
                + VERSION);
      }
      Map<String, SpaceMoments> spaces = new LinkedHashMap<>();
      String ids = metadata.getOrDefault("spaces", "");
      for (String id : ids.isEmpty() ? new String[0] : ids.split("\n")) {
        spaces.put(id, opened.add(space(file, path, id, ws)));
      }
      opened.release();
      return new Moments(spaces);
    }
  }

  private static SpaceMoments space(Checkpoint file, Path path, String id, Workspace ws)
      throws IOException {
    double[] samples = values(file, path, id + "/samples", 2, ws);
    for (double number : samples) {
      if (!(number >= 0 && number <= MOST_SAMPLES && number == Math.rint(number))) {
        throw new FormatException(
            path + ": '" + id + "/samples' holds " + number + ", which is no number of samples");
      }
    }
    int models = 0;
    while (file.tensors().containsKey(id + "/mean/" + models)) {
      models++;
    }
    if (models == 0) {
      throw new FormatException(path + ": there is no '" + id + "/mean/0'");
    }
    double[][] means = new double[models][];
    double[][] m2 = new double[models][];
    Map<Pair, Matrix> blocks = new LinkedHashMap<>();
    for (int k = 0; k < models; k++) {
      means[k] = values(file, path, id + "/mean/" + k, -1, ws);
      m2[k] = values(file, path, id + "/m2/" + k, means[k].length, ws);
    }
    for (int i = 0; i < models; i++) {
      for (int j = i; j < models; j++) {
        String name = id + "/block/" + i + "," + j;
        TensorInfo info = file.tensors().get(name);
        if (info != null) {
          if (info.dtype() != DType.F64
              || info.rank() != 2
              || info.dim(0) != means[i].length
              || info.dim(1) != means[j].length) {
            throw new FormatException(path + ": '" + name + "' is " + info);
          }
          blocks.put(new Pair(i, j), Matrix.of(file.readOn(name, ws)));
        }
      }
    }
    return new SpaceMoments((long) samples[0], (long) samples[1], means, m2, blocks);
  }

  /** An F64 vector; of any length when {@code length} is -1. */
  private static double[] values(Checkpoint file, Path path, String name, int length, Workspace ws)
      throws IOException {
    TensorInfo info = file.tensors().get(name);
    if (info == null) {
      throw new FormatException(path + ": there is no '" + name + "'");
    }
    if (info.dtype() != DType.F64 || info.rank() != 1 || length >= 0 && info.dim(0) != length) {
      throw new FormatException(path + ": '" + name + "' is " + info);
    }
    try (Tensor tensor = file.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
