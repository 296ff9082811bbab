// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel.Layer;

/**
 * The factors of one module of all experts, on the host.
 *
 * @param a [experts x r x in], of a convolution [experts x r x in x height x width]
 * @param b [experts x out x r]
 * @param scales of the products
 */
record MoeExperts(Layer layer, Tensor a, Tensor b, double[] scales) {

  /**
   * Throws unless adapters can be the experts of one model.
   *
   * @throws IncompatibleModelsException with all that differs
   */
  static void requireAlike(List<LoraAdapter> adapters) {
    List<String> problems = new ArrayList<>();
    LoraAdapter first = adapters.get(0);
    for (LoraAdapter adapter : adapters) {
      if (!adapter.whole().isEmpty()) {
        problems.add(
            "%s has whole tensors (%s), which an expert cannot have; train it without, or fold it"
                .formatted(adapter, Names.some(adapter.whole().keySet())));
      }
      only(adapter, first, problems);
      only(first, adapter, problems);
      boolean ranks = false;
      for (LoraLayer layer : adapter.layers().values()) {
        LoraLayer other = first.layers().get(layer.target());
        if (layer.embedding()) {
          problems.add(
              "%s of %s is an embedding, whose input has no direction to go by"
                  .formatted(Names.quote(layer.module()), adapter));
        } else if (other != null && !layer.shape().equals(other.shape())) {
          problems.add(differ(layer, first, other.shape(), adapter, layer.shape(), ""));
        } else if (other != null && layer.rank() != other.rank() && !ranks) {
          ranks = true;
          problems.add(
              differ(
                  layer,
                  first,
                  "of rank " + other.rank(),
                  adapter,
                  "of rank " + layer.rank(),
                  "; bring them to one rank (lora combine ADAPTER --rank "
                      + Math.min(other.rank(), layer.rank())
                      + ", LoraSum.ofRank)"));
        }
      }
    }
    if (first.layers().isEmpty()) {
      problems.add(first + " has no factors");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "adapters do not fit each other as experts of one model",
          problems.stream().distinct().toList());
    }
  }

  private static void only(LoraAdapter one, LoraAdapter other, List<String> problems) {
    Set<String> only = new TreeSet<>();
    one.layers().values().forEach(layer -> only.add(layer.module()));
    other.layers().values().forEach(layer -> only.remove(layer.module()));
    if (!only.isEmpty()) {
      problems.add(
          "%s has factors of %d modules, %s of %d: only the first has %s"
              .formatted(one, one.layers().size(), other, other.layers().size(), Names.some(only)));
    }
  }

  private static String differ(
      LoraLayer layer,
      LoraAdapter first,
      Object ofFirst,
      LoraAdapter adapter,
      Object own,
      String end) {
    return "%s is %s in %s and %s in %s%s"
        .formatted(Names.quote(layer.module()), ofFirst, first, own, adapter, end);
  }

  /**
   * Of adapters that are alike.
   *
   * @param first its layer in the first adapter
   * @throws NumericalException when factors are not finite
   */
  static MoeExperts read(LoraLayer first, List<LoraAdapter> adapters, Opened opened, Workspace ws)
      throws IOException {
    DType type = LoraSum.type(adapters);
    Tensor a = opened.add(Tensor.allocate(type, stacked(adapters.size(), first.aInfo().dims())));
    Tensor b = opened.add(Tensor.allocate(type, adapters.size(), first.out(), first.rank()));
    double[] scales = new double[adapters.size()];
    for (int e = 0; e < scales.length; e++) {
      LoraAdapter adapter = adapters.get(e);
      LoraLayer layer = adapter.layers().get(first.target());
      scales[e] = layer.scale();
      SummedLayer.Term term = new SummedLayer.Term(e, adapter, layer, 1);
      try (Tensor ofA = a.rows(e, e + 1);
          Tensor ofB = b.rows(e, e + 1);
          Tensor flatA = ofA.reshape(ofA.size());
          Tensor flatB = ofB.reshape(ofB.size())) {
        SummedCheckpoint.read(term, layer.a(), flatA, ws);
        SummedCheckpoint.read(term, layer.b(), flatB, ws);
      }
    }
    Layer layer = new Layer(first.module(), TensorInfo.of(a), TensorInfo.of(b));
    return new MoeExperts(layer, a, b, scales);
  }

  private static long[] stacked(long experts, long... dims) {
    return LongStream.concat(LongStream.of(experts), LongStream.of(dims)).toArray();
  }

  int count() {
    return scales.length;
  }

  /** Row-major [r x in] of an expert. */
  double[] a(int expert) {
    return values(a, expert);
  }

  /** Row-major [out x r] of an expert. */
  double[] b(int expert) {
    return values(b, expert);
  }

  private static double[] values(Tensor all, int expert) {
    try (Tensor own = all.rows(expert, expert + 1)) {
      return own.toDoubleArray();
    }
  }

  /** Adds its tensors by their names, gates among them. */
  void put(double[][] gates, Map<String, Tensor> tensors, Opened opened, Workspace ws) {
    double[] flat = Arrays.stream(gates).flatMapToDouble(Arrays::stream).toArray();
    long[] dims = layer.aInfo().dims();
    long[] shape = stacked(dims[0], Arrays.copyOfRange(dims, 2, dims.length));
    try (Tensor wide = Tensor.of(flat, shape);
        Tensor narrow = wide.to(a.dtype(), ws)) {
      tensors.put(layer.gate(), opened.add(narrow.toHost(ws).copy()));
    }
    tensors.put(layer.a(), a);
    tensors.put(layer.b(), b);
    tensors.put(layer.scale(), opened.add(Tensor.of(scales.clone(), scales.length)));
  }
}
