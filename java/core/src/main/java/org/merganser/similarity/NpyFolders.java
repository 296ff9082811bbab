// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.PairedActivations;
import org.merganser.similarity.GridAccumulator.Layer;

/**
 * Layers that another program wrote, {@code FOLDER/LAYER.npy}, a folder for each network or one
 * file of it, samples first and the same in all files: {@link SampleIds} says so where it is there.
 * A pass reads tiles of rows.
 */
final class NpyFolders implements PairedActivations {
  private static final String ENDING = ".npy";
  private static final long TILE_BYTES = 1L << 26;

  private final List<Map<String, Path>> files;
  private final long samples;
  private final Workspace ws;

  private NpyFolders(List<Map<String, Path>> files, long samples, Workspace ws) {
    this.files = files;
    this.samples = samples;
    this.ws = ws;
  }

  static NpyFolders open(List<Path> folders, Workspace ws) throws IOException {
    List<Map<String, Path>> files = new ArrayList<>();
    Map<Path, Long> samples = new LinkedHashMap<>();
    List<String> problems = new ArrayList<>();
    for (Path folder : folders) {
      Map<String, Path> found = files(folder);
      files.add(found);
      for (Path file : found.values()) {
        try (Npy npy = Npy.open(file)) {
          TensorInfo info = npy.info();
          if (!info.dtype().isArithmetic() || info.rank() < 1 || info.size() == 0) {
            problems.add(file + " " + info + ": activations are floating point, samples first");
          } else {
            samples.put(file, info.dim(0));
          }
        }
      }
    }
    if (Set.copyOf(samples.values()).size() > 1) {
      problems.add("the same samples must be in all files; numbers of samples are " + samples);
    }
    if (problems.isEmpty()) {
      SampleIds.require(folders, samples.values().iterator().next(), problems);
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("activations do not fit", problems);
    }
    return new NpyFolders(files, samples.values().iterator().next(), ws);
  }

  private static Map<String, Path> files(Path folder) throws IOException {
    if (Files.isRegularFile(folder)) {
      return Map.of(layer(folder), folder);
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException(
          folder
              + (Files.exists(folder) ? " is neither file nor folder" : " does not exist")
              + "; activations come as a folder with one LAYER.npy for each layer, or as one such"
              + " file");
    }
    Map<String, Path> found = new LinkedHashMap<>();
    try (Stream<Path> all = Files.list(folder)) {
      all.filter(file -> file.getFileName().toString().endsWith(ENDING))
          .sorted(Comparator.comparing(NpyFolders::layer, NpyFolders::byNumbers))
          .forEach(file -> found.put(layer(file), file));
    }
    if (found.isEmpty()) {
      throw new IOException("activation folder " + folder + " has no LAYER.npy");
    }
    return found;
  }

  private static String layer(Path file) {
    String name = file.getFileName().toString();
    return name.endsWith(ENDING) ? name.substring(0, name.length() - ENDING.length()) : name;
  }

  /** {@code layer2} before {@code layer10}. */
  static int byNumbers(String a, String b) {
    String[] left = a.split("(?<=\\D)(?=\\d)|(?<=\\d)(?=\\D)");
    String[] right = b.split("(?<=\\D)(?=\\d)|(?<=\\d)(?=\\D)");
    for (int k = 0; k < Math.min(left.length, right.length); k++) {
      boolean numbers = isNumber(left[k]) && isNumber(right[k]);
      int order =
          numbers
              ? new BigInteger(left[k]).compareTo(new BigInteger(right[k]))
              : left[k].compareTo(right[k]);
      if (order != 0) {
        return order;
      }
    }
    return left.length != right.length ? left.length - right.length : a.compareTo(b);
  }

  private static boolean isNumber(String part) {
    return part.chars().allMatch(c -> c >= '0' && c <= '9') && !part.isEmpty();
  }

  List<Layer> layers(int model) {
    return Layer.of(model, List.copyOf(files.get(model).keySet()));
  }

  long samples() {
    return samples;
  }

  @Override
  public Pass open(Set<String> taps) throws IOException {
    try (Opened opened = new Opened()) {
      List<Map<String, Npy>> models = new ArrayList<>();
      long rowBytes = 1;
      for (Map<String, Path> ofModel : files) {
        Map<String, Npy> layers = new LinkedHashMap<>();
        models.add(layers);
        for (Map.Entry<String, Path> file : ofModel.entrySet()) {
          if (taps.contains(file.getKey())) {
            Npy npy = opened.add(Npy.open(file.getValue()));
            layers.put(file.getKey(), npy);
            rowBytes += npy.info().bytes() / samples;
          }
        }
      }
      Tiles tiles = new Tiles(models, Math.max(1, TILE_BYTES / rowBytes));
      opened.release();
      return tiles;
    }
  }

  /** Opens files for each pass. */
  @Override
  public void close() {}

  private final class Tiles implements Pass {
    private final List<Map<String, Npy>> models;
    private final long tile;
    private Opened batch = new Opened();
    private long from;

    Tiles(List<Map<String, Npy>> models, long tile) {
      this.models = models;
      this.tile = tile;
    }

    @Override
    public boolean hasNext() {
      return from < samples;
    }

    @Override
    public Batch next() throws IOException {
      batch.close();
      batch = new Opened();
      long to = Math.min(samples, from + tile);
      List<Map<String, Tensor>> all = new ArrayList<>();
      for (Map<String, Npy> ofModel : models) {
        Map<String, Tensor> rows = new LinkedHashMap<>();
        all.add(rows);
        for (Map.Entry<String, Npy> layer : ofModel.entrySet()) {
          rows.put(layer.getKey(), rows(layer.getValue(), to));
        }
      }
      Batch next = new Batch(from, to - from, all);
      from = to;
      return next;
    }

    private Tensor rows(Npy file, long to) throws IOException {
      long[] shape = file.info().dims();
      shape[0] = to - from;
      Tensor stored = batch.add(Tensor.allocate(file.info().dtype(), shape));
      file.readRows(from, to, stored);
      boolean real = stored.dtype() == DType.F64 || stored.dtype() == DType.F32;
      return real ? stored : batch.add(stored.to(DType.F32, ws));
    }

    @Override
    public void close() {
      batch.close();
      models.forEach(layers -> layers.values().forEach(Npy::close));
    }
  }
}
