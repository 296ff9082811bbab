// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.Tensor;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.model.Network;

/**
 * A tree of layers with the shape of its input: what it says about the tensors of a checkpoint, and
 * its forward pass as a function of them. {@link org.merganser.torch.TorchNetwork} gives it
 * checkpoints and data. Immutable and thread-safe.
 */
public final class Graph {
  private static final int MAX_ARRAY = Integer.MAX_VALUE - 8;

  /** What is added to the outputs of {@link #adaptable} layers, such as by experts. */
  @FunctionalInterface
  public interface Added {
    /** Nothing. */
    Added NONE = (layer, y, linear) -> y;

    /**
     * @param layer its name
     * @param y its output, [samples x features], [samples x positions x features] or [samples x
     *     features x height x width]
     * @param linear what it computes, without its bias, for another weight of the same inputs and
     *     any number of features
     * @return of the shape of y
     */
    Tensor to(String layer, Tensor y, UnaryOperator<Tensor> linear);
  }

  private final long[] inputShape;
  private final Layer root;
  private final Description description = new Description();
  private final Architecture architecture;
  private final Map<String, TensorInfo> parameters;
  private final long outputs;

  private Graph(Layer root, long... inputShape) {
    this.inputShape = inputShape;
    this.root = root;
    Signal out = description.follow(root, Signal.input(inputShape));
    if (out.tokens()) {
      throw new ShapeException("a network ends with a vector, not with " + out + "; pool them");
    }
    this.outputs = out.features() * out.positions();
    this.architecture = description.architecture();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    description.parameters().forEach((name, parameter) -> infos.put(name, parameter.info()));
    this.parameters = Collections.unmodifiableMap(infos);
  }

  /**
   * @param inputShape shape of one sample: [features] or [channels, height, width]
   * @throws ShapeException when some layer does not fit what it is given
   */
  public static Graph of(Layer root, long... inputShape) {
    return new Graph(root, inputShape.clone());
  }

  /**
   * The same without batch normalisations, each convolution before one with a bias to absorb it.
   */
  public Graph folded() {
    return of(root instanceof Sequential sequence ? sequence.folded() : root, inputShape);
  }

  public Architecture architecture() {
    return architecture;
  }

  public List<AffineLayer> affineLayers() {
    return List.copyOf(description.affineLayers());
  }

  /**
   * What adapters, and experts, can be beside: linear layers, convolutions, and the queries, keys
   * and values of each attention, fused in one weight [3 features x features], where a layer {@code
   * ATTENTION.out_proj} reads it, as in torch's {@code MultiheadAttention}. In order.
   */
  public List<AffineLayer> adaptable() {
    return description.adaptable();
  }

  public List<BatchNormLayer> batchNorms() {
    return List.copyOf(description.batchNorms());
  }

  /** Shape of one sample. */
  public long[] inputShape() {
    return inputShape.clone();
  }

  /** Names, types and shapes of all tensors, running statistics included, in order. */
  public Map<String, TensorInfo> parameters() {
    return parameters;
  }

  /** Size of what comes out. */
  public long outputs() {
    return outputs;
  }

  /** Names of the tensors that are learned; the others are running statistics and counters. */
  public Set<String> learned() {
    return names(Description.Kind.PARAMETER);
  }

  /** Names of the integers that count batches. */
  public Set<String> counters() {
    return names(Description.Kind.COUNTER);
  }

  private Set<String> names(Description.Kind kind) {
    Set<String> names = new LinkedHashSet<>();
    description
        .parameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.kind() == kind) {
                names.add(name);
              }
            });
    return names;
  }

  /** Random initial tensors; each parameter has its own stream of the seed. */
  public Map<String, org.merganser.linalg.Tensor> initialise(long seed) {
    Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
    description
        .parameters()
        .forEach((name, parameter) -> tensors.put(name, initial(name, parameter, seed)));
    return tensors;
  }

  private static org.merganser.linalg.Tensor initial(
      String name, Description.Parameter parameter, long seed) {
    TensorInfo info = parameter.info();
    if (parameter.kind() == Description.Kind.COUNTER) {
      return org.merganser.linalg.Tensor.zeros(info.dtype(), info.dims());
    }
    if (info.size() > MAX_ARRAY) {
      throw new IllegalArgumentException(
          "parameter '"
              + name
              + "' "
              + info
              + " has more than "
              + MAX_ARRAY
              + " entries; use narrower layers");
    }
    float[] values = new float[(int) info.size()];
    parameter.initial().fill(values, Seeds.stream(seed, "init/" + name));
    return org.merganser.linalg.Tensor.of(values, info.dims());
  }

  /**
   * The output for a batch, for training and gradients; inside the caller's scope.
   *
   * @param theta all tensors by name
   * @param tracks whether running statistics in {@code theta} follow the batch, in training mode
   */
  public Tensor forward(Tensor x, Map<String, Tensor> theta, Mode mode, boolean tracks) {
    return forward(x, theta, mode, tracks, Added.NONE);
  }

  /** The same with something added to layers. */
  public Tensor forward(
      Tensor x, Map<String, Tensor> theta, Mode mode, boolean tracks, Added added) {
    return ForwardPass.plain(theta, mode, tracks, added).apply(root, x);
  }

  /**
   * Activations for a batch, contiguous, inside the caller's scope. Nothing is changed, and the
   * pass ends when the last one is found.
   *
   * @param taps names of spaces, {@link AffineLayer#output}, {@link BatchNormLayer#input}, or
   *     {@link Network#OUTPUT}
   */
  public Map<String, Tensor> taps(
      Tensor x, Map<String, Tensor> theta, Set<String> taps, Mode mode) {
    return taps(x, theta, taps, mode, false);
  }

  /**
   * The same, for training where gradients are not off: the tensors are those of the graph.
   *
   * @param tracks whether running statistics in {@code theta} follow the batch, in training mode;
   *     of layers before the last that is asked for
   */
  public Map<String, Tensor> taps(
      Tensor x, Map<String, Tensor> theta, Set<String> taps, Mode mode, boolean tracks) {
    return taps(x, theta, taps, mode, tracks, Added.NONE);
  }

  /** The same with something added to layers. */
  public Map<String, Tensor> taps(
      Tensor x,
      Map<String, Tensor> theta,
      Set<String> taps,
      Mode mode,
      boolean tracks,
      Added added) {
    Map<String, Tensor> found = new LinkedHashMap<>();
    ForwardPass pass = ForwardPass.tapping(theta, description, taps, mode, tracks, added);
    try {
      Tensor output = pass.apply(root, x);
      if (taps.contains(Network.OUTPUT)) {
        found.put(Network.OUTPUT, output);
      }
    } catch (ForwardPass.Complete e) {
      // The rest of the network is not needed.
    }
    found.putAll(pass.tapped());
    found.replaceAll((tap, tensor) -> featuresFirst(tap, tensor).contiguous());
    return found;
  }

  /** Tokens [samples x tokens x (features entries)] as [samples x features x tokens x entries]. */
  private Tensor featuresFirst(String tap, Tensor found) {
    return found.dim() == 3
        ? found.unflatten(2, description.width(tap), -1).permute(0, 2, 1, 3)
        : found;
  }

  /** The whole description: equal texts are equal graphs. */
  @Override
  public String toString() {
    return Arrays.toString(inputShape) + " -> " + root;
  }
}
