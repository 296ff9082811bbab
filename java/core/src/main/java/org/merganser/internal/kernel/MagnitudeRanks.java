// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.ArrayList;
import java.util.List;
import org.merganser.error.NumericalException;
import org.merganser.internal.kernel.MergeKernels.Threshold;
import org.merganser.natives.global.merganser;

/**
 * The magnitudes of given ranks in series of numbers that come in parts, exactly, however they are
 * cut: radix selection from the top. In every pass the caller adds all parts of all series, in
 * order; the first passes count digits of the bits of magnitudes, two of F32 and four of F64 (three
 * and six where there is little to read), and another finds the last element kept where not all
 * that are equal are. Memory: half a megabyte for each rank.
 *
 * <pre>
 *   while (ranks.wantsPass()) {
 *     ... ranks.add(series, first, dtype, count, x, base) ...
 *     ranks.endPass();
 *   }
 * </pre>
 */
public final class MagnitudeRanks implements AutoCloseable {
  /** Bits of a digit: fewer passes over what is read again, or fewer counts than elements. */
  private static final int WIDE = 16;

  private static final int NARROW = 12;

  /** Elements from which counting 2^16 digits costs little beside them. */
  private static final long LARGE = 1 << 18;

  /** Held for each rank. */
  public static final long BYTES = 8L << WIDE;

  /** Beyond every index, and far from where sums overflow: all that are equal are kept. */
  private static final long ALL = 1L << 62;

  private final Kernels kernels;
  private final int bits;
  private final int widest;
  private final List<List<Search>> series = new ArrayList<>();

  /** Bits that are not known yet. */
  private int open;

  private List<List<Counts>> counts = List.of();
  private long[] staged = new long[0];

  /** One rank. */
  private static final class Search {
    long need;
    long prefix;
    long equal;
    long last = -1;

    Search(long rank) {
      this.need = rank;
    }

    boolean isFound() {
      return last >= 0;
    }
  }

  /** How many have each digit below a prefix, for the ranks that have come to it. */
  private record Counts(long prefix, Block sums, List<Search> searches) {}

