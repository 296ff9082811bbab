// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;

/** Activations that another program wrote: {@code FOLDER/SPACE.npy}, one folder a model. */
final class ActivationFiles {
  private static final long TILE_BYTES = 1L << 25;

  private final Architecture architecture;
  private final List<Path> folders;

  ActivationFiles(Architecture architecture, List<Path> folders) {
    this.architecture = architecture;
    this.folders = List.copyOf(folders);
  }

  Moments collect(StatisticsRequest request, Moments.Options options, Workspace ws)
      throws IOException {
    for (Path folder : folders) {
      checkFolder(folder);
    }
    checkHeaders();
    Map<String, SpaceMoments> result = new LinkedHashMap<>();
    for (FeatureSpace space : architecture.spaces()) {
      result.put(space.id(), collect(space, request, options, ws));
    }
    return new Moments(result);
  }

  private SpaceMoments collect(
      FeatureSpace space, StatisticsRequest request, Moments.Options options, Workspace ws)
      throws IOException {
    List<Npy> files = new ArrayList<>();
    try {
      for (Path folder : folders) {
        files.add(Npy.open(file(folder, space)));
      }
      long[] widths = files.stream().mapToLong(f -> features(f.info(), space)).toArray();
      try (MomentAccumulator accumulator =
          new MomentAccumulator(
              space.id(),
              widths,
              request,
              precision(files, space, options),
              options.nonFinite(),
              ws)) {
        TensorInfo info = files.get(0).info();
        long samples = info.dim(0);
        long tile = Math.max(1, TILE_BYTES / Math.max(1, info.bytes() / samples));
        for (long from = 0; from < samples; from += tile) {
          ws.cancellation().check();
          ws.progress().report("statistics of " + space.id(), from, samples);
          List<Tensor> rows = rows(files, from, Math.min(samples, from + tile), ws);
          try {
            accumulator.update(rows, space.featureAxis());
          } finally {
            rows.forEach(Tensor::close);
          }
        }
        return accumulator.moments();
      }
    } finally {
      files.forEach(Npy::close);
    }
  }

  /**
   * With fewer samples than features the statistics are singular, and the rounding of F32 products
   * would fill what is empty; F64 costs little there.
   */
  private static Precision precision(List<Npy> files, FeatureSpace space, Moments.Options options) {
    long features = files.stream().mapToLong(f -> features(f.info(), space)).sum();
    TensorInfo info = files.get(0).info();
    boolean few = info.size() / Math.max(1, features(info, space)) <= features;
    return options.precision() == Precision.AUTO && few ? Precision.F64 : options.precision();
  }

  private static List<Tensor> rows(List<Npy> files, long from, long to, Workspace ws)
      throws IOException {
    // One type for all models: the widest found.
    DType common =
        files.stream().anyMatch(f -> f.info().dtype() == DType.F64) ? DType.F64 : DType.F32;
    List<Tensor> tensors = new ArrayList<>();
    for (Npy file : files) {
      long[] shape = file.info().dims();
      shape[0] = to - from;
      Tensor tensor = Tensor.allocate(file.info().dtype(), shape);
      file.readRows(from, to, tensor);
      if (tensor.dtype() == common) {
        tensors.add(tensor);
      } else {
        tensors.add(tensor.to(common, ws));
        tensor.close();
      }
    }
    return tensors;
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
            .filter(space -> !Files.exists(file(folder, space)))
            .map(space -> space.id() + ".npy")
            .toList();
    if (!missing.isEmpty()) {
      throw new IOException(
          "activation folder " + folder + " lacks " + missing + "; it holds " + names(folder));
    }
  }

  private void checkHeaders() throws IOException {
    List<String> problems = new ArrayList<>();
    for (FeatureSpace space : architecture.spaces()) {
      TensorInfo first = null;
      for (Path folder : folders) {
        try (Npy npy = Npy.open(file(folder, space))) {
          TensorInfo info = npy.info();
          check(space, file(folder, space), info, first, problems);
          first = first == null ? info : first;
        }
      }
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
    } else if (first != null && !samples(first, space).equals(samples(info, space))) {
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

  private static Path file(Path folder, FeatureSpace space) {
    return folder.resolve(space.id() + ".npy");
  }

  private static String names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      TreeSet<String> names = new TreeSet<>();
      files.limit(20).forEach(f -> names.add(f.getFileName().toString()));
      return names.isEmpty() ? "nothing" : names.toString();
    }
  }
}
