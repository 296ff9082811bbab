// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.merganser.model.Mode;

/**
 * One forward pass: the parameters it uses, and the activations it was asked for. It numbers the
 * nodes as {@link Description} did, which is how it knows where to read.
 */
final class ForwardPass {
  /** Thrown when all that was asked for has been found: nobody needs the rest of the network. */
  static final class Complete extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final Complete INSTANCE = new Complete();

    private Complete() {
      super("complete", null, false, false);
    }
  }

  private final Map<String, Tensor> parameters;
  private final Map<Integer, String> inputTaps;
  private final Map<Integer, Set<String>> outputTaps;
  private final Mode mode;
  private final boolean updatesBuffers;
  private final Set<String> wanted;
  private final Graph.Added added;
  private final Map<String, Tensor> tapped = new LinkedHashMap<>();
  private int nodes;

  private ForwardPass(
      Map<String, Tensor> parameters,
      Map<Integer, String> inputTaps,
      Map<Integer, Set<String>> outputTaps,
      Set<String> wanted,
      Mode mode,
      boolean updatesBuffers,
      Graph.Added added) {
    this.parameters = parameters;
    this.inputTaps = inputTaps;
    this.outputTaps = outputTaps;
    this.wanted = new HashSet<>(wanted);
    this.mode = mode;
    this.updatesBuffers = updatesBuffers;
    this.added = added;
  }

  /**
   * Without taps.
   *
   * @param tracks whether running statistics follow the batch in training mode; else nothing is
   *     changed
   */
  static ForwardPass plain(
      Map<String, Tensor> parameters, Mode mode, boolean tracks, Graph.Added added) {
    return new ForwardPass(
        parameters, Map.of(), Map.of(), Set.of(), mode, tracks && mode == Mode.TRAIN, added);
  }

  /** With taps. It ends with {@link Complete} when the last one is found. */
  static ForwardPass tapping(
      Map<String, Tensor> parameters,
      Description description,
      Set<String> wanted,
      Mode mode,
      boolean tracks,
      Graph.Added added) {
    return new ForwardPass(
        parameters,
        description.inputTaps(),
        description.outputTaps(),
        wanted,
        mode,
        tracks && mode == Mode.TRAIN,
        added);
  }

  Tensor apply(Layer layer, Tensor x) {
    int node = nodes++;
    String before = inputTaps.get(node);
    if (before != null) {
      tap(before, x);
    }
    Tensor y = layer.forward(x, this);
    for (String after : outputTaps.getOrDefault(node, Set.of())) {
      tap(after, y);
    }
    return y;
  }

  private void tap(String name, Tensor value) {
    if (wanted.remove(name)) {
      tapped.put(name, value);
      if (wanted.isEmpty()) {
        throw Complete.INSTANCE;
      }
    }
  }

  Mode mode() {
    return mode;
  }

  boolean updatesBuffers() {
    return updatesBuffers;
  }

  Tensor parameter(String name) {
    return parameters.get(name);
  }

  /** The output of an adaptable layer with what is added to it; see {@link Graph}. */
  Tensor added(String layer, Tensor y, UnaryOperator<Tensor> linear) {
    return added.to(layer, y, linear);
  }

  Map<String, Tensor> tapped() {
    return tapped;
  }
}
