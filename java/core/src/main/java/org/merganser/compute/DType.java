// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import org.merganser.internal.kernel.Codes;

/**
 * Every element type of the safetensors format. Merganser computes in {@link #F64}, {@link #F32},
 * {@link #F16} and {@link #BF16}; the others are carried through unchanged. In the order of the
 * format, by which files are laid out.
 */
public enum DType {
  BOOL(8, -1),
  F4(4, -1),
  F6_E2M3(6, -1),
  F6_E3M2(6, -1),
  U8(8, -1),
  I8(8, -1),
  F8_E5M2(8, -1),
  F8_E4M3(8, -1),
  F8_E8M0(8, -1),
  F8_E4M3FNUZ(8, -1),
  F8_E5M2FNUZ(8, -1),
  I16(16, -1),
  U16(16, -1),
  F16(16, Codes.F16),
  BF16(16, Codes.BF16),
  I32(32, -1),
  U32(32, -1),
  F32(32, Codes.F32),
  C64(64, -1),
  F64(64, Codes.F64),
  I64(64, -1),
  U64(64, -1);

  private final int bits;
  private final int code;

  DType(int bits, int code) {
    this.bits = bits;
    this.code = code;
  }

  /** Bits of one element. */
  public int bits() {
    return bits;
  }

  /** Whether Merganser computes in this type. */
  public boolean isArithmetic() {
    return code >= 0;
  }

  /** Code of the native ABI; only for arithmetic types. */
  public int code() {
    if (code < 0) {
      throw new IllegalArgumentException(
          this + " is carried through, not computed in; arithmetic types are F64, F32, F16, BF16");
    }
    return code;
  }

  /**
   * Bytes of {@code count} elements.
   *
   * @throws IllegalArgumentException when the bits are no whole number of bytes or overflow
   */
  public long bytes(long count) {
    long total;
    try {
      total = Math.multiplyExact(count, (long) bits);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(count + " elements of " + this + " overflow", e);
    }
    if (count < 0 || total % 8 != 0) {
      throw new IllegalArgumentException(
          count + " elements of " + this + " are " + total + " bits, not whole bytes");
    }
    return total / 8;
  }
}
