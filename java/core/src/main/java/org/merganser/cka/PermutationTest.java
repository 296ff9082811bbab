// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Gram;

/**
 * How often samples of Y in another order give as large a CKA: {@code T = sum K_ij L_p(i)p(j)} over
 * permutations p. Norms do not change, so T decides. All permutations where there are few.
 *
 * <p>Rows of one sample, its positions, stay together and in their order: if nothing relates the
 * sides, samples of Y are as likely in any order beside those of X, whatever relates the rows
 * within a sample. Rows are not: neighbours are alike, and the first position is a corner on both
 * sides.
 */
final class PermutationTest {
  /** As many as 8 samples have. */
  private static final long MOST_EXACT = 40320;

  /** Permutations that go to the kernel together. */
  private static final int TOGETHER = 1 << 22;

  private static final double TIE = 1e-12;

  /** {@code T} of each of some permutations of rows. */
  interface Products {
    double[] of(int[][] permutations);
  }

  private final GramPair pair;
  private final Products products;
  private final List<int[]> groups;

  private PermutationTest(GramPair pair, Products products, List<int[]> groups) {
    this.pair = pair;
    this.products = products;
    this.groups = groups;
  }

  /**
   * @param within the group of each sample; only samples of one group change places; null for one
   *     group
   */
  static Significance of(GramPair pair, int permutations, int[] within, Workspace ws) {
    return of(pair, orders -> ofGrams(pair, orders, ws), permutations, within, ws);
  }

  /** With another way to the products. */
  static Significance of(
      GramPair pair, Products products, int permutations, int[] within, Workspace ws) {
    PermutationTest test = new PermutationTest(pair, products, groups(pair.samples(), within));
    long all = test.arrangements();
    int together = Math.max(1, TOGETHER / pair.rows());
    if (all <= MOST_EXACT) {
      Counted counted = test.new Counted(together, ws);
      test.extend(test.identity(), 0, 0, counted);
      return new Significance(counted.finish(), all, true);
    }
    SplittableRandom random = Seeds.stream(ws.seed(), "cka permutations");
    long atLeast = 1;
    for (int done = 0; done < permutations; ) {
      ws.cancellation().check();
      int now = Math.min(permutations - done, together);
      int[][] drawn = new int[now][];
      Arrays.setAll(drawn, k -> test.drawn(random));
      atLeast += test.count(drawn);
      done += now;
    }
    return new Significance(atLeast, permutations + 1L, false);
  }

  /** Counts orders as they come, some at a time. */
  private final class Counted {
    private final int together;
    private final Workspace ws;
    private final List<int[]> waiting = new ArrayList<>();
    private long atLeast;

    Counted(int together, Workspace ws) {
      this.together = together;
      this.ws = ws;
    }

    void add(int[] order) {
      waiting.add(order);
      if (waiting.size() == together) {
        finish();
      }
    }

    long finish() {
      ws.cancellation().check();
      if (!waiting.isEmpty()) {
        atLeast += count(waiting.toArray(int[][]::new));
        waiting.clear();
      }
      return atLeast;
    }
  }

  /** Those of several samples; one by itself has no other place. */
  private static List<int[]> groups(int samples, int[] within) {
    Map<Integer, List<Integer>> members = new TreeMap<>();
    for (int i = 0; i < samples; i++) {
      members.computeIfAbsent(within == null ? 0 : within[i], g -> new ArrayList<>()).add(i);
    }
    return members.values().stream()
        .filter(group -> group.size() > 1)
        .map(group -> group.stream().mapToInt(Integer::intValue).toArray())
        .toList();
  }

  /** How many there are, up to one more than are listed. */
  private long arrangements() {
    long all = 1;
    for (int[] group : groups) {
      for (int k = 2; k <= group.length && all <= MOST_EXACT; k++) {
        all *= k;
      }
    }
    return all;
  }

  /** How many give at least what the samples in order give. */
  private long count(int[][] permutations) {
    double least = Translation.sum(pair.centred.kl()) - TIE * pair.normK() * pair.normL();
    int[][] rows = Arrays.stream(permutations).map(pair.blocks::rowsOf).toArray(int[][]::new);
    return Arrays.stream(products.of(rows)).filter(product -> product >= least).count();
  }

  private static double[] ofGrams(GramPair pair, int[][] permutations, Workspace ws) {
    int n = pair.rows();
    int[] flat = new int[n * permutations.length];
    for (int k = 0; k < permutations.length; k++) {
      System.arraycopy(permutations[k], 0, flat, k * n, n);
    }
    return Gram.permutedProducts(pair.k, pair.l, flat, ws);
  }

  private int[] drawn(SplittableRandom random) {
    int[] order = identity();
    for (int[] group : groups) {
      for (int i = group.length - 1; i > 0; i--) {
        swap(order, group[i], group[random.nextInt(i + 1)]);
      }
    }
    return order;
  }

  /** All orders of what follows place {@code at} of group g. */
  private void extend(int[] order, int g, int at, Counted orders) {
    if (g == groups.size()) {
      orders.add(order.clone());
      return;
    }
    int[] group = groups.get(g);
    if (at == group.length) {
      extend(order, g + 1, 0, orders);
      return;
    }
    for (int next = at; next < group.length; next++) {
      swap(order, group[at], group[next]);
      extend(order, g, at + 1, orders);
      swap(order, group[at], group[next]);
    }
  }

  private int[] identity() {
    int[] order = new int[pair.samples()];
    Arrays.setAll(order, i -> i);
    return order;
  }

  private static void swap(int[] order, int i, int j) {
    int kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}
