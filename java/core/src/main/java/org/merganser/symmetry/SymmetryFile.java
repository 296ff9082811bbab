// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.QueryKey;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;

/**
 * {@code *.mgsymmetry}: a safetensors file with, for layer N, {@code N/units} I64 [m], {@code
 * N/unit-scales} F64 [m], {@code N/sources} I64 [K], {@code N/queries} I64 [K, G], {@code N/phase}
 * and {@code N/ratio} F64 [K, dh/2], or {@code N/key} and {@code N/query} F64 [K, dh, dh], {@code
 * N/value} and {@code N/value-inverse} F64 [K, dh, dh], {@code N/shift} F64 [K, dh], {@code
 * N/attention-gain} and {@code N/mlp-gain} F64 [d], {@code N/gate-scales} F64 [m], {@code
 * N/query-key-gain} F64 [dh/2] or [dh]; and {@code final-gain} F64 [d], {@code
 * residual/permutation} and {@code residual/signs} I64 [d], or {@code residual/matrix} F64 [d, d].
 * What is an identity may be absent. Metadata: {@code merganser.symmetry}, the version, and {@code
 * config}, a line {@code name=value} for each part of the structure.
 */
final class SymmetryFile {
  private static final String FORMAT = "merganser.symmetry";
  private static final String VERSION = "1";
  private static final String CONFIG = "config";

  private SymmetryFile() {}

  static void save(SymmetryElement element, Path path, Workspace ws) throws IOException {
    TransformerConfig config = element.config();
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(FORMAT, VERSION);
    List<String> lines = new ArrayList<>();
    config.description().forEach((name, value) -> lines.add(name + "=" + value));
    metadata.put(CONFIG, String.join("\n", lines));
    try (Opened opened = new Opened()) {
      Out out = new Out(opened);
      out.doubles("final-gain", element.finalGain());
      if (element.residual() instanceof SignedPermutation moved) {
        out.integers("residual/permutation", moved.permutation());
        out.integers("residual/signs", moved.signs());
      } else if (element.residual() instanceof Orthogonal turned) {
        // Belongs to the element: not closed with the others.
        out.tensors.put("residual/matrix", turned.matrix().asTensor());
      }
      for (int i = 0; i < element.layers().size(); i++) {
        layer(out, i + "/", config, element.layers().get(i));
      }
      Safetensors.write(MemoryCheckpoint.of(out.tensors), metadata, path, ws);
    }
  }

  private static void layer(Out out, String at, TransformerConfig config, LayerSymmetry layer) {
    int dh = config.headSize();
    List<HeadSymmetry> heads = layer.heads();
    out.integers(at + "units", layer.units());
    out.doubles(at + "unit-scales", layer.unitScales());
    out.integers(at + "sources", heads.stream().mapToInt(HeadSymmetry::source).toArray());
    out.integers(
        at + "queries", heads.stream().flatMapToInt(h -> Arrays.stream(h.queries())).toArray());
    double[] identity = Squares.identity(dh);
    out.stacked(at + "value", heads, HeadSymmetry::value, identity);
    out.stacked(at + "value-inverse", heads, HeadSymmetry::valueInverse, identity);
    out.stacked(at + "shift", heads, HeadSymmetry::shift, new double[dh]);
    if (config.rope().isPresent()) {
      out.stacked(at + "phase", heads, head -> ((Rotary) head.queryKey()).phase(), null);
      out.stacked(at + "ratio", heads, head -> ((Rotary) head.queryKey()).ratio(), null);
    } else {
      out.stacked(at + "key", heads, head -> ((Dense) head.queryKey()).key(), identity);
      out.stacked(at + "query", heads, head -> ((Dense) head.queryKey()).query(), identity);
    }
    out.doubles(at + "attention-gain", layer.attentionGain());
    out.doubles(at + "mlp-gain", layer.mlpGain());
    out.doubles(at + "gate-scales", layer.gateScales());
    out.doubles(at + "query-key-gain", layer.queryKeyGain());
  }

  /** Tensors to be written; what is empty is left out. */
  private record Out(Opened opened, Map<String, Tensor> tensors) {
    Out(Opened opened) {
      this(opened, new LinkedHashMap<>());
    }

    void doubles(String name, double[] values) {
      if (values.length > 0) {
        tensors.put(name, opened.add(Tensor.of(values, values.length)));
      }
    }

    void integers(String name, int[] values) {
      Tensor tensor = opened.add(Tensor.allocate(DType.I64, values.length));
      for (int i = 0; i < values.length; i++) {
        tensor.memory().putLong(8L * i, values[i]);
      }
      tensors.put(name, tensor);
    }

    /** Values of all heads, unless those of each are empty. */
    void stacked(
        String name,
        List<HeadSymmetry> heads,
        Function<HeadSymmetry, double[]> values,
        double[] initial) {
      if (heads.stream().anyMatch(head -> values.apply(head).length > 0)) {
        doubles(
            name,
            heads.stream()
                .flatMapToDouble(
                    head -> {
                      double[] own = values.apply(head);
                      return Arrays.stream(own.length == 0 ? initial : own);
                    })
                .toArray());
      }
    }
  }

  static SymmetryElement load(Path path, TransformerConfig config, Workspace ws)
      throws IOException {
    try (Checkpoint file = Safetensors.open(path)) {
      requireVersion(path, file.metadata());
      TransformerConfig.requireSame(
          config.description(), "the model", description(path, file), path.toString());
      In in = new In(path, file, new HashSet<>(), ws);
      try {
        SymmetryElement element = in.element(config);
        in.requireUsed();
        return element;
      } catch (IllegalArgumentException
          | ArithmeticException
          | ShapeException
          | IncompatibleModelsException e) {
        throw new FormatException(path + ": " + e.getMessage(), e);
      }
    }
  }

