// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.model.Objective;

/**
 * Runs on the fake device, which keeps its memory apart from the host's and counts what crosses.
 */
public final class FakeDeviceProgram {
  private FakeDeviceProgram() {}

  /**
   * The option that makes a JVM use the fake device, a plug-in that the native tests build.
   *
   * @throws IllegalStateException when they have not been built
   */
  public static String option() {
    Path root = Path.of(System.getProperty("merganser.root"));
    Path plugin =
        root.resolve("native/cppbuild/" + Natives.platform() + "/build/libmerganser_fake.so");
    if (!Files.isRegularFile(plugin)) {
      throw new IllegalStateException("no " + plugin + "; build it with bash cppbuild.sh test");
    }
    return "-Dmerganser.cuda.plugin=" + plugin.toAbsolutePath().normalize();
  }

  public static void main(String[] args) throws IOException {
    try (Workspace ws = Workspace.builder().backend(Backend.CUDA).open()) {
      Checkpoint a = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {1, 2, 3}, 3)));
      Checkpoint b = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {3, 4, 8}, 3)));
      Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(a, b), ws);
      try (Tensor sum = merged.read("w", ws)) {
        System.out.println("merged " + Arrays.toString(sum.toFloatArray()));
      }
      System.out.println("transfers " + Arrays.toString(Kernels.of(ws).transfers()));
      npMerge(ws);
      try (Tensor onDevice = Tensor.of(new float[] {7}, 1).on(ws)) {
        System.out.println("device " + (onDevice.memory().device() == Device.CUDA));
        System.out.println(failure(() -> onDevice.get(0)));
      }
      System.out.println(
          failure(() -> LinAlg.multiply(Matrix.identity(2), Matrix.identity(2), ws)));
    }
  }

  /** With theta and gradients on the device, nothing crosses during the steps. */
  private static void npMerge(Workspace ws) throws IOException {
    Objective constant =
        new Objective() {
          @Override
          public List<Slot> slots() {
            return List.of(new Slot("w", TensorInfo.of(DType.F32, 3)));
          }

          @Override
          public Session open(Workspace own) {
            return new ConstantGradient(own);
          }
        };
    Checkpoint a = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {1, -1, .5f}, 3)));
    Checkpoint c = MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {0, 1, .5f}, 3)));
    NpMerger.Options options =
        NpMerger.Options.defaults().withOptimizer(new NpMerger.Optimizer.Adam(.01)).withSteps(40);
    NpMerger.Result learned = NpMerger.of(constant, options).learn(MergeProblem.of(a, c), ws);
    System.out.println(
        "np "
            + learned.losses().size()
            + " steps, first coefficient "
            + String.format("%.3f", learned.coefficients().tensor("w").get(0))
            + ", "
            + learned.traffic());
  }

  /** Gradient 0.2, -0.4, 1 on the device of the Workspace. */
  private static final class ConstantGradient implements Objective.Session {
    private final Tensor theta;
    private final Tensor gradient;
    private int evaluations;

    ConstantGradient(Workspace ws) {
      theta = Tensor.allocate(DType.F32, new long[] {3}, ws);
      gradient = Tensor.of(new float[] {.2f, -.4f, 1}, 3).on(ws);
    }

    @Override
    public Tensor theta(int slot) {
      return theta;
    }

    @Override
    public double lossAndGradient(long step) {
      return 1;
    }

    @Override
    public Tensor gradient(int slot) {
      return gradient;
    }

    @Override
    public OptionalDouble heldOutLoss() {
      return OptionalDouble.of(-evaluations++);
    }

    @Override
    public Checkpoint buffers() {
      return MemoryCheckpoint.of(Map.of());
    }

    @Override
    public void close() {
      theta.close();
      gradient.close();
    }
  }

  private static String failure(Runnable work) {
    try {
      work.run();
      return "no failure";
    } catch (MerganserException | IllegalStateException | IllegalArgumentException e) {
      return e.getClass().getSimpleName() + ": " + e.getMessage();
    }
  }
}
