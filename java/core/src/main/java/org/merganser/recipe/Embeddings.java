// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.List;
import java.util.Map;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.TensorInfo;

/** Which tensors have a row for each token: embeddings, heads and biases of heads, by name. */
final class Embeddings {
  private static final List<String> PARTS = List.of("embed", "wte", "lm_head", "output");

  private Embeddings() {}

  private static boolean isNamedSo(ModelDirectory model, String name) {
    return model.layer(name).isEmpty()
        && !name.contains("position")
        && !name.contains("wpe")
        && PARTS.stream().anyMatch(name::contains);
  }

  /** Rows of the largest; 0 without one. */
  static int rows(ModelDirectory model) {
    return model.checkpoint().tensors().entrySet().stream()
        .filter(tensor -> tensor.getValue().rank() == 2)
        .filter(tensor -> isNamedSo(model, tensor.getKey()))
        .mapToInt(tensor -> Math.toIntExact(tensor.getValue().dim(0)))
        .max()
        .orElse(0);
  }

  /** Those with that many rows. */
  static List<String> of(ModelDirectory model) {
    int rows = rows(model);
    Checkpoint all = model.checkpoint();
    return all.tensors().entrySet().stream()
        .filter(tensor -> hasRows(tensor.getValue(), rows))
        .map(Map.Entry::getKey)
        .filter(name -> isNamedSo(model, name))
        .toList();
  }

  private static boolean hasRows(TensorInfo info, int rows) {
    return info.rank() > 0 && info.dim(0) == rows;
  }
}
