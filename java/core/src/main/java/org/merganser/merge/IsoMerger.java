// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Task vectors merged so that every direction counts the same. For matrices {@code d_k = theta_k -
 * b}, with {@code sum_k d_k = U S V^T},
 *
 * <pre>
 *   iso-c     theta = b + lambda mean(S) U V^T
 *   iso-cts   theta = b + lambda mean(S') polar(U') polar(V')^T
 * </pre>
 *
 * <p>where U', S', V' of {@code iso-cts} are the leading singular triples of the sum, which the
 * tasks have in common, after directions of the tasks' own: of each {@code d_k - U_c U_c^T d_k}
 * (U_c the common ones) as many leading triples. With {@code r = min(rows, columns)} and n models
 * the common ones are {@code r - n round((r - trunc(common r)) / n)}. Other tensors: the mean.
 * Invariant to the order of models. The whole matrix, in F64: {@code n + 1} singular value
 * decompositions.
 *
 * <p>Source: Marczak et al. 2025, "No Task Left Behind: Isotropic Model Merging with Common and
 * Task-Specific Subspaces".
 */
public final class IsoMerger extends SpectralMerger {
  /** Settings of {@code iso-c}. */
  public record Options(
      @Setting(value = "times the merged task vector", varies = true) double lambda) {
    public Options {
      Settings.check(Options.class, lambda);
    }

    /** Lambda 1. */
    public static Options defaults() {
      return new Options(1);
    }

    public Options withLambda(double value) {
      return new Options(value);
    }
  }

  /** Settings of {@code iso-cts}. */
  public record TaskOptions(
      @Setting(value = "times the merged task vector", varies = true) double lambda,
      @Setting(
              value = "share of the directions that the tasks have in common",
              min = 0,
              max = 1,
              varies = true)
          double common) {
    public TaskOptions {
      Settings.check(TaskOptions.class, lambda, common);
    }

    /** Lambda 1, 0.8 in common. */
    public static TaskOptions defaults() {
      return new TaskOptions(1, 0.8);
    }

    public TaskOptions withLambda(double value) {
      return new TaskOptions(value, common);
    }

    public TaskOptions withCommon(double value) {
      return new TaskOptions(lambda, value);
    }
  }

  private final String id;
  private final Record options;
  private final double lambda;
  private final double common;

  private IsoMerger(String id, Record options, double lambda, double common) {
    this.id = id;
    this.options = options;
    this.lambda = lambda;
    this.common = common;
  }

  /** {@code iso-c}. */
  public static IsoMerger common(Options options) {
    return new IsoMerger("iso-c", options, options.lambda(), 1);
  }

  /** {@code iso-cts}. */
  public static IsoMerger commonAndTasks(TaskOptions options) {
    return new IsoMerger("iso-cts", options, options.lambda(), options.common());
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public String summary() {
    return options instanceof TaskOptions
        ? "differences to a base, equally long in directions they share and in each one's own"
        : "the sum of differences to a base, made equally long in all its directions";
  }

  @Override
  public Record options() {
    return options;
  }

  @Override
  double lambda() {
    return lambda;
  }

  @Override
  Matrix merge(List<Matrix> differences, Workspace ws) {
    int models = differences.size();
    try (Matrix sum = sum(differences, ws);
        Svd svd = Svd.of(sum, ws)) {
      int rank = svd.singularValues().length;
      int each = ownDirections(rank, models);
      int shared = rank - each * models;
      if (each == 0) {
        return scaled(LinAlg.multiply(svd.left(), svd.rightTransposed(), ws), svd, ws);
      }
      try (Triples triples = new Triples(rank, sum.rows(), sum.columns(), ws);
          Opened opened = new Opened()) {
        Matrix transposed = opened.add(LinAlg.transpose(svd.left(), ws));
        try (Tensor leading = transposed.asTensor().rows(0, shared)) {
          for (Matrix difference : differences) {
            try (Matrix own = without(leading, difference, ws);
                Svd directions = Svd.of(own, ws)) {
              triples.add(directions, each, ws);
            }
          }
        }
        triples.add(svd, shared, ws);
        double[] equal = new double[rank];
        Arrays.fill(equal, mean(triples.values()));
        return triples.orthogonalised(equal, ws);
      }
    }
  }

  /** Directions of one model: as many of each, and no more than there are. */
  private int ownDirections(int rank, int models) {
    double left = rank - (int) (common * rank);
    return Math.min((int) Math.rint(left / models), rank / models);
  }

  private static Matrix scaled(Matrix directions, Svd svd, Workspace ws) {
    double[] equal = new double[Math.toIntExact(directions.rows())];
    Arrays.fill(equal, mean(svd.singularValues()));
    try (directions) {
      return Matrix.of(directions.asTensor().scaledRows(equal, ws));
    }
  }

  /** {@code d - U_c U_c^T d}, from {@code U_c^T}. */
  private static Matrix without(Tensor leading, Matrix difference, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix own = Matrix.allocate(difference.rows(), difference.columns(), ws);
      Opened result = opened.add(new Opened());
      result.add(own);
      own.asTensor().copyFrom(difference.asTensor(), ws);
      if (leading.size() > 0) {
        Matrix directions = Matrix.of(leading);
        Matrix along = opened.add(LinAlg.multiply(directions, difference, ws));
        Matrix transposed = opened.add(LinAlg.transpose(along, ws));
        Matrix columns = opened.add(LinAlg.transpose(directions, ws));
        LinAlg.addProduct(-1, columns, transposed, own, ws);
      }
      result.release();
      return own;
    }
  }

  @Override
  public String toString() {
    return id + " with lambda " + lambda;
  }
}
