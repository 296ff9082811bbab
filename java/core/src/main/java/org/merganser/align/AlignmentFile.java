// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar.Completion;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;

/**
 * {@code *.mgalign}: a safetensors file with, for each mapped space, {@code SPACE/permutation} I64
 * [n] and {@code SPACE/scales} F64 [n], or {@code SPACE/map} and {@code SPACE/inverse} F64 [n x n],
 * or for a pair {@code SPACE/out} F64 [n_ref x n] and {@code SPACE/in} F64 [n x n_ref]; and {@code
 * SPACE/spectrum} F64. A space without any has the identity. Metadata: {@code format}, {@code
 * version}, {@code method} (with its settings), {@code architecture} (a builder file), {@code
 * reference} (another, where widths differ), and for each space {@code SPACE/family} ({@code PAIR}
 * for a pair), {@code SPACE/score}, {@code SPACE/completion}, and where they are known {@code
 * SPACE/samples}, {@code SPACE/fit}, {@code SPACE/chance}.
 *
 * <p>Version 1 has no pairs, no reference, no strides and five families; it is read too.
 */
final class AlignmentFile {
  private static final String FORMAT = "mgalign";
  private static final String VERSION = "2";

  /** Of a pair, in place of a family. */
  private static final String PAIR = "PAIR";

  /** Up to here F64 has all integers. */
  private static final double MOST_SAMPLES = 0x1p53;

  /** What metadata say of a space. */
  private static final List<String> ENTRIES =
      List.of("family", "score", "completion", "samples", "fit", "chance");

  private AlignmentFile() {}

