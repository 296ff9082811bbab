// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.util.Arrays;
import org.merganser.compute.Memory;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.NpState;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * One step of NP Merge with Adam, two models, one weight for each parameter.
 *
 * <p>{@code sigmoid} and {@code clamp}: the fused step, 6 arrays read and 4 written, counted as 40
 * bytes a parameter (the check of the gradients before it is not counted). {@code limit}: 6 arrays
 * read and 4 written by stores past the caches. {@code unfused}: the clamped form as one pass for
 * each operation over preallocated arrays, on one thread.
 */
public class NpStepBenchmark extends KernelBenchmark {
  private static final double RATE = 1e-3;

  @Param("16777216")
  int n;

  private Memory[] arrays;
  private NpState sigmoid;
  private NpState clamp;
  private float[][] plain;
  private int step;

  @Setup
  public void setUp() {
    open();
    arrays = new Memory[10];
    for (int k = 0; k < arrays.length; k++) {
      arrays[k] = k < 3 ? Buffers.uniform(n, k) : Buffers.zeros(4L * n);
    }
    sigmoid = create(0);
    clamp = create(1);
    plain = new float[9][n];
    for (int k = 0; k < 3; k++) {
      for (int i = 0; i < n; i++) {
        plain[k][i] = arrays[k].getFloat(4L * i);
      }
    }
    Arrays.fill(plain[3], 0.5f);
    step = 0;
    validate();
  }

  @TearDown
  public void tearDown() {
    sigmoid.close();
    clamp.close();
    Buffers.close(arrays);
    ws.close();
  }

  @Benchmark
  public void sigmoid() {
    step(sigmoid);
  }

  @Benchmark
  public void clamp() {
    step(clamp);
  }

  @Benchmark
  public void limit() {
    Buffers.bandwidth(kernels, 4L * n, arrays, 6);
  }

  @Benchmark
  public void unfused() {
    unfusedStep();
  }

  private NpState create(int form) {
    NpState.Options options =
        new NpState.Options(form, 0, 0, 2, Buffers.F32, 0.9, 0.999, 1e-8, 0, 0, 15);
    Block[] models = {Block.of(arrays[0]), Block.of(arrays[1])};
    return kernels.np(options, new long[] {n}, new long[] {1}, models, null);
  }

  private void step(NpState np) {
    Work.bytes(40L * n);
    np.step(RATE, new Block[] {Block.of(arrays[2])}, new Block[] {Block.of(arrays[9])});
  }

  // Of plain: 0 a, 1 c, 2 g, 3 z, 4 m, 5 v, 6 and 7 temporaries, 8 theta.
  private void unfusedStep() {
    Work.bytes(40L * n);
    step++;
    float rate = (float) (RATE / (1 - Math.pow(0.9, step)));
    float root = (float) (1 / Math.sqrt(1 - Math.pow(0.999, step)));
    float[] a = plain[0];
    float[] c = plain[1];
    float[] g = plain[2];
    float[] z = plain[3];
    float[] m = plain[4];
    float[] v = plain[5];
    float[] d = plain[6];
    float[] q = plain[7];
    float[] theta = plain[8];
    for (int i = 0; i < n; i++) {
      d[i] = a[i] - c[i];
    }
    for (int i = 0; i < n; i++) {
      q[i] = g[i] * d[i];
    }
    for (int i = 0; i < n; i++) {
      m[i] = 0.9f * m[i] + (float) (1 - 0.9) * q[i];
    }
    for (int i = 0; i < n; i++) {
      v[i] = 0.999f * v[i] + (float) (1 - 0.999) * (q[i] * q[i]);
    }
    for (int i = 0; i < n; i++) {
      q[i] = (float) Math.sqrt(v[i]) * root + 1e-8f;
    }
    for (int i = 0; i < n; i++) {
      z[i] -= rate * (m[i] / q[i]);
    }
    for (int i = 0; i < n; i++) {
      z[i] = Math.min(Math.max(z[i], 0), 1);
    }
    for (int i = 0; i < n; i++) {
      theta[i] = c[i] + z[i] * d[i];
    }
  }

  /** The first steps of the fused and the unfused form must agree before anything is timed. */
  private void validate() {
    for (int t = 0; t < 3; t++) {
      step(clamp);
      unfusedStep();
    }
    for (int i = 0; i < n; i++) {
      float found = arrays[9].getFloat(4L * i);
      Validation.requireElement("clamp", i, found, plain[8][i], 1e-6);
    }
    step(sigmoid);
    for (int i = 0; i < n; i++) {
      double a = plain[0][i];
      double c = plain[1][i];
      double gradient = plain[2][i] * (a - c) / 4;
      double z = -RATE * gradient / (Math.abs(gradient) + 1e-8);
      double expected = c + (a - c) / (1 + Math.exp(-z));
      float found = arrays[9].getFloat(4L * i);
      Validation.requireElement("sigmoid", i, found, expected, 1e-6);
    }
  }
}
