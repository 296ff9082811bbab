// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;

/**
 * A weighted sum of adapters as one adapter: of {@code sum w_i s_i B_i A_i},
 *
 * <ul>
 *   <li>{@link #exact}: A all A_i one below the other, B all {@code w_i s_i B_i} side by side; of
 *       rank {@code sum r_i};
 *   <li>{@link #ofRank}: the nearest of a rank, its leading singular triples, {@code B = U
 *       sqrt(S)}, {@code A = sqrt(S) V^T}; computed in F64 from the factors, so that nothing of the
 *       size of a weight is formed;
 *   <li>{@link #ofFactors}: {@code B = sum w_i s_i B_i} and {@code A = sum w_i A_i}, which is
 *       <em>not</em> that sum: it has products of each B_i with every A_j;
 *   <li>{@link #aligned}: merged, and not summed, in common singular vectors.
 * </ul>
 *
 * <p>Factors are F32 (F64 where one of the adapters' is), scale is 1. A module that an adapter does
 * not have adds nothing there. Metadata, with the digests of the model that they were trained for,
 * are those of the first adapter that has such digests. It borrows the adapters; closing it ends
 * the factors of a module that it keeps, and {@link #tensors} stay what they are.
 */
public final class LoraSum implements AutoCloseable {
  private enum Mode {
    STACKED,
    COMPRESSED,
    FACTORS,
    ALIGNED
  }

  private final List<LoraAdapter> adapters;
  private final Map<String, SummedLayer> layers;
  private final SummedCheckpoint tensors;

  private LoraSum(
      List<LoraAdapter> adapters, Map<String, SummedLayer> layers, SummedCheckpoint.Way way) {
    this.adapters = List.copyOf(adapters);
    this.layers = layers;
    this.tensors = SummedCheckpoint.of(adapters, layers, way);
  }

  /**
   * The sum itself.
   *
   * @param weights one for each adapter
   * @throws IncompatibleModelsException when the adapters do not fit each other
   */
  public static LoraSum exact(List<LoraAdapter> adapters, List<Double> weights) {
    return of(adapters, weights, Mode.STACKED, Integer.MAX_VALUE, SummedCheckpoint::product);
  }

  /**
   * What is nearest to it of a rank.
   *
   * @param rank at most
   * @throws IncompatibleModelsException when the adapters do not fit each other
   */
  public static LoraSum ofRank(List<LoraAdapter> adapters, List<Double> weights, int rank) {
    if (rank < 1) {
      throw new IllegalArgumentException("rank must be 1 or more, not " + rank);
    }
    return of(adapters, weights, Mode.COMPRESSED, rank, SummedCheckpoint::product);
  }

  /**
   * Sums of the factors, each by itself.
   *
   * @throws IncompatibleModelsException when the adapters do not fit each other, or differ in rank
   */
  public static LoraSum ofFactors(List<LoraAdapter> adapters, List<Double> weights) {
    return of(adapters, weights, Mode.FACTORS, Integer.MAX_VALUE, SummedCheckpoint::summed);
  }

  /** What merges the right singular vectors of several adapters. */
  public interface RightMerger {
    /**
     * @param parts V_k [in x r] of each adapter, F64, zeros where it has no such module
     * @return V, likewise; the caller closes it
     */
    Matrix merge(List<Matrix> parts, Workspace ws);
  }

  /**
   * With {@code [s_1 B_1 A_1 | ... | s_n B_n A_n] = U S [V_1 | ... | V_n]^T}, the adapter {@code
   * scale U S V^T} where V is merged of the V_k: of rank {@code sum r_i} at most. In F64 from the
   * factors, so that nothing of the size of a weight is formed.
   *
   * @param smallest singular values up to it are dropped
   * @throws IncompatibleModelsException when the adapters do not fit each other
   */
  public static LoraSum aligned(
      List<LoraAdapter> adapters, RightMerger how, double smallest, double scale) {
    List<Double> ones = Collections.nCopies(adapters.size(), 1.0);
    AlignedFactors way = new AlignedFactors(adapters.size(), how, smallest, scale);
    return of(adapters, ones, Mode.ALIGNED, Integer.MAX_VALUE, way);
  }