  static void save(Alignment alignment, Path path, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      save(alignment, path, opened, ws);
    }
  }

  private static void save(Alignment alignment, Path path, Opened opened, Workspace ws)
      throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", FORMAT);
    metadata.put("version", VERSION);
    metadata.put("method", alignment.method());
    metadata.put("architecture", alignment.architecture().toJson());
    if (!alignment.reference().equals(alignment.architecture())) {
      metadata.put("reference", alignment.reference().toJson());
    }
    alignment
        .spaces()
        .forEach(
            (id, space) -> {
              metadata.put(id + "/family", space.map().family().map(Enum::name).orElse(PAIR));
              metadata.put(id + "/score", Double.toString(space.score()));
              metadata.put(id + "/completion", space.completion().name());
              SpaceAlignment.Evidence evidence = space.evidence();
              if (evidence.samples() > 0) {
                metadata.put(id + "/samples", Long.toString(evidence.samples()));
                metadata.put(id + "/fit", Double.toString(evidence.fit()));
                metadata.put(id + "/chance", Double.toString(evidence.chance()));
              }
              double[] spectrum = space.spectrum();
              tensors.put(id + "/spectrum", opened.add(Tensor.of(spectrum, spectrum.length)));
              if (space.map() instanceof LinearMap linear) {
                tensors.put(id + "/map", linear.matrix().asTensor());
                tensors.put(id + "/inverse", linear.inverseMatrix().asTensor());
              } else if (space.map() instanceof MapPair pair) {
                tensors.put(id + "/out", pair.out().asTensor());
                tensors.put(id + "/in", pair.in().asTensor());
              } else if (space.map() instanceof ScaledPermutation permutation) {
                tensors.put(id + "/permutation", opened.add(integers(permutation.permutation())));
                tensors.put(
                    id + "/scales",
                    opened.add(Tensor.of(permutation.scales(), permutation.width())));
              }
            });
    // Not closed as a whole: the matrices belong to the maps.
    Safetensors.write(MemoryCheckpoint.of(tensors), metadata, path, ws);
  }

  static Alignment load(Path path, Workspace ws) throws IOException {
    try (Checkpoint file = Safetensors.open(path);
        Opened opened = new Opened()) {
      Map<String, String> metadata = file.metadata();
      checkVersion(path, metadata);
      Set<String> used = new HashSet<>();
      Architecture architecture =
          Architecture.fromJson(path + " architecture", entry(metadata, path, "architecture"));
      Architecture reference =
          metadata.containsKey("reference")
              ? Architecture.fromJson(path + " reference", metadata.get("reference"))
              : architecture;
      Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
      for (FeatureSpace space : architecture.spaces()) {
        spaces.put(space.id(), space(file, path, space, used, opened, ws));
      }
      requireUsed(path, file, architecture, used);
      Alignment alignment =
          new Alignment(entry(metadata, path, "method"), architecture, reference, spaces);
      opened.release();
      return alignment;
    } catch (IllegalArgumentException
        | ArithmeticException
        | ShapeException
        | IncompatibleModelsException e) {
      throw new FormatException(path + ": " + e.getMessage(), e);
    }
  }

  private static void checkVersion(Path path, Map<String, String> metadata) {
    String version = metadata.getOrDefault("version", "");
    if (!FORMAT.equals(metadata.get("format")) || !version.matches("[1-9][0-9]{0,8}")) {
      throw new FormatException(
          path
              + ": no alignment (format "
              + metadata.get("format")
              + (FORMAT.equals(metadata.get("format")) ? ", version '" + version + "'" : "")
              + "); one is made by 'align'");
    }
    if (Integer.parseInt(version) > Integer.parseInt(VERSION)) {
      throw new FormatException(
          path
              + ": an alignment of version "
              + version
              + ", which a later Merganser wrote; this one reads versions 1 to "
              + VERSION
              + ": update it, or make the alignment again with this one");
    }
  }

  /** A misspelt name would leave a space with the identity, or a map without its evidence. */
  private static void requireUsed(
      Path path, Checkpoint file, Architecture architecture, Set<String> used) {
    for (String name : file.tensors().keySet()) {
      if (!used.contains(name)) {
        throw new FormatException(
            path + ": tensor " + Names.quote(name) + " is no part of a map of " + architecture);
      }
    }
    Set<String> known = new HashSet<>();
    architecture.spaces().forEach(s -> ENTRIES.forEach(entry -> known.add(s.id() + "/" + entry)));
    for (String key : file.metadata().keySet()) {
      if (key.contains("/") && !known.contains(key)) {
        throw new FormatException(
            path + ": metadata " + Names.quote(key) + " is none of a space of " + architecture);
      }
    }
  }

  private static String entry(Map<String, String> metadata, Path path, String key) {
    String value = metadata.get(key);
    if (value == null) {
      throw new FormatException(path + ": metadata lacks '" + key + "'");
    }
    return value;
  }

  private static SpaceAlignment space(
      Checkpoint file, Path path, FeatureSpace space, Set<String> used, Opened opened, Workspace ws)
      throws IOException {
    String id = space.id();
    Map<String, String> metadata = file.metadata();
    String family = family(metadata, path, id);
    used.add(id + "/spectrum");
    FeatureMap map = new IdentityMap(space.width());
    if (file.tensors().containsKey(id + "/map")) {
      Matrix matrix = matrix(file, path, id + "/map", used, opened, ws);
      matrix.require(path + " '" + id + "/map'", space.width(), space.width());
      Matrix inverse = matrix(file, path, id + "/inverse", used, opened, ws);
      boolean orthogonal =
          MapFamily.ORTHOGONAL.name().equals(family) && isTranspose(matrix, inverse, ws);
      // Of an orthogonal one both are kept as they are, since one is the transpose of the other.
      map = LinearMap.of(matrix, inverse, orthogonal ? MapFamily.ORTHOGONAL : MapFamily.ANY_LINEAR);
    } else if (file.tensors().containsKey(id + "/out")) {
      Matrix out = matrix(file, path, id + "/out", used, opened, ws);
      map = MapPair.of(out, matrix(file, path, id + "/in", used, opened, ws));
    } else if (file.tensors().containsKey(id + "/permutation")) {
      used.addAll(List.of(id + "/permutation", id + "/scales"));
      try (Tensor permutation = file.read(id + "/permutation", ws)) {
        map = ScaledPermutation.of(integers(permutation), doubles(file, id + "/scales", ws));
      }
    }
    if (map.family().isEmpty() != PAIR.equals(family)) {
      throw new FormatException(
          path + ": space '" + id + "' has a map of family " + family + ", its tensors are " + map);
    }
    return new SpaceAlignment(
        map,
        number(metadata, path, id + "/score"),
        doubles(file, id + "/spectrum", ws),
        constant(Completion.values(), metadata, path, id + "/completion"),
        evidence(metadata, path, id));
  }

  private static String family(Map<String, String> metadata, Path path, String id) {
    String family = entry(metadata, path, id + "/family");
    return family.equals(PAIR)
        ? family
        : constant(MapFamily.values(), metadata, path, id + "/family").name();
  }

  private static <E extends Enum<E>> E constant(
      E[] values, Map<String, String> metadata, Path path, String key) {
    String text = entry(metadata, path, key);
    return Arrays.stream(values)
        .filter(value -> value.name().equals(text))
        .findFirst()
        .orElseThrow(() -> noValue(path, key, text, "one of " + Arrays.toString(values)));
  }

  private static double number(Map<String, String> metadata, Path path, String key) {
    String text = entry(metadata, path, key);
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw noValue(path, key, text, "a number");
    }
  }

  private static FormatException noValue(Path path, String key, String text, String wanted) {
    return new FormatException(
        path + ": metadata '" + key + "' is " + Names.quote(text) + "; it must be " + wanted);
  }

  private static Matrix matrix(
      Checkpoint file, Path path, String name, Set<String> used, Opened opened, Workspace ws)
      throws IOException {
    used.add(name);
    Tensor tensor = opened.add(file.readOn(name, ws));
    Matrix matrix = Matrix.of(tensor);
    long[] found =
        Kernels.of(ws).tensors().nonFinite(tensor.dtype().code(), tensor.size(), Block.of(tensor));
    if (found[0] > 0) {
      throw new FormatException(
          path
              + ": "
              + Names.quote(name)
              + " "
              + tensor
              + " holds "
              + found[0]
              + " non-finite values, the first at index "
              + found[1]);
    }
    return matrix;
  }

  /** Files of other programs may have none. */
  private static SpaceAlignment.Evidence evidence(
      Map<String, String> metadata, Path path, String id) {
    if (!metadata.containsKey(id + "/samples")) {
      return SpaceAlignment.Evidence.NONE;
    }
    double samples = number(metadata, path, id + "/samples");
    if (!(samples >= 0 && samples <= MOST_SAMPLES) || samples != Math.rint(samples)) {
      throw noValue(path, id + "/samples", metadata.get(id + "/samples"), "a number of samples");
    }
    return new SpaceAlignment.Evidence(
        (long) samples,
        number(metadata, path, id + "/fit"),
        number(metadata, path, id + "/chance"));
  }

  /** The family alone is not believed: the inverse of an orthogonal map is its transpose. */
  private static boolean isTranspose(Matrix matrix, Matrix inverse, Workspace ws) {
    try (Matrix transpose = LinAlg.transpose(matrix, ws);
        Matrix wanted = transpose.toHost(ws);
        Matrix found = inverse.toHost(ws)) {
      return found.asTensor().sameBytes(wanted.asTensor());
    }
  }

  private static double[] doubles(Checkpoint file, String name, Workspace ws) throws IOException {
    try (Tensor tensor = file.read(name, ws)) {
      return tensor.toDoubleArray();
    }
  }

  private static Tensor integers(int[] values) {
    Tensor tensor = Tensor.allocate(DType.I64, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.memory().putLong(8L * i, values[i]);
    }
    return tensor;
  }

  private static int[] integers(Tensor tensor) {
    tensor.require("permutation", DType.I64, tensor.size());
    int[] values = new int[tensor.size() < Integer.MAX_VALUE ? (int) tensor.size() : 0];
    for (int i = 0; i < tensor.size(); i++) {
      long value = tensor.memory().getLong(8L * i);
      if (value < 0 || value >= values.length) {
        throw new ShapeException(
            "no permutation: entry " + i + " is " + value + " of " + tensor.size());
      }
      values[i] = (int) value;
    }
    return values;
  }
}
