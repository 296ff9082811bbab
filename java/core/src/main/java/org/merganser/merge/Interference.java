// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.TensorInfo;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.LoraSum;

/**
 * How task vectors, the differences {@code d_k = x_k - b} of models to their base, are in each
 * other's way: by tensor, and all tensors as one vector.
 *
 * <pre>
 *   norm           |d_k|
 *   cosine         d_i . d_j / (|d_i| |d_j|), and its mean over pairs
 *   sign conflict  share of coordinates with sign(d_i) sign(d_j) &lt; 0, the mean over pairs
 *   keep rate      sum of |d_k| over coordinates where the sign of d_k is that of the sum of all
 *                  differences there (plus, where that is 0), as a share of the sum of all |d_k|:
 *                  what survives the election of signs of TIES
 * </pre>
 *
 * <p>In F64. Values that are equal differ by 0, also where they are infinite (masks). Models are
 * read in tiles, so that memory does not grow with them.
 *
 * <p>Source for the keep rate: Yadav et al. 2023, "TIES-Merging", without its trimming.
 *
 * @param tensors by name, in the order of the models
 * @param all of them together
 */
public record Interference(Map<String, Of> tensors, Of all) {

  public Interference {
    tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
  }

  /**
   * Of the differences in one tensor, or in all.
   *
   * @param size number of coordinates
   * @param products {@code d_i . d_j}
   * @param signs of the coordinates; empty where only products were formed
   */
  public record Of(long size, List<List<Double>> products, Optional<Signs> signs) {

    public Of {
      products = products.stream().map(List::copyOf).toList();
    }

    /** Number of models. */
    public int models() {
      return products.size();
    }

    /** {@code |d_k|}; 0 where rounding leaves the product of factors below that. */
    public double norm(int k) {
      return Math.sqrt(Math.max(0, products.get(k).get(k)));
    }

    /** Of two models; NaN where one does not differ from the base. */
    public double cosine(int i, int j) {
      double cosine = products.get(i).get(j) / norm(i) / norm(j);
      return Math.max(-1, Math.min(1, cosine));
    }

    /** Over pairs of models that differ from the base; NaN without any. */
    public double meanCosine() {
      double sum = 0;
      int pairs = 0;
      for (int i = 0; i < models(); i++) {
        for (int j = 0; j < i; j++) {
          if (norm(i) > 0 && norm(j) > 0) {
            sum += cosine(i, j);
            pairs++;
          }
        }
      }
      return sum / pairs;
    }

    /** Share of coordinates, the mean over pairs; NaN of one model, of none, and without signs. */
    public double signConflict() {
      double pairs = models() * (models() - 1) / 2.0;
      return signs.map(s -> s.conflicts() / (pairs * size)).orElse(Double.NaN);
    }

    /** Of coordinates in which both models of a pair differ from the base; NaN without any. */
    public double signConflictWhereBothDiffer() {
      return signs.map(s -> (double) s.conflicts() / s.shared()).orElse(Double.NaN);
    }

    /** What the election of signs keeps; NaN where there is nothing, and without signs. */
    public double keepRate() {
      return signs.map(s -> s.kept() / s.mass()).orElse(Double.NaN);
    }
  }

  /**
   * @param conflicts coordinates with opposite signs, over all pairs of models
   * @param shared coordinates in which both models differ from the base, over all pairs
   * @param kept sum of {@code |d_k|} where the sign is the elected one
   * @param mass sum of all {@code |d_k|}
   */
  public record Signs(long conflicts, long shared, double kept, double mass) {}

  /**
   * Of models to the base of a problem. Tensors that are counters, or of a type that is not
   * computed in, are left out.
   *
   * @throws IllegalArgumentException without a base
   * @throws NumericalException where values are not finite
   */
  public static Interference of(MergeProblem problem, Workspace ws) throws IOException {
    if (problem.base().isEmpty()) {
      throw new IllegalArgumentException(
          "task vectors are differences to a base, and there is none; give it"
              + " (MergeProblem.withBase)");
    }
    Map<String, Of> tensors = new LinkedHashMap<>();
    Differences all = new Differences(problem.models().size());
    Map<String, TensorInfo> infos = problem.models().get(0).tensors();
    int done = 0;
    for (Map.Entry<String, TensorInfo> each : infos.entrySet()) {
      String name = each.getKey();
      if (each.getValue().dtype().isArithmetic() && !problem.counters().contains(name)) {
        Differences own = new Differences(problem.models().size());
        own.add(problem, name, ws);
        tensors.put(name, own.summary());
        all.add(own);
      }
      ws.progress().report("interference", ++done, infos.size());
    }
    return new Interference(tensors, all.summary());
  }

  /**
   * Of adapters of one model: products from their factors ({@link LoraSum#products}), nothing of
   * the size of a weight is formed. Signs need the coordinates: fold the adapters ({@link
   * LoraAdapter#fold}) and compare the models, which is done in tiles.
   *
   * @throws IncompatibleModelsException when the adapters do not fit each other
   */
  public static Interference ofAdapters(List<LoraAdapter> adapters, Workspace ws)
      throws IOException {
    LoraSum sum = LoraSum.exact(adapters, Collections.nCopies(adapters.size(), 1.0));
    Map<String, Of> tensors = new LinkedHashMap<>();
    double[][] total = new double[adapters.size()][adapters.size()];
    long size = 0;
    for (Map.Entry<String, LoraSum.Products> each : sum.products(ws).entrySet()) {
      List<List<Double>> products = each.getValue().values();
      for (int i = 0; i < total.length; i++) {
        for (int j = 0; j < total.length; j++) {
          total[i][j] += products.get(i).get(j);
        }
      }
      size += each.getValue().size();
      tensors.put(each.getKey(), new Of(each.getValue().size(), products, Optional.empty()));
    }
    return new Interference(tensors, new Of(size, list(total), Optional.empty()));
  }

  static List<List<Double>> list(double[][] rows) {
    List<List<Double>> list = new ArrayList<>();
    for (double[] row : rows) {
      list.add(Arrays.stream(row).boxed().toList());
    }
    return list;
  }
}
