// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/** Pointers that borrow a raw address: JavaCPP has no public constructor for that. */
final class Address extends Pointer {
  Address(long address) {
    super((Pointer) null);
    this.address = address;
  }

  /** The same for the routines that take {@code double*}. */
  static final class OfDoubles extends DoublePointer {
    OfDoubles(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }

  /** The same for {@code float*}. */
  static final class OfFloats extends FloatPointer {
    OfFloats(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }

  private static final class OfLongs extends LongPointer {
    OfLongs(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }

  private static final class OfInts extends IntPointer {
    OfInts(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }

  private static final class OfPointers extends PointerPointer<Pointer> {
    OfPointers(long address) {
      super((Pointer) null);
      this.address = address;
    }
  }

  static FloatPointer floats(long address) {
    return new OfFloats(address);
  }

  static DoublePointer doubles(long address) {
    return new OfDoubles(address);
  }

  static LongPointer longs(long address) {
    return new OfLongs(address);
  }

  static IntPointer ints(long address) {
    return new OfInts(address);
  }

  /** The same for the routines that take an array of pointers. */
  static PointerPointer<Pointer> pointers(long address) {
    return new OfPointers(address);
  }
}