  /**
   * @param wide whether the parts are F64; the magnitudes of others are those of F32
   * @param size elements of a series
   * @param ranks of each series, 1 for the largest; none for series that are left out
   */
  public MagnitudeRanks(Kernels kernels, boolean wide, long size, long[][] ranks) {
    this.kernels = kernels;
    this.widest = size < LARGE ? NARROW : WIDE;
    this.bits = wide ? 63 : 31;
    this.open = bits;
    for (long[] each : ranks) {
      List<Search> searches = new ArrayList<>();
      for (long rank : each) {
        searches.add(new Search(rank));
      }
      series.add(searches);
    }
    try {
      prepare();
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Passes for so many elements, the one for equal magnitudes included. */
  public static int passes(boolean wide, long size) {
    int digits = size < LARGE ? 3 : 2;
    return 1 + (wide ? 2 * digits : digits);
  }

  /** The threshold of a rank of one array. {@code base} null for none. */
  public static Threshold of(
      Kernels kernels, int dtype, long count, Block x, Block base, long rank) {
    boolean wide = dtype == merganser.MG_F64;
    try (MagnitudeRanks ranks = new MagnitudeRanks(kernels, wide, count, new long[][] {{rank}})) {
      while (ranks.wantsPass()) {
        ranks.add(0, 0, dtype, count, x, base);
        ranks.endPass();
      }
      return ranks.of(0)[0];
    }
  }

  /** How many numbers of one array are 0. */
  public static long zeros(Kernels kernels, int dtype, long count, Block x) {
    return count == 0 ? 0 : kernels.merge().magnitudeFind(dtype, count, x, null, 0, count + 1)[0];
  }

  /** Whether the parts must be added once more. */
  public boolean wantsPass() {
    return series.stream().flatMap(List::stream).anyMatch(search -> !search.isFound());
  }

  /** Whether this pass needs no more parts, of any series. */
  public boolean hasEnough() {
    return open == 0 && !wantsPass();
  }

  /**
   * Takes in a part.
   *
   * @param first index of the first element in its series
   * @param base what is taken off first, or null
   */
  public void add(int index, long first, int dtype, long count, Block x, Block base) {
    if (count == 0) {
      return;
    }
    if (open > 0) {
      int width = width();
      for (Counts each : counts.get(index)) {
        kernels
            .merge()
            .magnitudeCounts(
                dtype, count, x, base, open - width, width, each.prefix(), each.sums());
      }
      return;
    }
    for (Search search : series.get(index)) {
      if (!search.isFound()) {
        double threshold = magnitude(search.prefix);
        long[] found = kernels.merge().magnitudeFind(dtype, count, x, base, threshold, search.need);
        search.last = found[1] < 0 ? -1 : first + found[1];
        search.need -= found[1] < 0 ? found[0] : 0;
      }
    }
  }

  /** All parts were added. */
  public void endPass() {
    if (open == 0) {
      if (wantsPass()) {
        throw changed();
      }
      return;
    }
    int width = width();
    for (List<Counts> all : counts) {
      for (Counts each : all) {
        choose(read(each.sums(), 1 << width), width, each.searches());
      }
    }
    open -= width;
    prepare();
  }

  /** The thresholds of a series, in the order of its ranks, when no pass is wanted any more. */
  public Threshold[] of(int index) {
    return series.get(index).stream()
        .map(search -> new Threshold(magnitude(search.prefix), search.last))
        .toArray(Threshold[]::new);
  }

  private int width() {
    return Math.min(widest, open);
  }

  private void choose(long[] sums, int width, List<Search> searches) {
    if (open == bits) {
      refuseNan(sums, width);
    }
    for (Search search : searches) {
      int digit = sums.length - 1;
      while (digit >= 0 && search.need > sums[digit]) {
        search.need -= sums[digit--];
      }
      if (digit < 0) {
        throw changed();
      }
      search.prefix = search.prefix << width | digit;
      search.equal = sums[digit];
      if (open == width && search.need == search.equal) {
        search.last = ALL;
      }
    }
  }

  private void refuseNan(long[] sums, int width) {
    long infinity = bits == 63 ? 0x7ffL << 52 : 0x7f800000L;
    long nan = 0;
    for (int digit = (int) (infinity >>> bits - width) + 1; digit < sums.length; digit++) {
      nan += sums[digit];
    }
    if (nan > 0) {
      throw new NumericalException(nan + " magnitudes to be ranked are NaN");
    }
  }

  private static NumericalException changed() {
    return new NumericalException("the numbers to be ranked changed while they were read");
  }

  private double magnitude(long key) {
    return bits == 63 ? Double.longBitsToDouble(key) : Float.intBitsToFloat((int) key);
  }

  /** Empty counts for the next digit, one for each prefix. */
  private void prepare() {
    close();
    if (open == 0) {
      return;
    }
    List<List<Counts>> next = new ArrayList<>();
    counts = next;
    long bytes = (long) Long.BYTES << width();
    Block zeros = Block.allocate(bytes);
    try {
      write(zeros, new long[1 << width()]);
      for (List<Search> searches : series) {
        List<Counts> all = new ArrayList<>();
        next.add(all);
        for (Search search : searches) {
          all.stream()
              .filter(each -> each.prefix() == search.prefix)
              .findFirst()
              .orElseGet(() -> added(all, search.prefix, zeros))
              .searches()
              .add(search);
        }
      }
    } finally {
      zeros.close();
    }
  }

  private Counts added(List<Counts> all, long prefix, Block zeros) {
    Counts fresh = new Counts(prefix, kernels.allocate(zeros.bytes()), new ArrayList<>());
    all.add(fresh);
    kernels.copy(fresh.sums(), zeros);
    return fresh;
  }

  private static void write(Block block, long[] values) {
    try (Block.View view = block.view(0, Math.toIntExact(block.bytes()))) {
      view.buffer().asLongBuffer().put(values);
    }
  }

  private long[] read(Block sums, int size) {
    staged = staged.length == size ? staged : new long[size];
    Block here = Block.allocate(sums.bytes());
    try {
      kernels.copy(here, sums);
      try (Block.View view = here.view(0, Math.toIntExact(here.bytes()))) {
        view.buffer().asLongBuffer().get(staged);
      }
    } finally {
      here.close();
    }
    return staged;
  }

  @Override
  public void close() {
    counts.forEach(all -> all.forEach(each -> each.sums().close()));
    counts = List.of();
  }
}
