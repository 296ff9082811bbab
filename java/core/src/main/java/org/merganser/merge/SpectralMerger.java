// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels.Mix;
import org.merganser.internal.kernel.MergeKernels.Task;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/**
 * Methods of the singular vectors of task vectors: {@code theta = b + lambda D} where {@code D} is
 * made of the matrices {@code d_k = theta_k - b}. Of tensors that are no matrix {@code D} is the
 * plain mean. Matrices in F64, whole, of at most 23000 rows or columns; one rounding.
 */
abstract class SpectralMerger extends TensorMerger {
  /** Rows and columns of a decomposition in LAPACK's 32 bits. */
  private static final int LARGEST = 23000;

  /** What a matrix of task vectors becomes; the caller closes it, and the d_k after it. */
  abstract Matrix merge(List<Matrix> differences, Workspace ws);

  /** Whether a matrix of that rank at most can be merged so; otherwise the mean is taken. */
  boolean takes(long rank, int models) {
    return true;
  }

  /** The smaller side of the largest matrix that is decomposed. */
  long decomposed(TensorInfo info, int models) {
    return Math.min(info.dim(0), info.dim(1));
  }

  /** Times the merged task vector. */
  abstract double lambda();

  @Override
  public Needs needs() {
    return TaskVectors.NEEDS;
  }

  @Override
  protected Access access(TensorInfo info) {
    return isMatrix(info) ? Access.WHOLE : Access.ELEMENTS;
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    // The matrices in F64, what is made of them side by side, and its decomposition.
    return new Demand(1, isMatrix(info) ? (6L * models + 12) * info.size() * 8 : 0);
  }

  @Override
  protected void check(String name, TensorInfo info, int models) {
    if (isMatrix(info) && decomposed(info, models) > LARGEST) {
      throw new IllegalArgumentException(
          "%s: %s %s has more than %d rows and columns, the limit of its decomposition; leave it out"
                  .formatted(id(), Names.quote(name), info, LARGEST)
              + " (--ignore, Checkpoint.where), or in a recipe take another method");
    }
  }

  private static boolean isMatrix(TensorInfo info) {
    return info.rank() == 2 && info.size() > 0;
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    TensorInfo info = group.info();
    int models = group.models();
    return isMatrix(info) && takes(Math.min(info.dim(0), info.dim(1)), models)
        ? this::merge
        : mean(models, lambda());
  }

  private static TileFunction mean(int models, double lambda) {
    Task[] tasks = new Task[models];
    Arrays.fill(tasks, Task.weighted(1.0 / models));
    return TaskVectors.merge(tasks, new Mix(false, false, lambda));
  }

  private void merge(Tile tile, Tensor out, Workspace ws) {
    try (Opened opened = new Opened()) {
      Tensor base = opened.add(tile.base().orElseThrow().to(DType.F64, ws));
      List<Matrix> differences = new ArrayList<>();
      for (Tensor model : tile.models()) {
        Tensor difference = opened.add(model.to(DType.F64, ws));
        TaskVectors.difference(difference, base, difference, ws);
        differences.add(Matrix.of(difference));
      }
      Matrix merged = opened.add(merge(differences, ws));
      Block[] terms = {Block.of(base), Block.of(merged.asTensor())};
      double[] weights = {1, lambda()};
      Kernels.of(ws)
          .merge()
          .weightedSum(DType.F64.code(), base.size(), terms, weights, Block.of(base));
      out.convertFrom(base, ws);
    }
  }

  /** The sum of matrices. */
  static Matrix sum(List<Matrix> matrices, Workspace ws) {
    Matrix first = matrices.get(0);
    Block[] terms =
        matrices.stream().map(matrix -> Block.of(matrix.asTensor())).toArray(Block[]::new);
    double[] ones = new double[terms.length];
    Arrays.fill(ones, 1);
    try (Opened opened = new Opened()) {
      Matrix sum = opened.add(Matrix.allocate(first.rows(), first.columns(), ws));
      Kernels.of(ws)
          .merge()
          .weightedSum(
              DType.F64.code(), first.asTensor().size(), terms, ones, Block.of(sum.asTensor()));
      opened.release();
      return sum;
    }
  }

  /** Singular triples of several matrices, one below the other, as rows. */
  static final class Triples implements AutoCloseable {
    private final Matrix left;
    private final Matrix right;
    private final double[] values;
    private int count;

    /** Room for so many of m x n matrices. */
    Triples(long triples, long m, long n, Workspace ws) {
      left = Matrix.allocate(triples, m, ws);
      right = Matrix.allocate(triples, n, ws);
      values = new double[Math.toIntExact(triples)];
    }

    /** Takes the leading triples of a matrix. */
    void add(Svd of, int leading, Workspace ws) {
      try (Matrix transposed = LinAlg.transpose(of.left(), ws)) {
        copy(transposed, left, leading, ws);
      }
      copy(of.rightTransposed(), right, leading, ws);
      System.arraycopy(of.singularValues(), 0, values, count, leading);
      count += leading;
    }

    private void copy(Matrix from, Matrix into, int leading, Workspace ws) {
      if (leading == 0) {
        return;
      }
      try (Tensor part = from.asTensor().rows(0, leading);
          Tensor place = into.asTensor().rows(count, count + leading)) {
        place.copyFrom(part, ws);
      }
    }

    double[] values() {
      return values;
    }

    /**
     * {@code polar(L)^T diag(values) polar(R)}, L and R the stacked vectors: with the nearest
     * orthonormal ones in their place.
     */
    Matrix orthogonalised(double[] diagonal, Workspace ws) {
      try (Matrix l = polar(left, ws);
          Matrix r = polar(right, ws);
          Tensor scaled = r.asTensor().scaledRows(diagonal, ws)) {
        return LinAlg.transposeMultiply(l, Matrix.of(scaled), ws);
      }
    }

    @Override
    public void close() {
      left.close();
      right.close();
    }
  }

  /** {@code U V^T} of a matrix of any shape. */
  static Matrix polar(Matrix a, Workspace ws) {
    try (Svd svd = Svd.of(a, ws)) {
      return LinAlg.multiply(svd.left(), svd.rightTransposed(), ws);
    }
  }

  static double mean(double[] values) {
    return Arrays.stream(values).average().orElse(0);
  }
}