  private static LoraSum of(
      List<LoraAdapter> adapters,
      List<Double> weights,
      Mode mode,
      int rank,
      SummedCheckpoint.Way way) {
    if (adapters.isEmpty() || adapters.size() != weights.size()) {
      throw new IllegalArgumentException(
          "%d weights for %d adapters; give one for each"
              .formatted(weights.size(), adapters.size()));
    }
    if (!weights.stream().allMatch(Double::isFinite)) {
      throw new IllegalArgumentException("weights must be finite, not " + weights);
    }
    List<String> problems = new ArrayList<>();
    LoraAdapter known = known(adapters);
    for (LoraAdapter adapter : adapters) {
      if (!adapter.whole().isEmpty()) {
        problems.add(
            "%s has whole tensors (%s), which have no sum; fold it, and merge models"
                .formatted(adapter, Names.some(adapter.whole().keySet())));
      }
      if (adapter.config().fanInFanOut() != adapters.get(0).config().fanInFanOut()) {
        problems.add(adapter + " has another 'fan_in_fan_out' than " + adapters.get(0));
      }
      if (!BaseDigests.isOf(adapter.tensors(), known.tensors().metadata())) {
        problems.add(
            "%s was trained for another model than %s, by the digests of its tensors"
                .formatted(adapter, known));
      }
    }
    DType type = type(adapters);
    Map<String, SummedLayer> layers = new LinkedHashMap<>();
    TreeSet<String> targets = new TreeSet<>();
    adapters.forEach(adapter -> targets.addAll(adapter.layers().keySet()));
    for (String target : targets) {
      SummedLayer layer = layer(target, adapters, weights, type);
      problems.addAll(layer.problems());
      if (mode == Mode.FACTORS) {
        layer.terms().stream()
            .filter(term -> term.layer().rank() != layer.first().rank())
            .forEach(
                term ->
                    problems.add(
                        "%s is of rank %d in %s and %d in %s; factors of one rank can be summed"
                            .formatted(
                                Names.quote(layer.first().module()),
                                layer.first().rank(),
                                layer.terms().get(0).adapter(),
                                term.layer().rank(),
                                term.adapter())));
      }
      layers.put(target, new SummedLayer(layer.terms(), rank(layer, mode, rank), type));
    }
    problems.addAll(attentionOfTwoRanks(layers));
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("adapters do not fit each other", problems);
    }
    return new LoraSum(adapters, layers, way);
  }

  /** PEFT has one rank for both weights of an attention. */
  private static List<String> attentionOfTwoRanks(Map<String, SummedLayer> layers) {
    List<String> problems = new ArrayList<>();
    for (SummedLayer out : layers.values()) {
      String end = ".out_proj";
      if (out.named().isPartOfAttention()) {
        String module = out.first().module();
        String attention = module.substring(0, module.length() - end.length());
        SummedLayer in = layers.get(attention + ".in_proj_weight");
        if (in.rank() != out.rank()) {
          problems.add(
              "the sum has rank %d for queries, keys and values of %s and %d for its out_proj, PEFT one for both; give a rank of at most %d"
                  .formatted(
                      in.rank(),
                      Names.quote(attention),
                      out.rank(),
                      Math.min(in.rank(), out.rank())));
        }
      }
    }
    return problems;
  }

  /** The first of which it is known what model it was trained for, or the first of all. */
  static LoraAdapter known(List<LoraAdapter> adapters) {
    return adapters.stream()
        .filter(adapter -> BaseDigests.isIn(adapter.tensors()))
        .findFirst()
        .orElse(adapters.get(0));
  }

  private static SummedLayer layer(
      String target, List<LoraAdapter> adapters, List<Double> weights, DType type) {
    List<SummedLayer.Term> terms = new ArrayList<>();
    for (int i = 0; i < adapters.size(); i++) {
      LoraLayer layer = adapters.get(i).layers().get(target);
      if (layer != null) {
        terms.add(new SummedLayer.Term(i, adapters.get(i), layer, weights.get(i)));
      }
    }
    return new SummedLayer(terms, 0, type);
  }

  private static long rank(SummedLayer layer, Mode mode, int most) {
    LoraLayer first = layer.first();
    return switch (mode) {
      case STACKED -> layer.stackedRank();
      case COMPRESSED ->
          Math.min(Math.min(most, layer.stackedRank()), Math.min(first.in(), first.out()));
      case FACTORS -> first.rank();
      // That of queries, keys and values, three times as high: more than it has is 0.
      case ALIGNED ->
          layer.named().isPartOfAttention()
              ? Math.min(layer.stackedRank(), 3 * first.out())
              : Math.min(layer.stackedRank(), first.out());
    };
  }

  static DType type(List<LoraAdapter> adapters) {
    boolean doubles =
        adapters.stream()
            .flatMap(adapter -> adapter.tensors().tensors().values().stream())
            .anyMatch(info -> info.dtype() == DType.F64);
    return doubles ? DType.F64 : DType.F32;
  }

  /** The factors under PEFT's names: a view, computed module by module. */
  public Checkpoint tensors() {
    return tensors;
  }

  /**
   * Inner products of the changes that are summed, for one of the tensors that are changed.
   *
   * @param size elements of the tensor
   * @param values {@code <w_i s_i B_i A_i, w_j s_j B_j A_j>} of all adapters, 0 where one does not
   *     change the tensor
   */
  public record Products(long size, List<List<Double>> values) {}

  /**
   * Inner products of the terms of the sum, {@code tr((B_i^T B_j) (A_j A_i^T))} with weights and
   * scales: from the factors, in F64, so that nothing of the size of a weight is formed. By the
   * names of the tensors of the base.
   */
  public Map<String, Products> products(Workspace ws) throws IOException {
    Map<String, Products> products = new LinkedHashMap<>();
    for (Map.Entry<String, SummedLayer> each : layers.entrySet()) {
      ws.cancellation().check();
      LoraLayer first = each.getValue().first();
      List<List<Double>> values = LoraProducts.of(each.getValue(), adapters.size(), ws);
      products.put(each.getKey(), new Products(first.in() * first.out(), values));
    }
    return products;
  }

  /** Ranks of the modules, the smallest and the largest. */
  public List<Long> ranks() {
    var all = layers.values().stream().mapToLong(SummedLayer::rank).summaryStatistics();
    return List.of(all.getMin(), all.getMax());
  }

  /** What is worth knowing about the adapters, beside errors. */
  public List<String> notes() {
    return notes(adapters);
  }

  static List<String> notes(List<LoraAdapter> adapters) {
    List<String> bases =
        adapters.stream().map(LoraAdapter::baseName).filter(n -> !n.isEmpty()).distinct().toList();
    return bases.size() < 2
        ? List.of()
        : List.of("the adapters were trained for models of different names: " + bases);
  }

  /**
   * Writes a folder that PEFT loads: {@code adapter_model.safetensors}, then {@code
   * adapter_config.json}.
   *
   * @param type of the factors
   * @param replace whether an adapter that lies there is replaced
   * @throws IOException when one does and is not to be, or the folder is that of an input
   */
  public void write(Path folder, DType type, boolean replace, Workspace ws) throws IOException {
    LoraFolder into = LoraFolder.ofAdapter(folder);
    into.claim(adapters, replace);
    try {
      into.write(tensors.as(type), LoraConfigText.of(adapters.get(0), layers), ws);
    } finally {
      tensors.release();
    }
  }

  /** The type that factors are computed in. */
  public DType type() {
    return layers.values().stream().map(SummedLayer::type).findFirst().orElse(DType.F32);
  }

  @Override
  public void close() {
    tensors.release();
  }
}
