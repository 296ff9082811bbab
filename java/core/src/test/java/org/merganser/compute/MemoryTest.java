// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class MemoryTest {

  @Test
  void elementsAreLittleEndianAtAnyAlignment() {
    try (Memory memory = Memory.allocate(32)) {
      assertThat(memory.address() % 64).isZero();
      memory.clear();
      memory.putLong(3, 0x0102030405060708L);
      assertThat(memory.getByte(3)).isEqualTo((byte) 8);
      assertThat(memory.getByte(10)).isEqualTo((byte) 1);
      memory.putDouble(17, Math.PI);
      assertThat(memory.getDouble(17)).isEqualTo(Math.PI);
      memory.putFloat(1, -0.0f);
      assertThat(memory.getFloat(1)).isEqualTo(-0.0f);
      memory.putShort(30, (short) -2);
      assertThat(memory.getShort(30)).isEqualTo((short) -2);
    }
  }

  @Test
  void rangesAreChecked() {
    try (Memory memory = Memory.allocate(10)) {
      assertThatThrownBy(() -> memory.getLong(3))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessage("offset 3 + 8 of 10 bytes");
      assertThatThrownBy(() -> memory.getByte(-1)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> memory.getByte(Long.MAX_VALUE))
          .isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> memory.slice(8, 3))
          .isInstanceOf(IndexOutOfBoundsException.class)
          .hasMessage("range 8 + 3 of 10 bytes");
      assertThatThrownBy(() -> memory.buffer(1, 10)).isInstanceOf(IndexOutOfBoundsException.class);
      assertThatThrownBy(() -> memory.copyFrom(memory.slice(0, 9)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("cannot copy 9 bytes into memory of 10");
    }
    assertThatThrownBy(() -> Memory.allocate(-1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Memory.wrap(0, 4, Device.HOST, null))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void useAfterCloseIsAnErrorForSlicesToo() {
    Memory memory = Memory.allocate(16);
    Memory slice = memory.slice(4, 8);
    Memory slice2 = slice.slice(0, 4);
    slice2.putByte(0, (byte) 7);
    assertThat(memory.getByte(4)).isEqualTo((byte) 7);
    memory.close();
    memory.close();
    assertThatThrownBy(() -> memory.getByte(0))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("memory of 16 bytes is already closed");
    assertThatThrownBy(() -> slice2.getByte(0)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(slice2::address).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> slice.buffer(0, 1)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(memory::clear).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void closingASliceFreesNothing() {
    try (Memory memory = Memory.allocate(16)) {
      Memory slice = memory.slice(0, 8);
      slice.close();
      memory.putLong(0, 5);
      assertThat(memory.getLong(0)).isEqualTo(5);
    }
  }

  @Test
  void emptyMemoryIsValid() {
    try (Memory memory = Memory.allocate(0)) {
      memory.clear();
      assertThat(memory.buffer(0, 0).remaining()).isZero();
      assertThat(memory.slice(0, 0).bytes()).isZero();
    }
  }

  @Test
  void sizesOfTypes() {
    assertThat(DType.BF16.bytes(3)).isEqualTo(6);
    assertThat(DType.F4.bytes(4)).isEqualTo(2);
    assertThatThrownBy(() -> DType.F4.bytes(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 elements of F4 are 12 bits, not whole bytes");
    assertThatThrownBy(() -> DType.F64.bytes(Long.MAX_VALUE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("9223372036854775807 elements of F64 overflow");
    assertThatThrownBy(() -> DType.F32.bytes(-8)).isInstanceOf(IllegalArgumentException.class);
  }
}
