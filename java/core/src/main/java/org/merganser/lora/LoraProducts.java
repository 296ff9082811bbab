// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Inner products of products of factors, {@code D_i = s_i B_i A_i}, without forming one:
 *
 * <pre>
 *   &lt;D_i, D_j&gt; = tr(D_i^T D_j) = s_i s_j tr((B_i^T B_j) (A_j A_i^T))
 * </pre>
 *
 * All at once, from the products of all rows of the A, and of all columns of the {@code s B}: for
 * ranks r the cost is {@code (sum r)^2 (in + out)}. Of convolutions rows of A are those of all the
 * elements of a filter, and nothing else changes.
 */
final class LoraProducts {
  private LoraProducts() {}

  /** Of the terms of a sum: [adapters x adapters], 0 where an adapter does not have the module. */
  static List<List<Double>> of(SummedLayer layer, int adapters, Workspace ws) throws IOException {
    double[][] ofB = gram(layer, true, ws);
    double[][] ofA = gram(layer, false, ws);
    double[][] sums = new double[adapters][adapters];
    int row = 0;
    for (SummedLayer.Term i : layer.terms()) {
      int column = 0;
      for (SummedLayer.Term j : layer.terms()) {
        double sum = 0;
        for (int a = 0; a < i.layer().rank(); a++) {
          for (int b = 0; b < j.layer().rank(); b++) {
            sum += ofB[row + a][column + b] * ofA[row + a][column + b];
          }
        }
        sums[i.index()][j.index()] = sum;
        column += (int) j.layer().rank();
      }
      row += (int) i.layer().rank();
    }
    List<List<Double>> products = new ArrayList<>();
    for (double[] each : sums) {
      products.add(Arrays.stream(each).boxed().toList());
    }
    return products;
  }

  private static double[][] gram(SummedLayer layer, boolean ofB, Workspace ws) throws IOException {
    try (Tensor rows = SummedCheckpoint.stacked(layer, ofB, DType.F64, ws);
        Matrix product = LinAlg.multiplyTransposed(Matrix.of(rows), Matrix.of(rows), ws);
        Matrix host = product.toHost(ws)) {
      return host.toArray();
    }
  }
}
