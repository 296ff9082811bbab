// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.merganser.compute.Backend;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;

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
      System.out.println("transfers " + Arrays.toString(ws.kernels().transfers()));
      try (Tensor onDevice = Tensor.of(new float[] {7}, 1).on(ws)) {
        System.out.println("device " + (onDevice.memory().device() == Device.CUDA));
        System.out.println(failure(() -> onDevice.get(0)));
      }
      System.out.println(
          failure(() -> LinAlg.multiply(Matrix.identity(2), Matrix.identity(2), ws)));
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
