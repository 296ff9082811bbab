// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import org.merganser.compute.DType;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;

/**
 * The peers of merge arithmetic: one pass of plain code for each operation over preallocated F32
 * arrays, with passes of their own that widen BF16 and round to it, as one writes it with a tensor
 * library. One thread. Array 0 is the base of the methods that have one.
 */
final class PlainMerge {
  private static final int MODELS = 3;
  private static final int STRIDE = 17; // of the elements that a search over subsets looks at

  private final int n;
  private final short[][] narrow;
  private final float[][] wide;
  private final float[] sum;
  private final float[] weights;
  private final short[] rounded;
  private final float[][] deltas;

  PlainMerge(DType dtype, int n, Memory[] arrays, Kernels kernels) {
    if (dtype != DType.F32 && dtype != DType.BF16) {
      throw new IllegalArgumentException("the peers know F32 and BF16, not " + dtype);
    }
    this.n = n;
    wide = new float[arrays.length][];
    narrow = dtype == DType.BF16 ? new short[arrays.length][n] : null;
    for (int k = 0; k < arrays.length; k++) {
      wide[k] = widened(dtype, n, arrays[k], kernels);
      for (int i = 0; narrow != null && i < n; i++) {
        narrow[k][i] = (short) (Float.floatToRawIntBits(wide[k][i]) >>> 16);
      }
    }
    sum = new float[n];
    weights = new float[n];
    rounded = narrow == null ? null : new short[n];
    deltas = new float[MODELS][n];
  }

  static float[] widened(DType dtype, int n, Memory from, Kernels kernels) {
    float[] result = new float[n];
    try (Memory values = Memory.allocate(4L * n)) {
      kernels.tensors().convert(dtype.code(), Buffers.F32, n, Block.of(from), Block.of(values));
      for (int i = 0; i < n; i++) {
        result[i] = values.getFloat(4L * i);
      }
    }
    return result;
  }

  void linear(float first, float second) {
    widen(0);
    widen(1);
    scale(wide[0], first, sum);
    addScaled(wide[1], second, sum);
    round();
  }

  void task(float weight) {
    widen(0);
    clear(sum);
    for (int k = 0; k < MODELS; k++) {
      widen(k + 1);
      subtract(wide[k + 1], wide[0], deltas[k]);
      addScaled(deltas[k], weight, sum);
    }
    addScaled(wide[0], 1, sum);
    round();
  }

  void ties(float weight, float threshold) {
    widen(0);
    clear(sum);
    for (int k = 0; k < MODELS; k++) {
      widen(k + 1);
      subtract(wide[k + 1], wide[0], deltas[k]);
      trim(deltas[k], threshold);
      scale(deltas[k], weight, deltas[k]);
      addScaled(deltas[k], 1, sum);
    }
    clear(weights);
    for (int k = 0; k < MODELS; k++) {
      dropDissent(deltas[k], sum);
      countKept(deltas[k], weight, weights);
    }
    clear(sum);
    for (int k = 0; k < MODELS; k++) {
      addScaled(deltas[k], 1, sum);
    }
    divide(sum, weights);
    addScaled(wide[0], 1, sum);
    round();
  }

  float result(int i) {
    return narrow == null ? sum[i] : Float.intBitsToFloat(rounded[i] << 16);
  }

  /** Weights of arrays 0 and 1 at t between them. */
  double[] slerpWeights(double t) {
    double dot = 0;
    double xx = 0;
    double yy = 0;
    for (int i = 0; i < n; i++) {
      double x = wide[0][i];
      double y = wide[1][i];
      dot += x * y;
      xx += x * x;
      yy += y * y;
    }
    double angle = Math.acos(dot / Math.sqrt(xx * yy));
    return new double[] {
      Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)
    };
  }

  /**
   * That {@code found} is the base plus some of the deltas times {@code scale}, a share of them, to
   * some roundings of the deltas.
   */
  void requireDropped(float[] found, double scale, double share, double roundOff) {
    long kept = 0;
    int seen = 0;
    for (int i = 0; i < n; i += STRIDE, seen++) {
      double nearest = Double.POSITIVE_INFINITY;
      int best = 0;
      for (int some = 0; some < 1 << MODELS; some++) {
        double value = wide[0][i];
        for (int k = 0; k < MODELS; k++) {
          value += (some >> k & 1) * scale * (wide[k + 1][i] - wide[0][i]);
        }
        if (Math.abs(value - found[i]) < nearest) {
          nearest = Math.abs(value - found[i]);
          best = some;
        }
      }
      double allowed = roundOff * (Math.abs(found[i]) + 0.5);
      Validation.requireElement("dare", i, nearest, 0, allowed);
      kept += Integer.bitCount(best);
    }
    double deviations = Math.sqrt(share * (1 - share) / ((double) MODELS * seen));
    double off = Math.abs(kept / ((double) MODELS * seen) - share);
    // Deltas near 0 count as kept or dropped by chance.
    Validation.require("share kept by dare", off, 6 * deviations + 4 * roundOff);
  }

  private void widen(int k) {
    if (narrow != null) {
      widen(narrow[k], wide[k]);
    }
  }

  private static void widen(short[] from, float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] = Float.intBitsToFloat(from[i] << 16);
    }
  }

  private void round() {
    if (narrow != null) {
      round(sum, rounded);
    }
  }

  private static void round(float[] from, short[] to) {
    for (int i = 0; i < to.length; i++) {
      int bits = Float.floatToRawIntBits(from[i]);
      to[i] = (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }
  }

  private static void clear(float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] = 0;
    }
  }

  private static void scale(float[] from, float scale, float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] = scale * from[i];
    }
  }

  private static void addScaled(float[] from, float scale, float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] += scale * from[i];
    }
  }

  private static void subtract(float[] x, float[] y, float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] = x[i] - y[i];
    }
  }

  private static void trim(float[] delta, float threshold) {
    for (int i = 0; i < delta.length; i++) {
      delta[i] = Math.abs(delta[i]) >= threshold ? delta[i] : 0;
    }
  }

  private static void dropDissent(float[] delta, float[] elected) {
    for (int i = 0; i < delta.length; i++) {
      delta[i] = delta[i] >= 0 == elected[i] >= 0 ? delta[i] : 0;
    }
  }

  private static void countKept(float[] delta, float weight, float[] weights) {
    for (int i = 0; i < delta.length; i++) {
      weights[i] += delta[i] != 0 ? weight : 0;
    }
  }

  private static void divide(float[] sum, float[] weights) {
    for (int i = 0; i < sum.length; i++) {
      sum[i] /= weights[i] != 0 ? weights[i] : 1;
    }
  }
}
