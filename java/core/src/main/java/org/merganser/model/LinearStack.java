// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;

/**
 * Finds the architecture of a plain stack of linear layers from its checkpoint: matrices {@code
 * NAME.weight} [out x in] with optional {@code NAME.bias} [out], in natural order of their names
 * ({@code 2.weight} before {@code 10.weight}), each reading what the one before wrote. The output
 * of each layer but the last becomes a space named after the layer.
 *
 * <p>What lies between the layers is not in a checkpoint, so only permutations are taken to be
 * exact. Every tensor must belong to the stack; anything else needs a builder file.
 */
public final class LinearStack {
  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";

  private LinearStack() {}

  /**
   * @throws IncompatibleModelsException when the checkpoint is no such stack, with every reason
   */
  public static Architecture infer(Checkpoint checkpoint) {
    List<String> problems = new ArrayList<>();
    List<String> layers = layers(checkpoint.tensors(), problems);
    for (int i = 0; i + 1 < layers.size(); i++) {
      long written = checkpoint.info(layers.get(i) + WEIGHT).dim(0);
      long read = checkpoint.info(layers.get(i + 1) + WEIGHT).dim(1);
      if (written != read) {
        problems.add(
            "layer '"
                + layers.get(i + 1)
                + "' reads "
                + read
                + " features, layer '"
                + layers.get(i)
                + "' before it writes "
                + written);
      }
    }
    for (String layer : layers) {
      TensorInfo weight = checkpoint.info(layer + WEIGHT);
      if (weight.size() == 0) {
        problems.add("layer '" + layer + "' is empty: its weight is " + weight);
      }
    }
    if (layers.size() < 2) {
      problems.add("a stack needs at least two layers, found " + layers);
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "not a plain stack of linear layers; describe it in a builder file (--architecture)",
          problems);
    }
    Architecture.Builder builder = Architecture.builder();
    for (int i = 0; i + 1 < layers.size(); i++) {
      String layer = layers.get(i);
      List<Binding> bindings = new ArrayList<>();
      bindings.add(Binding.of(layer + WEIGHT, 0, Role.WEIGHT_OUT));
      if (checkpoint.tensors().containsKey(layer + BIAS)) {
        bindings.add(Binding.of(layer + BIAS, 0, Role.BIAS));
      }
      bindings.add(Binding.of(layers.get(i + 1) + WEIGHT, 1, Role.WEIGHT_IN));
      builder.space(
          new FeatureSpace(
              layer, checkpoint.info(layer + WEIGHT).dim(0), MapFamily.PERMUTATION, bindings));
    }
    return builder.build();
  }

  private static List<String> layers(Map<String, TensorInfo> tensors, List<String> problems) {
    List<String> layers = new ArrayList<>();
    tensors.forEach(
        (name, info) -> {
          if (name.endsWith(WEIGHT) && info.rank() == 2) {
            layers.add(name.substring(0, name.length() - WEIGHT.length()));
          }
        });
    layers.sort(Comparator.comparing(LinearStack::naturalKey));
    tensors.forEach(
        (name, info) -> {
          String layer = name.endsWith(BIAS) ? name.substring(0, name.length() - 5) : "";
          boolean bias =
              layers.contains(layer)
                  && info.rank() == 1
                  && info.dim(0) == tensors.get(layer + WEIGHT).dim(0);
          boolean weight = name.endsWith(WEIGHT) && info.rank() == 2;
          if (!bias && !weight) {
            problems.add("'" + name + "' " + info + " is no weight or bias of a linear layer");
          }
        });
    return layers;
  }

  /** Pads every number to the same width, so that text order is natural order. */
  private static String naturalKey(String name) {
    StringBuilder key = new StringBuilder();
    for (int i = 0; i < name.length(); ) {
      int end = i;
      while (end < name.length() && Character.isDigit(name.charAt(end))) {
        end++;
      }
      if (end > i) {
        key.append("0".repeat(Math.max(0, 20 - (end - i)))).append(name, i, end);
        i = end;
      } else {
        key.append(name.charAt(i++));
      }
    }
    return key.toString();
  }
}