  private static void requireVersion(Path path, Map<String, String> metadata) {
    String version = metadata.get(FORMAT);
    if (version == null) {
      throw new FormatException(path + " is no symmetry of a transformer; 'align' makes one");
    }
    if (!version.equals(VERSION)) {
      throw new FormatException(
          "%s: a symmetry of version %s, this Merganser reads version %s; make it again with this"
                  .formatted(path, Names.quote(version), VERSION)
              + " one");
    }
  }

  private static Map<String, String> description(Path path, Checkpoint file) {
    Map<String, String> description = new LinkedHashMap<>();
    for (String line : file.metadata().getOrDefault(CONFIG, "").split("\n")) {
      int equals = line.indexOf('=');
      if (equals < 1) {
        throw new FormatException(
            path + ": metadata 'config' has no name=value in " + Names.quote(line));
      }
      description.put(line.substring(0, equals), line.substring(equals + 1));
    }
    return description;
  }

  /** Tensors of a file, and which of them were asked for. */
  private record In(Path path, Checkpoint file, Set<String> used, Workspace ws) {
    SymmetryElement element(TransformerConfig config) throws IOException {
      Residual residual = residual(config.hidden());
      double[] gain = doubles("final-gain", config.hidden());
      List<LayerSymmetry> layers = new ArrayList<>();
      for (int i = 0; i < config.layers(); i++) {
        layers.add(layer(i + "/", config));
      }
      return new SymmetryElement(config, residual, layers, gain);
    }

    private Residual residual(int d) throws IOException {
      if (file.tensors().containsKey("residual/matrix")) {
        require("residual/matrix", DType.F64, d, d);
        return new Orthogonal(Matrix.of(file.read("residual/matrix", ws)));
      }
      boolean moved =
          file.tensors().containsKey("residual/permutation")
              || file.tensors().containsKey("residual/signs");
      return moved
          ? new SignedPermutation(
              integers("residual/permutation", d), integers("residual/signs", d))
          : new None();
    }

    private LayerSymmetry layer(String at, TransformerConfig config) throws IOException {
      int dh = config.headSize();
      int k = config.keyValueHeads();
      int[] sources = integers(at + "sources", k);
      int[] queries = integers(at + "queries", config.heads());
      file.info(at + "unit-scales");
      double[] scales = doubles(at + "unit-scales", config.intermediate());
      boolean rotary = config.rope().isPresent();
      double[][] value = stacked(at + "value", k, dh * dh);
      double[][] inverse = stacked(at + "value-inverse", k, dh * dh);
      double[][] shift = stacked(at + "shift", k, dh);
      double[][] key = stacked(at + (rotary ? "phase" : "key"), k, rotary ? dh / 2 : dh * dh);
      double[][] query = stacked(at + (rotary ? "ratio" : "query"), k, rotary ? dh / 2 : dh * dh);
      List<HeadSymmetry> heads = new ArrayList<>();
      for (int i = 0; i < k; i++) {
        int[] own = Arrays.copyOfRange(queries, i * config.group(), (i + 1) * config.group());
        QueryKey queryKey = rotary ? new Rotary(key[i], query[i]) : new Dense(key[i], query[i]);
        heads.add(new HeadSymmetry(sources[i], own, value[i], inverse[i], queryKey, shift[i]));
      }
      return new LayerSymmetry(
          integers(at + "units", config.intermediate()),
          scales,
          heads,
          doubles(at + "attention-gain", config.hidden()),
          doubles(at + "mlp-gain", config.hidden()),
          doubles(at + "gate-scales", config.intermediate()),
          doubles(at + "query-key-gain", rotary ? dh / 2 : dh));
    }

    private double[][] stacked(String name, int heads, int size) throws IOException {
      double[] all = doubles(name, heads * size);
      double[][] parts = new double[heads][0];
      for (int i = 0; i < heads && all.length > 0; i++) {
        parts[i] = Arrays.copyOfRange(all, i * size, (i + 1) * size);
      }
      return parts;
    }

    /** None where there is no such tensor. */
    private double[] doubles(String name, int size) throws IOException {
      if (!file.tensors().containsKey(name)) {
        return new double[0];
      }
      require(name, DType.F64, size);
      try (Tensor tensor = file.read(name, ws)) {
        return tensor.toDoubleArray();
      }
    }

    private int[] integers(String name, int size) throws IOException {
      require(name, DType.I64, size);
      try (Tensor tensor = file.read(name, ws)) {
        int[] values = new int[size];
        for (int i = 0; i < size; i++) {
          values[i] = Math.toIntExact(tensor.memory().getLong(8L * i));
        }
        return values;
      }
    }

    /** Before it is read. */
    private void require(String name, DType dtype, long... shape) {
      used.add(name);
      TensorInfo wanted = TensorInfo.of(dtype, shape);
      if (!file.info(name).equals(wanted)) {
        throw new ShapeException(
            "%s is %s, needed %s".formatted(Names.quote(name), file.info(name), wanted));
      }
    }

    /** A misspelt name would leave a part with the identity. */
    void requireUsed() {
      for (String name : file.tensors().keySet()) {
        if (!used.contains(name)) {
          throw new FormatException(
              path + ": tensor " + Names.quote(name) + " is no part of a symmetry of this model");
        }
      }
    }
  }
}
