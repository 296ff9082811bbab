// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * The leading singular triples of each model's task vector, kept from interfering: of each matrix
 * {@code d_k = theta_k - b = U_k S_k V_k^T} the {@code trunc(min(rows, columns) / n)} largest, n
 * models; stacked as {@code U, S, V},
 *
 * <pre>
 *   theta = b + lambda polar(U) S polar(V)^T
 * </pre>
 *
 * <p>Tensors that are no matrix, or have fewer rows or columns than there are models: the mean. The
 * whole matrix, in F64: {@code n + 2} singular value decompositions.
 *
 * <p>Source: Gargiulo et al. 2025, "Task Singular Vectors: Reducing Task Interference in Model
 * Merging".
 */
public final class TsvMerger extends SpectralMerger {
  /** Settings. */
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

  private final Options options;

  private TsvMerger(Options options) {
    this.options = options;
  }

  public static TsvMerger of(Options options) {
    return new TsvMerger(options);
  }

  @Override
  public String id() {
    return "tsv-m";
  }

  @Override
  public String summary() {
    return "leading singular vectors of the differences to a base, made orthogonal to each other";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  boolean takes(long rank, int models) {
    return rank >= models;
  }

  @Override
  double lambda() {
    return options.lambda();
  }

  @Override
  Matrix merge(List<Matrix> differences, Workspace ws) {
    Matrix first = differences.get(0);
    int models = differences.size();
    int each = Math.toIntExact(Math.min(first.rows(), first.columns()) / models);
    try (Triples triples = new Triples((long) each * models, first.rows(), first.columns(), ws)) {
      for (Matrix difference : differences) {
        try (Svd svd = Svd.of(difference, ws)) {
          triples.add(svd, each, ws);
        }
      }
      return triples.orthogonalised(triples.values(), ws);
    }
  }

  @Override
  public String toString() {
    return id() + " with lambda " + options.lambda();
  }
}
