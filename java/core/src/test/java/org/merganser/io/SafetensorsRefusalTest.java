// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;

/** What the format forbids is refused, whatever the header claims. */
class SafetensorsRefusalTest {
  @TempDir Path folder;

  /** What the header is, and what it says beside tensors. */
  static Stream<Arguments> objects() {
    return Stream.of(
        of("[1]", 0, "header does not begin with '{' at byte 8"),
        of("{'a':1}", 0, "tensor 'a' is VALUE_NUMBER_INT, expected START_OBJECT"),
        of(
            "{'__metadata__':{'k':1}}",
            0,
            "__metadata__ 'k' is VALUE_NUMBER_INT, expected VALUE_STRING"),
        of(
            "{'__metadata__':{'k':null}}",
            0,
            "__metadata__ 'k' is VALUE_NULL, expected VALUE_STRING"),
        of("{'__metadata__':'x'}", 0, "__metadata__ is VALUE_STRING, expected START_OBJECT"),
        of(
            "{'__metadata__':{'dtype':'F32','shape':[],'data_offsets':[0,4]}}",
            4,
            "__metadata__ 'shape' is START_ARRAY, expected VALUE_STRING"),
        of("{} {}", 0, "header has text after its closing brace"));
  }

  /** Types and shapes. */
  static Stream<Arguments> descriptions() {
    return Stream.of(
        of(
            entry("'dtype':'F31','shape':[2],'data_offsets':[0,8]"),
            8,
            "tensor 'a' has unknown dtype 'F31'"),
        of(
            entry("'dtype':32,'shape':[2],'data_offsets':[0,8]"),
            8,
            "tensor 'a' dtype is VALUE_NUMBER_INT, expected VALUE_STRING"),
        of(
            entry("'dtype':'F32','shape':2,'data_offsets':[0,8]"),
            8,
            "tensor 'a' shape is VALUE_NUMBER_INT, expected START_ARRAY"),
        of(
            entry("'dtype':'F32','shape':[2.0],'data_offsets':[0,8]"),
            8,
            "tensor 'a' shape is VALUE_NUMBER_FLOAT, expected VALUE_NUMBER_INT"),
        of(
            entry("'dtype':'F32','shape':[2e0],'data_offsets':[0,8]"),
            8,
            "tensor 'a' shape is VALUE_NUMBER_FLOAT, expected VALUE_NUMBER_INT"),
        of(
            entry("'dtype':'F32','shape':[-2],'data_offsets':[0,8]"),
            8,
            "tensor 'a' shape holds -2, not in 0..2^63-1"),
        of(
            entry("'dtype':'F32','shape':[9223372036854775808],'data_offsets':[0,8]"),
            8,
            "tensor 'a' shape holds 9223372036854775808, not in 0..2^63-1"),
        of(
            entry("'dtype':'F32','shape':[4294967296,4294967296],'data_offsets':[0,8]"),
            8,
            "tensor 'a': size overflows or is no whole byte"),
        of(
            entry("'dtype':'F64','shape':[1152921504606846976],'data_offsets':[0,8]"),
            8,
            "tensor 'a': size overflows or is no whole byte"),
        of(
            entry("'dtype':'F4','shape':[3],'data_offsets':[0,2]"),
            2,
            "tensor 'a': size overflows or is no whole byte"),
        of(
            entry("'dtype':'F32','shape':[2]"),
            8,
            "tensor 'a' needs dtype, shape and data_offsets"));
  }

