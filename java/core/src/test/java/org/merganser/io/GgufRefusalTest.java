// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.io.GgufBytes.floats;
import static org.merganser.io.GgufBytes.i32;
import static org.merganser.io.GgufBytes.i64;
import static org.merganser.io.GgufBytes.join;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.error.FormatException;
import org.merganser.testing.RunsOnce;

/** What is refused, with the name of it and its place. */
@RunsOnce("reads headers, computes nothing")
class GgufRefusalTest {
  @TempDir private Path folder;

  static Stream<Arguments> refused() {
    return Stream.concat(
        Stream.of(
            of(gguf().version(1), "GGUF version 1, read are 2 and 3"),
            of(gguf().version(0x03000000), "a big-endian GGUF file"),
            of(gguf().counts(-1, 0), "18446744073709551615 tensors, at most 100000"),
            of(gguf().counts(0, 1L << 40), "1099511627776 metadata values, at most 100000"),
            of(gguf().counts(0, 1), "the file is truncated or damaged"),
            of(gguf().value("a", 1).value("a", 2), "metadata 'a' is there twice"),
            of(gguf().value("a", 13, i32(0)), "metadata 'a' has the type 13"),
            of(gguf().value("a", 7, new byte[] {2}), "true or false, but has the value 2"),
            of(gguf().value("a", 8, i64(1L << 50)), "metadata 'a' of 1125899906842624 bytes"),
            of(gguf().value("a", 8, i64(-1)), "of 18446744073709551615 bytes, where 19 are left"),
            of(gguf().value("a", 8, join(i64(1), new byte[] {-1})), "that is no UTF-8"),
            of(gguf().value("a", 9, join(i32(0), i64(1L << 40))), "has 1099511627776 elements"),
            of(gguf().value("a", 9, join(i32(12), i64(1L << 61))), "has 2305843009213693952 el"),
            of(gguf().value("a", 9, join(i32(99), i64(0))), "has the type 99"),
            of(gguf().value("a", 9, nested(5)), "arrays in arrays, more than 4"),
            of(gguf().value("general.alignment", 0), "general.alignment is '0', no power of two"),
            of(gguf().value("general.alignment", 24), "general.alignment is '24'"),
            of(gguf().value("general.alignment", "x"), "general.alignment is 'x'"),
            of(gguf().value("split.count", 3), "one of 3 parts of a model; join them: llama-g")),
        tensors());
  }

  private static Stream<Arguments> tensors() {
    byte[] one = floats(1);
    return Stream.of(
        of(gguf().tensor("a", 0, one, 1).tensor("a", 0, one, 1), "'a' is there twice"),
        of(gguf().tensor("", 0, one, 1), "a tensor without a name"),
        of(gguf().tensor("a", 0, one, 1, 1, 1, 1, 1), "'a' has 5 axes, at most 4"),
        of(gguf().tensor("a", 12, one, 256), "'a' is of type Q4_K, which is not read (read are"),
        of(gguf().tensor("a", 77, one, 256), "'a' is of type number 77"),
        of(gguf().tensor("a", 8, one, 33), "rows of 33 elements, which are no whole blocks of 32"),
        of(gguf().tensor("a", 0, one, 0), "sizes that are not positive or too large"),
        of(gguf().tensor("a", 0, one, -1), "sizes that are not positive or too large"),
        of(gguf().tensor("a", 0, one, 1L << 32, 1L << 32), "not positive or too large"),
        of(gguf().tensor("a", 0, one, 1L << 31, 1L << 31), "'a' has 4611686018427387904 elements"),
        of(gguf().tensor("a", 0, one, 1L << 40), "'a' has 4398046511104 bytes, where the file"),
        of(gguf().tensorAt("a", 0, 16, 1), "begins at byte 16 of the data, no multiple of 32"),
        of(gguf().tensorAt("a", 0, -32, 1), "begins at byte 18446744073709551584"),
        of(gguf().tensorAt("a", 0, Long.MAX_VALUE - 31, 1), "'a' has 4 bytes, where the file"),
        of(
            gguf().tensor("a", 0, new byte[80], 20).tensorAt("b", 0, 64, 1),
            "'b' begins within 'a'"),
        of(gguf().tensor("a", 0, one, 1).tensorAt("b", 0, 0, 1), " begins within '"),
        of(llama().tensor("output.weight", 0, one, 1).tensor("lm_head.weight", 0, one, 1), "twice"),
        of(
            llama().tensor("blk.0.attn_q.weight", 0, floats(1, 2), 1, 2),
            "llama.attention.head_count is no number"),
        of(
            llama()
                .value("llama.attention.head_count", 2)
                .tensor("blk.0.attn_k.weight", 0, floats(1, 2), 1, 2),
            "by heads of an even number of rows; llama.attention.head_count_kv is 2"));
  }

  private static GgufBytes gguf() {
    return new GgufBytes();
  }

  private static GgufBytes llama() {
    return gguf().value("general.architecture", "llama");
  }

  private static byte[] nested(int depth) {
    byte[] array = join(i32(0), i64(0));
    for (int i = 1; i < depth; i++) {
      array = join(i32(9), i64(1), array);
    }
    return array;
  }

  private static Arguments of(GgufBytes bytes, String message) {
    return Arguments.of(message, bytes.bytes());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void refused(String message, byte[] bytes) throws IOException {
    Path file = Files.write(folder.resolve("m.gguf"), bytes);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ")
        .hasMessageContaining(message)
        .hasMessageContaining(", at byte ");
  }

  /** A file without its end, wherever that is. */
  @Test
  void truncated() throws IOException {
    byte[] bytes = llama().value("b", "text").tensor("a", 0, floats(1, 2), 2).bytes();
    for (int length = 4; length < bytes.length; length++) {
      Path file = Files.write(folder.resolve("m.gguf"), Arrays.copyOf(bytes, length));
      assertThatThrownBy(() -> Safetensors.open(file))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("truncated");
    }
  }

  /** Only a single one is taken. */
  @Test
  void severalInAFolder() throws IOException {
    gguf().write(folder.resolve("a.gguf"));
    gguf().write(folder.resolve("b.gguf"));
    assertThatThrownBy(() -> Safetensors.open(folder))
        .hasMessageContaining("it holds GGUF files, name one of [a.gguf, b.gguf]");
  }

  @Test
  void anotherFileOfThatName() throws IOException {
    Path other = Files.write(folder.resolve("m.gguf"), new byte[] {'G', 'G', 'U', 0, 1, 2, 3, 4});
    Path model = Files.copy(GgufBytes.fixture("qwen3.safetensors"), folder.resolve("n.gguf"));
    for (Path file : new Path[] {other, model}) {
      assertThatThrownBy(() -> Safetensors.open(file))
          .isInstanceOf(FormatException.class)
          .hasMessage(file + ": no GGUF file, which begins with GGUF, at byte 0");
    }
  }

  @Test
  void inPlaceOfAnIndex() throws IOException {
    Path index = gguf().write(folder.resolve("m.index.json"));
    assertThatThrownBy(() -> Safetensors.open(index))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("a GGUF file");
  }
}
