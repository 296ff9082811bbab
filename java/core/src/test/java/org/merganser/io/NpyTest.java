// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

class NpyTest {
  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(
      names = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"})
  void everyTypeComesBack(DType dtype) throws IOException {
    for (long[] shape : new long[][] {{3, 5}, {7}, {}, {0, 4}, {2, 1, 3, 2}}) {
      Tensor tensor = Tensor.allocate(dtype, shape);
      for (long i = 0; i < tensor.bytes(); i++) {
        tensor.memory().putByte(i, (byte) (37 * i + 1));
      }
      Path file = folder.resolve("a.npy");
      Npy.write(tensor, file);
      Close.bitwise("read", Npy.read(file), tensor);
      assertThat((Files.size(file) - tensor.bytes()) % 64).as("start of the data").isZero();
    }
  }

  @Test
  void bytesAreThoseOfNumPy() throws IOException {
    Path file = folder.resolve("a.npy");
    Npy.write(Tensor.of(new float[] {1, 2}, 1, 2), file);
    byte[] bytes = Files.readAllBytes(file);
    String header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    assertThat(Arrays.copyOf(bytes, 10))
        .containsExactly(0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0);
    assertThat(new String(bytes, 10, 118, StandardCharsets.US_ASCII))
        .isEqualTo(header + " ".repeat(117 - header.length()) + "\n");
    Npy.write(Tensor.of(new float[] {1, 2}, 2), file);
    assertThat(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1))
        .contains("'shape': (2,), }");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void everyVersionIsRead(int version) throws IOException {
    Path file = npy(version, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 16);
    assertThat(Npy.read(file).toDoubleArray()).containsExactly(0, 0);
  }

  @Test
  void rowsAreReadAlone() throws IOException {
    Path file = folder.resolve("a.npy");
    Npy.write(Tensor.of(new double[] {1, 2, 3, 4, 5, 6}, 3, 2), file);
    try (Npy npy = Npy.open(file);
        Tensor rows = Tensor.allocate(DType.F64, 2, 2)) {
      npy.readRows(1, 3, rows);
      assertThat(rows.toDoubleArray()).containsExactly(3, 4, 5, 6);
      assertThatThrownBy(() -> npy.readRows(2, 4, rows))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("rows 2 to 4 of " + file);
      assertThatThrownBy(() -> npy.readRows(0, 3, rows)).isInstanceOf(ShapeException.class);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          '<f8', True, (2,) | stored in Fortran order; save np.ascontiguousarray(array) instead
          '>f8', False, (2,) | type '>f8' is not read; save array.astype(np.float32), little-endian
          '<c8', False, (2,) | type '<c8' is not read; save array.astype(np.float32), little-endian
          '<f8', False, (3,) | F64 [3] needs 24 bytes of data, the file has 16; it is truncated
          '<f8', False, (1,) | F64 [1] needs 8 bytes of data, the file has 16
          """)
  void whatIsNotRead(String fields, String message) throws IOException {
    int descr = fields.indexOf(", ");
    int order = fields.indexOf(", ", descr + 2);
    String header =
        "{'descr': '"
            + fields.substring(0, descr).replace("'", "")
            + "', 'fortran_order': "
            + fields.substring(descr + 2, order)
            + ", 'shape': "
            + fields.substring(order + 2)
            + ", }";
    Path file = npy(1, header, 16);
    assertThatThrownBy(() -> Npy.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": " + message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(9223372036854775807, 9223372036854775807)",
        "(2305843009213693952,)",
        "(99999999999999999999,)"
      })
  void shapesThatOverflowAreAFormatError(String shape) throws IOException {
    Path file = npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }", 16);
    assertThatThrownBy(() -> Npy.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": shape " + shape);
  }

  /** Long integers of Python 2, other quotes, and types without an order of bytes. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2l, 3l), }",
        "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 3)}",
        "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'fortran_order': 0, 'shape': (2, 3), 'descr': '|f4'}"
      })
  void headersOfOtherWriters(String header) throws IOException {
    Path file = npy(1, header, 24);
    try (Npy npy = Npy.open(file)) {
      assertThat(npy.info()).isEqualTo(TensorInfo.of(DType.F32, 2, 3));
    }
  }

  @Test
  void damagedBeginnings() throws IOException {
    Path file =
        Files.write(
            folder.resolve("a.npy"), "no numpy file at all".getBytes(StandardCharsets.US_ASCII));
    assertThatThrownBy(() -> Npy.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file
                + ": no .npy file (it does not begin with \\x93NUMPY); it is text,"
                + " which begins with 'no numpy file at all'");
    Path four = npy(4, "{}", 0);
    assertThatThrownBy(() -> Npy.open(four))
        .isInstanceOf(FormatException.class)
        .hasMessage(four + ": .npy version 4 is unknown; 1 to 3 are read");
    Path bare = npy(1, "{'fortran_order': False, 'shape': (2,), }", 16);
    assertThatThrownBy(() -> Npy.open(bare))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(bare + ": no readable 'descr' in the header {'fortran_order'");
    byte[] cut = Arrays.copyOf(Files.readAllBytes(npy(1, "{'descr': '<f8'}", 0)), 20);
    Path truncated = Files.write(folder.resolve("b.npy"), cut);
    assertThatThrownBy(() -> Npy.open(truncated))
        .isInstanceOf(FormatException.class)
        .hasMessage(truncated + ": header of 16 bytes in a file of 20 bytes");
  }

  @Test
  void bfloat16HasNoNumPyType() {
    Path file = folder.resolve("a.npy");
    assertThatThrownBy(() -> Npy.write(Tensor.zeros(DType.BF16, 2), file))
        .hasMessageContaining("BF16");
    assertThat(file).doesNotExist();
  }

  @Test
  void readingAfterCloseIsAnError() throws IOException {
    Path file = folder.resolve("a.npy");
    Npy.write(Tensor.zeros(DType.F32, 2, 2), file);
    Npy npy = Npy.open(file);
    npy.close();
    assertThatThrownBy(() -> npy.readRows(0, 2, Tensor.zeros(DType.F32, 2, 2)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(file + " is already closed");
  }

  private Path npy(int version, String header, int data) throws IOException {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(12 + text.length + data).order(ByteOrder.LITTLE_ENDIAN);
    bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) version, 0});
    if (version == 1) {
      bytes.putShort((short) text.length);
    } else {
      bytes.putInt(text.length);
    }
    bytes.put(text);
    int size = bytes.position() + data;
    return Files.write(folder.resolve("v" + version + ".npy"), Arrays.copyOf(bytes.array(), size));
  }
}
