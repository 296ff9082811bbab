// SPDX-License-Identifier: Apache-2.0
package org.merganser.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.error.ShapeException;
import org.merganser.testing.Oracle;

/** Conversions between types, and views. */
class TensorTest {

  @ParameterizedTest
  @CsvSource({
    "1.00390625, 3f80",
    "1.01171875, 3f82",
    "3.3895314e38, 7f7f",
    "3.4e38, 7f80",
    "1e-40, 0001",
    "-0.0, 8000",
    "Infinity, 7f80",
    "-Infinity, ff80"
  })
  void workedRoundingToBf16(float value, String bits) {
    assertThat(bits(Tensor.of(new float[] {value}, 1).to(DType.BF16, WS))).isEqualTo(bits);
  }

  @ParameterizedTest
  @CsvSource({
    "1.00048828125, 3c00",
    "1.00146484375, 3c02",
    "65519.99, 7bff",
    "65520, 7c00",
    "5.9604645e-8, 0001",
    "2.98023223876953125e-8, 0000",
    "2.98023259e-8, 0001",
    "-0.0, 8000"
  })
  void workedRoundingToF16(float value, String bits) {
    assertThat(bits(Tensor.of(new float[] {value}, 1).to(DType.F16, WS))).isEqualTo(bits);
  }

  private static String bits(Tensor tensor) {
    return String.format("%04x", host(tensor).memory().getShort(0));
  }

  @Test
  void nanStaysNan() {
    for (DType from : new DType[] {DType.F64, DType.F32}) {
      for (DType to : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
        // The payload sits in bits that the narrow type drops.
        Tensor nan = Tensor.allocate(from, 1);
        if (from == DType.F64) {
          nan.memory().putLong(0, 0x7ff0000000000001L);
        } else {
          nan.memory().putFloat(0, Float.intBitsToFloat(0x7f800001));
        }
        assertThat(host(nan.to(to, WS)).get(0)).as("%s to %s", from, to).isNaN();
      }
    }
  }

  @Test
  void everySixteenBitValueWidensExactlyAndComesBack() {
    for (DType narrow : new DType[] {DType.F16, DType.BF16}) {
      Tensor all = Tensor.allocate(narrow, 1 << 16);
      for (int i = 0; i < 1 << 16; i++) {
        all.memory().putShort(2L * i, (short) i);
      }
      for (DType wide : new DType[] {DType.F32, DType.F64}) {
        Tensor widened = host(all.to(wide, WS));
        Tensor back = host(widened.to(narrow, WS));
        for (int i = 0; i < 1 << 16; i++) {
          double expected =
              narrow == DType.F16 ? Oracle.halfValue(i) : Float.intBitsToFloat(i << 16);
          assertThat(widened.get(i)).isEqualTo(Double.valueOf(expected));
          assertThat(all.get(i)).isEqualTo(Double.valueOf(expected));
          if (!Double.isNaN(expected)) {
            assertThat(back.memory().getShort(2L * i)).isEqualTo((short) i);
          }
        }
      }
    }
  }

