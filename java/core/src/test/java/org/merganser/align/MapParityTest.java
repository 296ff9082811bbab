// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

/** Dense maps along an axis against loops, over odd sizes, offsets and types. */
class MapParityTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 15, 16, 17, 31, 33, 65, 129})
  void everyOddWidth(int n) throws IOException {
    check(DType.F64, n, 5, 3, 1, 0, 1e-13);
    check(DType.F32, n, 2, 1, 3, 2, 1e-6);
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void everyType(DType dtype) throws IOException {
    double tolerance =
        switch (dtype) {
          case F64 -> 1e-13;
          case F32 -> 1e-6;
          case F16 -> 1e-3;
          default -> 1e-2;
        };
    // An odd offset leaves the block unaligned in every type.
    check(dtype, 9, 3, 5, 2, 1, tolerance);
    check(dtype, 33, 1, 1, 1, 3, tolerance);
  }

  private static void check(
      DType dtype, int n, int outer, int inner, int repeat, int offset, double tolerance)
      throws IOException {
    double[][] t = Oracle.mixing(n, n);
    double[][] inverse = Oracle.inverse(t);
    int axis = offset + n * repeat + offset;
    Block block = new Block(offset, repeat);
    Architecture architecture =
        Architecture.builder()
            .space(
                "s",
                n,
                MapFamily.ANY_LINEAR,
                new Binding("out", 1, Role.WEIGHT_OUT, block),
                new Binding("in", 1, Role.WEIGHT_IN, block))
            .build();
    double[] flat = Oracle.gaussian(1, outer * axis * inner, 100 + n)[0];
    Tensor tensor = host(Tensor.of(flat, outer, axis, inner).to(dtype, WS));
    double[] values = tensor.toDoubleArray();
    MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("out", tensor, "in", tensor));
    var mapped =
        Alignment.of("t", architecture, Map.of("s", LinearMap.of(Matrix.of(t), Matrix.of(inverse))))
            .apply(model);
    String what = dtype + " n = " + n;
    Close.relative(
        what + " out",
        mapped.read("out", WS).toDoubleArray(),
        expected(values, t, outer, axis, inner, repeat, offset),
        tolerance);
    Close.relative(
        what + " in",
        mapped.read("in", WS).toDoubleArray(),
        expected(values, Oracle.transpose(inverse), outer, axis, inner, repeat, offset),
        tolerance);
  }

  private static double[] expected(
      double[] values, double[][] t, int outer, int axis, int inner, int repeat, int offset) {
    double[] result = values.clone();
    for (int o = 0; o < outer; o++) {
      for (int r = 0; r < t.length; r++) {
        for (int k = 0; k < repeat * inner; k++) {
          double sum = 0;
          for (int c = 0; c < t.length; c++) {
            sum += t[r][c] * values[(o * axis + offset + c * repeat) * inner + k];
          }
          result[(o * axis + offset + r * repeat) * inner + k] = sum;
        }
      }
    }
    return result;
  }
}
