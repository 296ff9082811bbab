// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.LongPointer;

/**
 * Room for the lists of one call, of addresses, weights or sizes, that its context keeps. For
 * whatever it allocates, JavaCPP looks up the memory of the process in {@code /proc}, which takes
 * longer than a routine on a short range.
 */
final class Scratch {
  private static final int WORDS = 256;

  private LongPointer words = allocate(WORDS);
  private final List<LongPointer> outgrown = new ArrayList<>();
  private long used;

  private static LongPointer allocate(long words) {
    return JavaCppLimit.explain(() -> new LongPointer(words));
  }

  /** The address of some words of 8 bytes, not initialised, until {@link #clear}. */
  long take(long count) {
    if (used + count > words.capacity()) {
      LongPointer larger = allocate(Math.max(2 * words.capacity(), count));
      outgrown.add(words);
      words = larger;
      used = 0;
    }
    long address = words.address() + Long.BYTES * used;
    used += count;
    return address;
  }

  void clear() {
    used = 0;
    outgrown.forEach(LongPointer::close);
    outgrown.clear();
  }

  void free() {
    clear();
    words.close();
  }
}
