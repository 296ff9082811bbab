// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.PairedActivations;

/**
 * Activations that another program wrote: {@code FOLDER/SPACE.npy}, one folder a model, the same
 * samples in all. A pass reads tiles of rows.
 */
final class ActivationFiles implements PairedActivations {
  private static final long TILE_BYTES = 1L << 25;

  private final Architecture architecture;
  private final List<Path> folders;
  private final Map<String, List<TensorInfo>> infos = new LinkedHashMap<>();
  private final Workspace ws;

  /**
   * @throws IOException naming a folder or file that is not there
   * @throws IncompatibleModelsException when widths or numbers of samples differ
   */
  ActivationFiles(Architecture architecture, List<Path> folders, Workspace ws) throws IOException {
    this.architecture = architecture;
    this.folders = List.copyOf(folders);
    this.ws = ws;
    for (Path folder : folders) {
      checkFolder(folder);
    }
    checkHeaders();
  }

  /** One pass for each space: they need not have the same number of samples. */
  Moments collect(StatisticsRequest request, Moments.Options options) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, SpaceMoments> found = new LinkedHashMap<>();
      for (FeatureSpace space : architecture.spaces()) {
        String id = space.id();
        Moments.Options own =
            new Moments.Options(precision(space, options), options.nonFinite(), options.budget());
        Moments moments =
            new Collector(this, architecture, folders.size(), samples(id), request, own, ws)
                .collect(Map.of(id, space.width()), "statistics of " + id);
        found.put(id, opened.add(moments.space(id)));
      }
      opened.release();
      return new Moments(found);
    }
  }

  /**
   * With fewer samples than features the statistics are singular, and the rounding of F32 products
   * would fill what is empty; F64 costs little there.
   */
  private Precision precision(FeatureSpace space, Moments.Options options) {
    List<TensorInfo> found = infos.get(space.id());
    long features = found.stream().mapToLong(info -> features(info, space)).sum();
    TensorInfo info = found.get(0);
    boolean few = info.size() / Math.max(1, features(info, space)) <= features;
    return options.precision() == Precision.AUTO && few ? Precision.F64 : options.precision();
  }

  private long samples(String space) {
    return infos.get(space).get(0).dim(0);
  }

  @Override
  public Pass open(Set<String> spaces) throws IOException {
    Map<String, Long> samples = new TreeMap<>();
    spaces.forEach(space -> samples.put(space, samples(space)));
    if (Set.copyOf(samples.values()).size() > 1) {
      throw new IncompatibleModelsException(
          "activations of several spaces are not of the same samples",
          List.of("numbers of samples: " + samples));
    }
    try (Opened opened = new Opened()) {
      List<Map<String, Npy>> files = new ArrayList<>();
      for (Path folder : folders) {
        Map<String, Npy> ofModel = new LinkedHashMap<>();
        for (String space : spaces) {
          ofModel.put(space, opened.add(Npy.open(file(folder, space))));
        }
        files.add(ofModel);
      }
      Tiles tiles = new Tiles(files);
      opened.release();
      return tiles;
    }
  }

  /** Opens files for each pass. */
  @Override
  public void close() {}

  /** Rows of all files, from the first on. */
  private final class Tiles implements Pass {
    private final List<Map<String, Npy>> files;
    private final long samples;
    private final long tile;
    private Opened batch = new Opened();
    private long from;

    Tiles(List<Map<String, Npy>> files) {
      this.files = files;
      Set<String> spaces = files.get(0).keySet();
      this.samples = spaces.stream().mapToLong(ActivationFiles.this::samples).findAny().orElse(0);
      this.tile = spaces.stream().mapToLong(this::tile).min().orElse(1);
    }

    private long tile(String space) {
      return Math.max(1, TILE_BYTES / Math.max(1, infos.get(space).get(0).bytes() / samples));
    }

    @Override
    public boolean hasNext() {
      return from < samples;
    }

    @Override
    public Batch next() throws IOException {
      batch.close();
      long to = Math.min(samples, from + tile);
      List<Map<String, Tensor>> models = new ArrayList<>();
      for (Map<String, Npy> ofModel : files) {
        Map<String, Tensor> rows = new LinkedHashMap<>();
        for (Map.Entry<String, Npy> file : ofModel.entrySet()) {
          rows.put(file.getKey(), rows(file.getValue(), common(file.getKey()), to));
        }
        models.add(rows);
      }
      Batch next = new Batch(from, to - from, models);
      from = to;
      return next;
    }

    /** One type for all models: the widest found. */
    private DType common(String space) {
      boolean wide = infos.get(space).stream().anyMatch(info -> info.dtype() == DType.F64);
      return wide ? DType.F64 : DType.F32;
    }

    private Tensor rows(Npy file, DType dtype, long to) throws IOException {
      long[] shape = file.info().dims();
      shape[0] = to - from;
      Tensor stored = batch.add(Tensor.allocate(file.info().dtype(), shape));
      file.readRows(from, to, stored);
      if (stored.dtype() == dtype) {
        return stored;
      }
      try (stored) {
        return batch.add(stored.to(dtype, ws));
      }
    }

    @Override
    public void close() {
      batch.close();
      files.forEach(ofModel -> ofModel.values().forEach(Npy::close));
    }
  }

  private void checkFolder(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      throw new IOException("activation folder " + folder + " does not exist");
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException(
          folder + " is a file; activations come as a folder with one SPACE.npy for each space");
    }
    List<String> missing =
        architecture.spaces().stream()
            .map(FeatureSpace::id)
            .filter(space -> !Files.exists(file(folder, space)))
            .map(space -> space + ".npy")
            .toList();
    if (!missing.isEmpty()) {
      throw new IOException(
          "activation folder " + folder + " lacks " + missing + "; it holds " + names(folder));
    }
  }

  private void checkHeaders() throws IOException {
    List<String> problems = new ArrayList<>();
    for (FeatureSpace space : architecture.spaces()) {
      List<TensorInfo> found = new ArrayList<>();
      for (Path folder : folders) {
        Path path = file(folder, space.id());
        try (Npy npy = Npy.open(path)) {
          found.add(npy.info());
          check(space, path, npy.info(), found.get(0), problems);
        }
      }
      infos.put(space.id(), found);
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("activations do not fit", problems);
    }
  }

  private static void check(
      FeatureSpace space, Path file, TensorInfo info, TensorInfo first, List<String> problems) {
    String where = "space '" + space.id() + "': " + file + " " + info;
    if (!info.dtype().isArithmetic()) {
      problems.add(where + ": activations must be floating point");
    } else if (FeatureAxis.of(info.rank(), space.featureAxis()) < 0) {
      problems.add(
          where
              + ": needed [samples, "
              + space.width()
              + "]"
              + (info.rank() < 2 ? "" : ", features on axis " + space.featureAxis()));
    } else if (features(info, space) != space.width()) {
      boolean last = info.rank() > 2 && info.dim(info.rank() - 1) == space.width();
      problems.add(
          where
              + ": the space has "
              + space.width()
              + " features"
              + (last
                  ? ", and they come last: give the space \"feature-axis\": -1 in a builder file, or"
                      + " save np.moveaxis(array, -1, 1), [samples, features, ...]"
                  : ""));
    } else if (info.dim(0) < 2) {
      problems.add(where + ": at least 2 samples are needed");
    } else if (!samples(first, space).equals(samples(info, space))) {
      problems.add(
          where + ": the first model has " + first + "; the same samples must go to every model");
    }
  }

  /** The shape without the features. */
  private static List<Long> samples(TensorInfo info, FeatureSpace space) {
    List<Long> shape = new ArrayList<>(info.shape());
    int axis = FeatureAxis.of(info.rank(), space.featureAxis());
    if (axis >= 0) {
      shape.remove(axis);
    }
    return shape;
  }

  private static long features(TensorInfo info, FeatureSpace space) {
    return info.dim(FeatureAxis.of(info.rank(), space.featureAxis()));
  }

  private static Path file(Path folder, String space) {
    return folder.resolve(space + ".npy");
  }

  private static String names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      TreeSet<String> names = new TreeSet<>();
      files.limit(20).forEach(f -> names.add(f.getFileName().toString()));
      return names.isEmpty() ? "nothing" : names.toString();
    }
  }
}
