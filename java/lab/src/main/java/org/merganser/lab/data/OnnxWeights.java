// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/**
 * The parameters of an ONNX model that PyTorch exported, under the names that they had there.
 *
 * <p>The exporter keeps names of parameters but for weights of linear layers, which it transposes
 * and calls {@code onnx::MatMul_885}: these get their name from the product that reads them ({@code
 * /encoder/layer.0/output/dense/MatMul} gives {@code encoder.layer.0.output.dense.weight}) and
 * their shape {@code [out, in]} back. What several products read has no one name, and is refused.
 * Read are initialisers of 32-bit floats with raw data; integers are constants of the graph, and
 * left out.
 */
public final class OnnxWeights {
  private static final String ENDING = ".onnx";
  private static final String PRODUCT = "/MatMul";

  /** Before the names of what had none in PyTorch. */
  private static final String UNNAMED = "onnx::";

  private static final int MOST_BYTES = 1 << 30;
  private static final int GRAPH = 7;
  private static final int NODE = 1;
  private static final int NODE_INPUT = 1;
  private static final int NODE_NAME = 3;
  private static final int NODE_OPERATION = 4;
  private static final int INITIALIZER = 5;
  private static final int DIMS = 1;
  private static final int TYPE = 2;
  private static final int NAME = 8;
  private static final int RAW = 9;
  private static final long FLOAT = 1;
  private static final long INT64 = 7;

  private final String file;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private OnnxWeights(String file) {
    this.file = file;
  }

  /**
   * Reads an {@code .onnx} file, or the only one in a jar.
   *
   * @throws FormatException when there is none, or it is not understood
   */
  public static MemoryCheckpoint read(Path path) throws IOException {
    OnnxWeights weights = new OnnxWeights(path.toString());
    try {
      weights.model(bytes(path));
      return MemoryCheckpoint.of(weights.tensors);
    } catch (RuntimeException e) {
      weights.tensors.values().forEach(Tensor::close);
      throw e;
    }
  }

  private static ByteBuffer bytes(Path path) throws IOException {
    if (path.toString().endsWith(ENDING)) {
      try (InputStream in = Files.newInputStream(path)) {
        return bytes(path, in);
      }
    }
    try (ZipFile zip = new ZipFile(path.toFile())) {
      List<? extends ZipEntry> models =
          zip.stream().filter(entry -> entry.getName().endsWith(ENDING)).toList();
      if (models.size() != 1) {
        throw new FormatException(
            path + ": " + models.size() + " ONNX models in it, one is expected");
      }
      try (InputStream in = zip.getInputStream(models.get(0))) {
        return bytes(path, in);
      }
    }
  }

  private static ByteBuffer bytes(Path path, InputStream in) throws IOException {
    byte[] bytes = in.readNBytes(MOST_BYTES);
    if (bytes.length == MOST_BYTES) {
      throw new FormatException(path + ": an ONNX model of 1 GiB or more is not read");
    }
    return ByteBuffer.wrap(bytes);
  }

  private void model(ByteBuffer bytes) {
    List<ByteBuffer> graphs = ProtoFields.of(file, bytes).all(GRAPH);
    if (graphs.size() != 1) {
      throw new FormatException(file + ": no ONNX model: " + graphs.size() + " graphs in it");
    }
    ProtoFields graph = ProtoFields.of(file, graphs.get(0));
    Map<String, List<String>> products = new HashMap<>();
    for (ByteBuffer node : graph.all(NODE)) {
      ProtoFields fields = ProtoFields.of(file, node);
      String name = fields.text(NODE_NAME);
      List<String> inputs = fields.texts(NODE_INPUT);
      if (fields.text(NODE_OPERATION).equals("MatMul")
          && name.endsWith(PRODUCT)
          && inputs.size() == 2
          && inputs.get(1).startsWith(UNNAMED)) {
        products.computeIfAbsent(inputs.get(1), w -> new ArrayList<>()).add(parameter(name));
      }
    }
    for (ByteBuffer initializer : graph.all(INITIALIZER)) {
      add(ProtoFields.of(file, initializer), products);
    }
    if (tensors.isEmpty()) {
      throw new FormatException(file + ": no parameters in it");
    }
  }

  private void add(ProtoFields initializer, Map<String, List<String>> products) {
    String name = initializer.text(NAME);
    List<Long> type = initializer.numbers(TYPE);
    if (type.equals(List.of(INT64))) {
      return;
    }
    if (!type.equals(List.of(FLOAT))) {
      throw bad(name, "has the type " + type + " of ONNX, 32-bit floats (1) are read");
    }
    long[] shape = initializer.numbers(DIMS).stream().mapToLong(n -> n).toArray();
    List<ByteBuffer> raw = initializer.all(RAW);
    long size = 1;
    for (long dim : shape) {
      size = dim < 0 || dim > Integer.MAX_VALUE ? -1 : Math.min(size * dim, Integer.MAX_VALUE);
    }
    if (raw.size() != 1 || raw.get(0).remaining() != size * Float.BYTES) {
      throw bad(
          name,
          "has %d bytes of raw data, its sizes need %d"
              .formatted(raw.stream().mapToInt(ByteBuffer::remaining).sum(), size * Float.BYTES));
    }
    float[] values = new float[(int) size];
    raw.get(0).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    List<String> readers = products.getOrDefault(name, List.of());
    if (readers.size() > 1) {
      throw bad(name, "is read by several products, which give it the names " + readers);
    }
    String known = readers.isEmpty() ? name : readers.get(0);
    Tensor tensor = readers.isEmpty() ? Tensor.of(values, shape) : transposed(name, values, shape);
    if (tensors.putIfAbsent(known, tensor) != null) {
      tensor.close();
      throw bad(known, "is there twice");
    }
  }

  /** {@code /a/b/MatMul} is the product of the layer {@code a.b}, {@code /MatMul} of the model. */
  private static String parameter(String product) {
    String layer = product.substring(0, product.length() - PRODUCT.length());
    return (layer + "/weight").replaceFirst("^/", "").replace('/', '.');
  }

  private Tensor transposed(String name, float[] values, long[] shape) {
    if (shape.length != 2) {
      throw bad(name, "is multiplied with and has " + shape.length + " dimensions, not 2");
    }
    int in = (int) shape[0];
    int out = (int) shape[1];
    float[] turned = new float[values.length];
    for (int i = 0; i < in; i++) {
      for (int o = 0; o < out; o++) {
        turned[o * in + i] = values[i * out + o];
      }
    }
    return Tensor.of(turned, out, in);
  }

  private FormatException bad(String name, String problem) {
    return new FormatException(file + ": " + Names.quote(name) + " " + problem);
  }
}
