// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Work;

/** Matrices of heads: what is kept does not grow with them. */
class AxisMapTest {
  private static final int SIZE = 4;
  private static final int GROUP = 3;

  /** Asked once to see what they are, and again when they are used, once for each group. */
  @Test
  void squaresAreFormedWhenTheyAreUsed() {
    double[][] squares = new double[2][SIZE * SIZE];
    SplittableRandom random = new SplittableRandom(1);
    for (double[] square : squares) {
      for (int i = 0; i < square.length; i++) {
        square[i] = random.nextDouble(-1, 1);
      }
    }
    int[] sources = {2, 0, 1, 4, 5, 3};
    List<Integer> asked = new ArrayList<>();
    AxisMap map =
        AxisMap.heads(
            SIZE,
            sources,
            GROUP,
            number -> {
              asked.add(number);
              return squares[number];
            });
    assertThat(asked).containsExactly(0, 1);
    assertThat(map.isIdentity()).isFalse();
    assertThat(map.rounds()).isTrue();
    asked.clear();
    int n = sources.length * SIZE;
    double[] values = random.doubles(n, -1, 1).toArray();
    Tensor gathered = map.columns(Tensor.of(values, 1, n), 0, n, true, WS);
    assertThat(asked).isEmpty();
    try (Tensor mixed = map.mixedColumns(gathered, 0, WS);
        Tensor found = Work.host(mixed)) {
      assertThat(asked).containsExactly(0, 1);
      for (int b = 0; b < sources.length; b++) {
        for (int i = 0; i < SIZE; i++) {
          double sum = 0;
          for (int j = 0; j < SIZE; j++) {
            sum += squares[b / GROUP][i * SIZE + j] * values[sources[b] * SIZE + j];
          }
          assertThat(Math.abs(found.get(b * SIZE + i) - sum)).isLessThan(1e-14);
        }
      }
    }
  }

  /** One head of two is only moved; blocks stay whole. */
  @Test
  void aSquareThatMovesIsAGather() {
    double[] flip = new double[SIZE * SIZE];
    for (int i = 0; i < SIZE; i++) {
      flip[i * SIZE + (i + 1) % SIZE] = i == 0 ? -1 : 1;
    }
    double[] mixing = {1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    assertThat(AxisMap.heads(SIZE, new int[] {0, 1}, 1, head -> flip).rounds()).isFalse();
    AxisMap map = AxisMap.heads(SIZE, new int[] {1, 0}, 1, head -> head == 0 ? flip : mixing);
    Tensor taken =
        map.columns(Tensor.of(new double[] {1, 2, 3, 4, 5, 6, 7, 8}, 1, 8), 0, 8, true, WS);
    try (Tensor mixed = map.mixedColumns(taken, 0, WS);
        Tensor found = Work.host(mixed)) {
      assertThat(found.toDoubleArray()).containsExactly(-6, 7, 8, 5, 3, 2, 3, 4);
    }
  }
}