  /** Against a search for the nearest candidate; F64 must not go through F32. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 129, 5000})
  void roundingIsToTheNearestAndTiesGoToEven(int n) {
    SplittableRandom random = new SplittableRandom(n);
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      double value = Math.scalb(random.nextGaussian(), random.nextInt(40) - 28);
      // Half of them just beside a tie of one of the types.
      int keep = random.nextBoolean() ? 12 : 9;
      double tie = Math.scalb(Math.rint(Math.scalb(value, keep)), -keep);
      values[i] =
          random.nextBoolean() ? value : tie + random.nextInt(3) * Math.ulp(tie) - Math.ulp(tie);
    }
    Tensor f64 = Tensor.of(values, n);
    Tensor half = host(f64.to(DType.F16, WS));
    Tensor brain = host(f64.to(DType.BF16, WS));
    Tensor f32 = host(f64.to(DType.F32, WS));
    for (int i = 0; i < n; i++) {
      assertThat(half.memory().getShort(2L * i))
          .as("F16 of %s", values[i])
          .isEqualTo(Oracle.half(values[i]));
      assertThat(brain.memory().getShort(2L * i))
          .as("BF16 of %s", values[i])
          .isEqualTo(Oracle.bfloat16(values[i]));
      assertThat(f32.get(i)).isEqualTo((float) values[i]);
    }
  }

  @Test
  void doubleRoundingIsAvoided() {
    // Above a BF16 tie by less than an F32 step: through F32 it would become the tie, then even.
    double value = 1.00390625 + 0x1p-40;
    assertThat(bits(Tensor.of(new double[] {value}, 1).to(DType.BF16, WS))).isEqualTo("3f81");
    double half = 1.00048828125 + 0x1p-40;
    assertThat(bits(Tensor.of(new double[] {half}, 1).to(DType.F16, WS))).isEqualTo("3c01");
  }

  @Test
  void viewsShareAndCopiesDoNot() {
    Tensor tensor = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
    Tensor rows = tensor.rows(1, 3);
    Tensor flat = tensor.reshape(6);
    Tensor copy = tensor.copy();
    tensor.set(2, 9);
    assertThat(rows.get(0)).isEqualTo(9);
    assertThat(flat.get(2)).isEqualTo(9);
    assertThat(copy.get(2)).isEqualTo(3);
    assertThat(copy.sameBytes(tensor)).isFalse();
    rows.close();
    assertThat(tensor.get(2)).isEqualTo(9);
    tensor.close();
    assertThatThrownBy(() -> flat.get(0)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> flat.rows(0, 1).get(0)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void shapesAreChecked() {
    assertThatThrownBy(() -> Tensor.of(new float[5], 2, 3))
        .isInstanceOf(ShapeException.class)
        .hasMessage("5 values for F32 [2, 3]");
    assertThatThrownBy(() -> Tensor.allocate(DType.F32, -1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("negative size in shape [-1]");
    assertThatThrownBy(() -> Tensor.allocate(DType.F32, 1L << 40, 1L << 40))
        .isInstanceOf(ShapeException.class)
        .hasMessage("shape [1099511627776, 1099511627776] overflows");
    Tensor tensor = Tensor.zeros(DType.F32, 3, 2);
    assertThatThrownBy(() -> tensor.reshape(4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("cannot view F32 [3, 2] as [4]");
    assertThatThrownBy(() -> tensor.rows(2, 4))
        .isInstanceOf(ShapeException.class)
        .hasMessage("rows 2 to 4 of F32 [3, 2]");
    assertThatThrownBy(() -> Tensor.over(Memory.allocate(8), DType.F32, 3))
        .isInstanceOf(ShapeException.class)
        .hasMessage("F32 [3] needs 12 bytes, not 8");
    assertThatThrownBy(() -> tensor.get(6)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> Tensor.zeros(DType.I64, 1).get(0))
        .isInstanceOf(ShapeException.class)
        .hasMessage("I64 elements are carried through, not read");
    assertThatThrownBy(() -> Tensor.zeros(DType.I64, 1).to(DType.F32, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "I64 is carried through, not computed in; arithmetic types are F64, F32, F16, BF16");
  }

  @Test
  void scalarsAndEmptyTensors() {
    Tensor scalar = Tensor.zeros(DType.F64);
    assertThat(scalar.size()).isEqualTo(1);
    assertThat(scalar).hasToString("F64 []");
    Tensor empty = Tensor.zeros(DType.F32, 0, 3);
    assertThat(empty.size()).isZero();
    assertThat(empty.to(DType.BF16, WS).bytes()).isZero();
    assertThat(empty.rows(0, 0).size()).isZero();
    assertThat(empty.toFloatArray()).isEmpty();
  }

  /** 2^62 elements of four bytes are a multiple of 2^64: offsets must not be formed first. */
  @Test
  void indicesDoNotWrapAround() {
    Tensor f32 = Tensor.of(new float[] {42, 2, 3, 4}, 4);
    Tensor f64 = Tensor.of(new double[] {42, 2}, 2);
    Tensor over = Tensor.over(Memory.allocate(64), DType.F32, 4);
    for (long index : new long[] {-1, 4, 1L << 62, (1L << 61) + 1, Long.MIN_VALUE}) {
      for (Tensor tensor : new Tensor[] {f32, f64, over}) {
        assertThatThrownBy(() -> tensor.get(index))
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessage("index " + index + " of " + tensor);
        assertThatThrownBy(() -> tensor.set(index, 1))
            .isInstanceOf(IndexOutOfBoundsException.class);
      }
      assertThatThrownBy(() -> f32.rows(0, index == 4 ? 5 : index))
          .isInstanceOf(ShapeException.class);
      assertThatThrownBy(() -> f32.buffer(index, 16)).isInstanceOf(IndexOutOfBoundsException.class);
    }
    assertThatThrownBy(() -> f32.dim(1))
        .isInstanceOf(ShapeException.class)
        .hasMessage("axis 1 of F32 [4]");
  }

  @Test
  void sizesThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> Tensor.zeros(DType.F32, 1L << 32, 1L << 32))
        .isInstanceOf(ShapeException.class)
        .hasMessage("shape [4294967296, 4294967296] overflows");
    assertThatThrownBy(() -> Matrix.zeros(1L << 61, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("overflow");
    // Empty, but with more rows than an array can have.
    Matrix tall = Matrix.zeros(1L << 40, 0);
    assertThat(tall.transpose().columns()).isEqualTo(1L << 40);
    assertThat(LinAlg.distanceToIdentity(tall, WS)).isZero();
    assertThatThrownBy(tall::toArray)
        .isInstanceOf(ShapeException.class)
        .hasMessageContaining("does not fit into arrays");
  }

  /** Rows of elements that are no whole bytes are cut where they are. */
  @Test
  void rowsOfHalfBytes() {
    Tensor tensor = Tensor.over(Memory.allocate(2), DType.F4, 4, 1);
    tensor.memory().putByte(0, (byte) 1);
    tensor.memory().putByte(1, (byte) 2);
    assertThat(tensor.rows(2, 4).memory().getByte(0)).isEqualTo((byte) 2);
    assertThatThrownBy(() -> tensor.rows(1, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("1 elements of F4 are 4 bits, not whole bytes");
  }
}
