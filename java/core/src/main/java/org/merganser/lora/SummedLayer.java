// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.internal.Names;
import org.merganser.io.TensorInfo;

/**
 * The factors of one module in several adapters, as one pair.
 *
 * @param terms of the adapters that have them, at least one
 * @param rank of the result
 * @param type of its factors
 */
record SummedLayer(List<Term> terms, long rank, DType type) {

  /**
   * One of them, with its weight.
   *
   * @param index of the adapter among all
   */
  record Term(int index, LoraAdapter adapter, LoraLayer layer, double weight) {}

  LoraLayer first() {
    return terms.get(0).layer();
  }

  /** Whose names the result has: those that PEFT gives a part of an attention, if it is one. */
  LoraLayer named() {
    return terms.stream()
        .map(Term::layer)
        .filter(LoraLayer::isPartOfAttention)
        .findFirst()
        .orElse(first());
  }

  /** Of all side by side. */
  long stackedRank() {
    return terms.stream().mapToLong(term -> term.layer().rank()).sum();
  }

  TensorInfo aInfo() {
    List<Long> shape = new ArrayList<>(first().aInfo().shape());
    shape.set(0, rank);
    return new TensorInfo(type, shape);
  }

  TensorInfo bInfo() {
    List<Long> shape = new ArrayList<>(first().bInfo().shape());
    shape.set(1, rank);
    return new TensorInfo(type, shape);
  }

  /** What does not fit the first one; empty where all do. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    for (Term term : terms) {
      LoraLayer layer = term.layer();
      boolean kinds = layer.embedding() != first().embedding();
      if (kinds || !layer.shape().equals(first().shape())) {
        problems.add(
            "%s is %s in %s and %s in %s"
                .formatted(
                    Names.quote(first().module()),
                    text(first(), kinds),
                    terms.get(0).adapter(),
                    text(layer, kinds),
                    term.adapter()));
      }
    }
    return problems;
  }

  private static String text(LoraLayer layer, boolean kind) {
    String named =
        layer.embedding()
            ? "an embedding "
            : layer.shape().size() > 2 ? "a convolution " : "a linear layer ";
    return (kind ? named : "") + layer.shape();
  }
}
