// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.merganser.compute.DType;
import org.merganser.testing.Activations;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

class MomentsPropertiesTest {

  @Cases(60)
  void anySplitInAnyOrderIsOneBatch(Draw draw) {
    int samples = draw.integer(2, 300);
    int width = draw.integer(1, 20);
    int parts = draw.integer(1, 12);
    long seed = draw.seed();
    double[][] x = Oracle.gaussian(samples, width, seed);
    double[][] y = Oracle.map(Oracle.gaussian(samples, width, seed + 1), v -> 50 + 3 * v);
    List<int[]> ranges = ranges(samples, parts, seed);
    for (Precision precision : new Precision[] {Precision.F64, Precision.MIXED}) {
      double tolerance = precision == Precision.F64 ? 1e-12 : 1e-5;
      DType dtype = precision == Precision.F64 ? DType.F64 : DType.F32;
      SpaceMoments whole = Activations.moments(precision, WS, x, y);
      SpaceMoments merged = null;
      try (MomentAccumulator split = Activations.accumulator(precision, WS, x, y)) {
        for (int[] range : ranges) {
          double[][] xs = Arrays.copyOfRange(x, range[0], range[1]);
          double[][] ys = Arrays.copyOfRange(y, range[0], range[1]);
          split.update(Activations.tensors(dtype, WS, xs, ys));
          SpaceMoments part = Activations.moments(precision, WS, xs, ys);
          merged = merged == null ? part : merged.merge(part, WS);
        }
        same("batches", split.moments(), whole, tolerance);
        same("merged", merged, whole, tolerance);
      }
    }
  }

  private static void same(String what, SpaceMoments actual, SpaceMoments expected, double tol) {
    assertThat(actual.samples()).isEqualTo(expected.samples());
    for (int k = 0; k < 2; k++) {
      // A mean of centred data cancels, so it is measured by the size of the data.
      double spread = Math.sqrt(Arrays.stream(expected.variance(k)).max().orElse(0));
      double size =
          Math.max(spread, Arrays.stream(expected.mean(k)).map(Math::abs).max().orElse(0));
      Close.absolute(what + " mean " + k, actual.mean(k), expected.mean(k), tol * size);
      Close.relative(what + " variance " + k, actual.variance(k), expected.variance(k), tol);
    }
    double size =
        Math.sqrt(
            Arrays.stream(expected.m2(0)).max().orElse(0)
                * Arrays.stream(expected.m2(1)).max().orElse(0));
    expected
        .blocks()
        .forEach(
            (pair, block) -> {
              // A cross block of few samples may cancel, so it is measured by the sizes of both.
              if (pair.i() == pair.j()) {
                Close.relative(
                    what + " " + pair, array(actual.block(pair.i(), pair.j())), array(block), tol);
              } else {
                Close.absolute(
                    what + " " + pair,
                    array(actual.block(pair.i(), pair.j())),
                    array(block),
                    tol * size);
              }
            });
  }

  /** Disjoint ranges that cover all samples, shuffled. */
  private static List<int[]> ranges(int samples, int parts, long seed) {
    Random random = new Random(seed);
    int[] cuts = random.ints(parts - 1, 1, samples).sorted().distinct().toArray();
    List<int[]> ranges = new ArrayList<>();
    int from = 0;
    for (int cut : cuts) {
      ranges.add(new int[] {from, cut});
      from = cut;
    }
    ranges.add(new int[] {from, samples});
    Collections.shuffle(ranges, random);
    return ranges;
  }
}