  /** Where the data lie. */
  static Stream<Arguments> extents() {
    return Stream.of(
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[0]"),
            8,
            "tensor 'a' data_offsets must be two integers, the first not above the second"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[0,8,8]"),
            8,
            "tensor 'a' data_offsets must be two integers, the first not above the second"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[8,0]"),
            8,
            "tensor 'a' data_offsets must be two integers, the first not above the second"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':['0',8]"),
            8,
            "tensor 'a' data_offsets is VALUE_STRING, expected VALUE_NUMBER_INT"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[0,12]"),
            12,
            "tensor 'a' spans 12 bytes, its type and shape need 8"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[0,8]"),
            4,
            "tensor 'a' ends at byte 8 of the data, the file has only 4; the file is truncated"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[0,8]"),
            9,
            "tensors end at byte 8 of the data, the file has 9"),
        of(
            entry("'dtype':'F32','shape':[2],'data_offsets':[4,12]"),
            12,
            "tensor 'a' begins at byte 4 of the data, expected 0 (gap)"),
        of(two("0,8", "4,12"), 12, "tensor 'b' begins at byte 4 of the data, expected 8 (overlap)"),
        of(two("0,8", "12,20"), 20, "tensor 'b' begins at byte 12 of the data, expected 8 (gap)"),
        of(two("0,8", "0,8"), 8, "tensor 'b' begins at byte 0 of the data, expected 8 (overlap)"));
  }

  private static Arguments of(String json, int data, String message) {
    return Arguments.of(json.replace('\'', '"'), data, message);
  }

  private static String entry(String fields) {
    return "{'a':{" + fields + "}}";
  }

  private static String two(String first, String second) {
    return "{'a':{'dtype':'F32','shape':[2],'data_offsets':["
        + first
        + "]},'b':{'dtype':'F32','shape':[2],'data_offsets':["
        + second
        + "]}}";
  }

  @ParameterizedTest
  @MethodSource({"objects", "descriptions", "extents"})
  void headersThatBreakARule(String json, int data, String message) throws IOException {
    Path file = Headers.write(folder.resolve("m.safetensors"), json, data);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": " + message);
    // Nothing keeps the file open, so it can be deleted and replaced on any system.
    assertThat(Files.deleteIfExists(file)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":",
        "{\"a\" 1}",
        "{'a':1}",
        "{\"__metadata__\":{}",
        "{\"__metadata__\":{},}",
        "{\"__metadata__\":{\"a\":\"\u0001\"}}",
        "{\"a\":{},\"a\":{}}",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
        "{} x",
        "{/**/}",
        "{\"a\":NaN}"
      })
  void whatIsNoJsonOrSaysAThingTwice(String json) throws IOException {
    Path file = Headers.write(folder.resolve("m.safetensors"), json, 0);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ");
  }

  @Test
  void duplicateNamesAreNamed() throws IOException {
    String entry = "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}";
    Path file = Headers.write(folder.resolve("m.safetensors"), "{" + entry + "," + entry + "}", 4);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": tensor 'a' is described twice");
  }

  @Test
  void deepNestingIsRefusedBeforeItCanOverflowAStack() throws IOException {
    String json = "{\"a\":" + "[".repeat(100_000);
    Path file = Headers.write(folder.resolve("m.safetensors"), json, 0);
    assertThatThrownBy(() -> Safetensors.open(file)).isInstanceOf(FormatException.class);
    Path five =
        Headers.write(folder.resolve("n.safetensors"), "{\"__metadata__\":{\"k\":[[[1]]]}}", 0);
    assertThatThrownBy(() -> Safetensors.open(five)).isInstanceOf(FormatException.class);
  }

  @Test
  void hugeNumbersAreNotParsedForever() throws IOException {
    String number = "9".repeat(1_000_000);
    Path file =
        Headers.write(
            folder.resolve("m.safetensors"),
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[" + number + "],\"data_offsets\":[0,8]}}",
            8);
    assertThatThrownBy(() -> Safetensors.open(file)).isInstanceOf(FormatException.class);
  }

  @Test
  void invalidUtf8() throws IOException {
    byte[] header = "{\"?\":{}}".getBytes(StandardCharsets.US_ASCII);
    header[2] = (byte) 0xff;
    Path file = Headers.write(folder.resolve("m.safetensors"), header, 0);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": header is no valid UTF-8");
  }

  @Test
  void lengthsThatLie() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Files.write(file, new byte[7]);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": file has 7 bytes, the header length alone needs 8");
    String range = " at byte 0 is not in 2..100000000; is this a safetensors file?";
    for (long length : new long[] {0, 1, 100_000_001, Long.MAX_VALUE, Long.MIN_VALUE, -1}) {
      Headers.write(file, length, new byte[] {'{', '}'}, 0);
      assertThatThrownBy(() -> Safetensors.open(file))
          .isInstanceOf(FormatException.class)
          .hasMessage(file + ": header length " + Long.toUnsignedString(length) + range);
    }
    Headers.write(file, 3, new byte[] {'{', '}'}, 0);
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file + ": header of 3 bytes does not fit the file of 10 bytes; the file is truncated");
  }

  @Test
  void missingFilesAndFolders() {
    Path missing = folder.resolve("none.safetensors");
    assertThatThrownBy(() -> Safetensors.open(missing))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessage(missing + ": no such file");
    assertThatThrownBy(() -> Safetensors.open(folder))
        .isInstanceOf(IOException.class)
        .hasMessage(
            "folder "
                + folder
                + " holds no model.safetensors.index.json, no model.safetensors, and no .safetensors"
                + " file");
  }

  @Test
  void theEmptyModelAndTrailingSpacesAreAllowed() throws IOException {
    Path file = Headers.write(folder.resolve("m.safetensors"), "{}    \n", 0);
    try (Checkpoint checkpoint = Safetensors.open(file)) {
      assertThat(checkpoint.tensors()).isEmpty();
    }
  }
}
