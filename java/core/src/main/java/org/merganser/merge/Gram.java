// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Group;

/**
 * All dot products of the models' tensors as vectors, or of their differences to the base: what is
 * needed to work with lengths and angles on numbers for each model instead of on elements.
 */
final class Gram {
  /**
   * Times this, a power of 2, squares of 2^36 of the largest F64 can be summed, and a vector whose
   * squares could not is still longer than one without a direction.
   */
  private static final double SMALLER = 0x1p-530;

  private final double[][] dots;

  /** By which vectors were multiplied. */
  private final double[] scales;

  private Gram(double[] scales) {
    this.scales = scales;
    this.dots = new double[scales.length][scales.length];
  }

  private interface Vectors {
    void addTo(Gram gram) throws IOException;
  }

  /** Of the whole tensors. */
  static Gram of(Group group, boolean differences, Workspace ws) throws IOException {
    Gram gram =
        of(
            group.models(),
            sums ->
                group.tiles(
                    tile ->
                        sums.add(tile.models(), differences ? tile.base() : Optional.empty(), ws),
                    ws));
    if (!gram.isFinite()) {
      throw new IllegalArgumentException(
          "the differences of the models to the base in "
              + Names.quote(group.name())
              + " are beyond the range of "
              + TaskVectors.wide(group.info().dtype())
              + "; take a wider type (--dtype, in a recipe dtype; Checkpoint.as)");
    }
    return gram;
  }

  /** Of a part of the models, or of the differences to that of a base. */
  static Gram of(List<Tensor> models, Optional<Tensor> base, Workspace ws) {
    try {
      return of(models.size(), sums -> sums.add(models, base, ws));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Gram of(int models, Vectors vectors) throws IOException {
    double[] scales = new double[models];
    Arrays.fill(scales, 1);
    Gram gram = new Gram(scales);
    vectors.addTo(gram);
    if (gram.isFinite()) {
      return gram;
    }
    for (int k = 0; k < models; k++) {
      scales[k] = Double.isFinite(gram.dots[k][k]) ? 1 : SMALLER;
    }
    Gram smaller = new Gram(scales);
    vectors.addTo(smaller);
    return smaller;
  }

  private boolean isFinite() {
    return Arrays.stream(dots).flatMapToDouble(Arrays::stream).allMatch(Double::isFinite);
  }

  private void add(List<Tensor> models, Optional<Tensor> base, Workspace ws) {
    if (models.get(0).size() == 0) {
      return;
    }
    try (Opened opened = new Opened()) {
      List<Tensor> vectors = new ArrayList<>(models);
      if (base.isPresent()) {
        Tensor origin = base.get();
        Tensor wide = opened.add(origin.to(TaskVectors.wide(origin.dtype()), ws));
        vectors.replaceAll(model -> opened.add(difference(model, wide, ws)));
      }
      for (int k = 0; k < scales.length; k++) {
        if (scales[k] != 1) {
          vectors.set(k, opened.add(scaled(vectors.get(k), scales[k], ws)));
        }
      }
      add(vectors, ws);
    }
  }

  private static Tensor difference(Tensor model, Tensor base, Workspace ws) {
    Tensor difference = model.to(base.dtype(), ws);
    TaskVectors.difference(difference, base, difference, ws);
    return difference;
  }

  private static Tensor scaled(Tensor vector, double scale, Workspace ws) {
    Tensor scaled = Tensor.allocate(vector.dtype(), vector.shape(), ws);
    Block[] in = {Block.of(vector)};
    Kernels.of(ws)
        .merge()
        .weightedSum(
            vector.dtype().code(), vector.size(), in, new double[] {scale}, Block.of(scaled));
    return scaled;
  }

  private void add(List<Tensor> vectors, Workspace ws) {
    MergeKernels kernels = Kernels.of(ws).merge();
    Tensor first = vectors.get(0);
    for (int i = 0; i < vectors.size(); i++) {
      for (int j = i; j < vectors.size(); j++) {
        dots[i][j] +=
            kernels
                .dotProducts(
                    first.dtype().code(),
                    first.size(),
                    Block.of(vectors.get(i)),
                    Block.of(vectors.get(j)))[0];
        dots[j][i] = dots[i][j];
      }
    }
  }

  int size() {
    return scales.length;
  }

  /** Whether all vectors have the same dot products, as only equal ones have, up to rounding. */
  boolean areEqual() {
    double same = dots[0][0];
    boolean scaledAlike = Arrays.stream(scales).allMatch(scale -> scale == scales[0]);
    return scaledAlike
        && Arrays.stream(dots).flatMapToDouble(Arrays::stream).allMatch(dot -> dot == same);
  }

  /** Of the angle between two vectors, 0 where one is zero. */
  double cosine(int i, int j) {
    double cosine = dots[i][j] / Math.sqrt(dots[i][i]) / Math.sqrt(dots[j][j]);
    return dots[i][i] == 0 || dots[j][j] == 0 ? 0 : Math.max(-1, Math.min(1, cosine));
  }

  /** The length of a vector in units of {@link #unit}. */
  double length(int k) {
    return Math.sqrt(dots[k][k]) * (unit() / scales[k]);
  }

  /** 1, or less where lengths may be beyond the range of numbers. */
  double unit() {
    return Arrays.stream(scales).min().orElse(1);
  }

  /** The length of a sum of the vectors, each made of length 1, with coefficients. */
  double lengthOfSum(double[] coefficients) {
    double square = 0;
    for (int i = 0; i < size(); i++) {
      square += coefficients[i] * dot(i, coefficients);
    }
    return Math.sqrt(Math.max(0, square));
  }

  /** The dot product of a vector, made of length 1, with such a sum. */
  double dot(int i, double[] coefficients) {
    double sum = 0;
    for (int j = 0; j < size(); j++) {
      sum += coefficients[j] * (i == j ? 1 : cosine(i, j));
    }
    return sum;
  }
}
