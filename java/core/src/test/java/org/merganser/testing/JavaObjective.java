// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.BiFunction;
import java.util.function.ToDoubleFunction;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Objective;

/** An objective in plain Java, on the host. */
public final class JavaObjective implements Objective {
  /** Loss and gradient of flat parameters at a step. */
  public record Value(double loss, float[][] gradient) {}

  private final Map<String, long[]> shapes;
  private final BiFunction<Long, float[][], Value> function;
  private ToDoubleFunction<float[][]> heldOut;
  private Map<String, Tensor> buffers = Map.of();

  private JavaObjective(Map<String, long[]> shapes, BiFunction<Long, float[][], Value> function) {
    this.shapes = shapes;
    this.function = function;
  }

  public static JavaObjective of(
      Map<String, long[]> shapes, BiFunction<Long, float[][], Value> function) {
    return new JavaObjective(new LinkedHashMap<>(shapes), function);
  }

  /** {@code |theta - target|^2 / 2} of one vector {@code w}. */
  public static JavaObjective distance(float... target) {
    return of(
        Map.of("w", new long[] {target.length}),
        (step, theta) -> {
          float[] gradient = new float[target.length];
          double loss = 0;
          for (int i = 0; i < target.length; i++) {
            gradient[i] = theta[0][i] - target[i];
            loss += gradient[i] * gradient[i] / 2;
          }
          return new Value(loss, new float[][] {gradient});
        });
  }

  /** The same gradients at every step. */
  public static JavaObjective constant(float... gradient) {
    return of(
        Map.of("w", new long[] {gradient.length}),
        (step, theta) -> new Value(1, new float[][] {gradient}));
  }

  public JavaObjective heldOut(ToDoubleFunction<float[][]> loss) {
    heldOut = loss;
    return this;
  }

  public JavaObjective buffers(Map<String, Tensor> tensors) {
    buffers = tensors;
    return this;
  }

  @Override
  public List<Slot> slots() {
    return shapes.entrySet().stream()
        .map(e -> new Slot(e.getKey(), TensorInfo.of(DType.F32, e.getValue())))
        .toList();
  }

  @Override
  public Session open(Workspace ws) {
    List<Tensor> theta = new ArrayList<>();
    shapes.values().forEach(shape -> theta.add(Tensor.zeros(DType.F32, shape)));
    return new Session() {
      private final List<Tensor> gradients = new ArrayList<>();

      private float[][] values() {
        return theta.stream().map(Tensor::toFloatArray).toArray(float[][]::new);
      }

      @Override
      public Tensor theta(int slot) {
        return theta.get(slot);
      }

      @Override
      public double lossAndGradient(long step) {
        Value value = function.apply(step, values());
        gradients.forEach(Tensor::close);
        gradients.clear();
        for (int s = 0; s < theta.size(); s++) {
          gradients.add(Tensor.of(value.gradient()[s], theta.get(s).shape()));
        }
        return value.loss();
      }

      @Override
      public Tensor gradient(int slot) {
        return gradients.get(slot);
      }

      @Override
      public OptionalDouble heldOutLoss() {
        return heldOut == null
            ? OptionalDouble.empty()
            : OptionalDouble.of(heldOut.applyAsDouble(values()));
      }

      @Override
      public Checkpoint buffers() {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        buffers.forEach((name, tensor) -> copies.put(name, tensor.copy()));
        return MemoryCheckpoint.of(copies);
      }

      @Override
      public void close() {
        theta.forEach(Tensor::close);
        gradients.forEach(Tensor::close);
      }
    };
  }
}
