// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.torch.TorchNetwork;

/**
 * How the learned parameters of a network lie in one vector theta of P numbers: tensor after tensor
 * in the order of the model, each by rows. Weights, biases, factors and shifts of normalisations
 * are in it, running statistics are not.
 *
 * @param tensors in order
 */
public record ParamLayout(List<Part> tensors) {
  /**
   * A tensor.
   *
   * @param offset of its first number in theta
   */
  public record Part(String name, TensorInfo info, int offset) {
    /** Numbers of it. */
    public int size() {
      return Math.toIntExact(info.size());
    }

    /**
     * Slices {@code [i, ...]}, each what one output is made with; 1 of a tensor of one dimension.
     */
    int filters() {
      return info.rank() < 2 ? 1 : Math.toIntExact(info.dim(0));
    }
  }

  public ParamLayout {
    tensors = List.copyOf(tensors);
  }

  /**
   * @throws ShapeException when there are more than 2^31 - 9 parameters, or none
   */
  public static ParamLayout of(TorchNetwork network) {
    Map<String, TensorInfo> learned = new LinkedHashMap<>();
    network.learned().forEach(name -> learned.put(name, network.parameters().get(name)));
    return of(learned);
  }

  /** Of tensors in their order. */
  public static ParamLayout of(Map<String, TensorInfo> learned) {
    List<Part> parts = new ArrayList<>();
    long at = 0;
    for (Map.Entry<String, TensorInfo> each : learned.entrySet()) {
      parts.add(new Part(each.getKey(), each.getValue(), (int) at));
      at += each.getValue().size();
      if (at > Integer.MAX_VALUE - 8) {
        throw new ShapeException(
            "more than 2^31 - 9 parameters, up to " + Names.quote(each.getKey()));
      }
    }
    if (at == 0) {
      throw new ShapeException("a network without learned parameters has no landscape");
    }
    return new ParamLayout(parts);
  }

  /** P. */
  public int size() {
    Part last = tensors.get(tensors.size() - 1);
    return last.offset() + last.size();
  }

  /**
   * Theta of a model; values are those of F32.
   *
   * @throws NumericalException for a number that is not finite, naming where it is
   */
  public double[] read(Checkpoint model, Workspace ws) throws IOException {
    double[] theta = new double[size()];
    for (Part part : tensors) {
      TensorInfo found = model.info(part.name());
      if (!found.shape().equals(part.info().shape())) {
        throw new ShapeException(
            "%s is %s, the network has %s".formatted(Names.quote(part.name()), found, part.info()));
      }
      try (Tensor stored = model.read(part.name(), ws);
          Tensor wide = stored.to(DType.F32, ws)) {
        float[] values = wide.toFloatArray();
        for (int i = 0; i < values.length; i++) {
          if (!Float.isFinite(values[i])) {
            throw new NumericalException(
                "%s is %s at index %d; a landscape needs finite parameters"
                    .formatted(Names.quote(part.name()), values[i], i));
          }
          theta[part.offset() + i] = values[i];
        }
      }
    }
    return theta;
  }

  /**
   * The model of theta in F32, with the running statistics and counters of another one. New
   * tensors.
   *
   * @param statistics a model of the same network, which stays as it is
   */
  public MemoryCheckpoint model(
      TorchNetwork network, double[] theta, Checkpoint statistics, Workspace ws)
      throws IOException {
    require("theta", theta);
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = network.load(statistics, Device.HOST, ws);
      tensors.values().forEach(opened::add);
      for (Part part : this.tensors) {
        Tensor into = tensors.get(part.name());
        for (int i = 0; i < part.size(); i++) {
          into.set(i, theta[part.offset() + i]);
        }
      }
      opened.release();
      return MemoryCheckpoint.of(tensors);
    }
  }

  /**
   * @param what names the vector in the message
   * @throws ShapeException when a vector has not P numbers
   */
  void require(String what, double[] vector) {
    if (vector.length != size()) {
      throw new ShapeException(
          "%s has %d numbers, the parameters are %d".formatted(what, vector.length, size()));
    }
  }

  /** One line for each tensor: equal texts are equal layouts. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (Part part : tensors) {
      text.append(part.offset()).append(' ').append(part.name()).append(' ').append(part.info());
      text.append('\n');
    }
    return text.toString();
  }
}
