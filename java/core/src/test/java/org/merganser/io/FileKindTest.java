// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.error.FormatException;
import org.merganser.linalg.Tensor;

/** A file of another kind is called by its name, whatever its own name is. */
class FileKindTest {
  @TempDir Path folder;

  static Stream<Arguments> kinds() throws IOException {
    return Stream.of(
        Arguments.of(
            ascii("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 438000000\n"),
            "a Git LFS pointer, not the file itself; run 'git lfs pull' in its repository"),
        Arguments.of(ascii("<!DOCTYPE html><html></html>"), "a web page (HTML), not a model"),
        Arguments.of(ascii("\n <html lang=en>"), "a web page (HTML), not a model"),
        Arguments.of(ascii("<?xml version=\"1.0\"?><Error/>"), "XML, not a model"),
        Arguments.of(zip("archive/data.pkl"), "entry 'archive/data.pkl' is compressed"),
        Arguments.of(zip("fc1.weight.npy"), "a zip of NumPy arrays (.npz)"),
        Arguments.of(zip("a.txt"), "a zip archive"),
        Arguments.of(
            new byte[] {(byte) 0x80, 2, (byte) 0x8a, 10, 'l', (byte) 0xfc, (byte) 0x9c, 'F', '.'},
            "a pickle (torch.save of old), which can run code when read; convert it"),
        Arguments.of(
            ascii("tjgg\3\0\0\0" + "\0".repeat(64)), "a GGML file (llama.cpp before GGUF)"),
        Arguments.of(zip("config.json"), "a Keras model (.keras)"),
        Arguments.of(ascii("%PDF-1.7\n" + "\0".repeat(64)), "a PDF document, not a model"),
        Arguments.of(ascii("PAR1" + "\0".repeat(64)), "a Parquet table, not a model"),
        Arguments.of(ascii("\34\0\0\0TFL3" + "\0".repeat(64)), "a TensorFlow Lite model"),
        Arguments.of(ascii("\10\7\22\7pytorch\32\0052.1.0:"), "an ONNX model"),
        Arguments.of(
            new byte[] {(byte) 0x81, (byte) 0xa6, 'p', 'a', 'r', 'a', 'm', 's', (byte) 0x80, 0},
            "MessagePack (Flax .msgpack)"),
        Arguments.of(npy(), "a NumPy array (.npy)"),
        Arguments.of(gzip(), "compressed (gzip); unpack it first"),
        Arguments.of(new byte[0], "an empty file"),
        Arguments.of(ascii("{\"a\": 1, \"b\": [1, 2, 3]}"), "text, which begins with '{\"a\": 1"),
        Arguments.of(ascii("short"), "text, which begins with 'short'"),
        Arguments.of("{\"a\": 1}".getBytes(StandardCharsets.UTF_16), "text in UTF-16"));
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] zip(String entry) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry(entry));
      zip.write(new byte[50]);
    }
    return bytes.toByteArray();
  }

  private static byte[] gzip() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream zip = new GZIPOutputStream(bytes)) {
      zip.write(new byte[50]);
    }
    return bytes.toByteArray();
  }

  private static byte[] npy() throws IOException {
    Path file = Files.createTempFile("kind", ".npy");
    try (Tensor tensor = Tensor.of(new float[100], 100)) {
      Npy.write(tensor, file);
      return Files.readAllBytes(file);
    } finally {
      Files.delete(file);
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void isNamed(byte[] bytes, String kind) throws IOException {
    for (String name : new String[] {"m.safetensors", "model.ckpt", "model"}) {
      Path file = Files.write(folder.resolve(name), bytes);
      assertThatThrownBy(() -> Safetensors.open(file))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(file + ": " + kind);
    }
    if (!kind.contains("npy)") && !kind.contains("data.pkl")) {
      Path array = Files.write(folder.resolve("a.npy"), bytes);
      assertThatThrownBy(() -> Npy.open(array))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith(array + ": no .npy file")
          .hasMessageContaining("it is " + kind);
    }
  }

  /** A header whose length happens to look like the beginning of a pickle is read. */
  @Test
  void aHeaderOf640BytesIsNoPickle() throws IOException {
    byte[] header = ("{}" + " ".repeat(638)).getBytes(StandardCharsets.US_ASCII);
    Path file = Headers.write(folder.resolve("m.safetensors"), header, 0);
    assertThat(Files.readAllBytes(file)).startsWith(0x80, 2);
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(read.tensors()).isEmpty();
    }
  }
}
