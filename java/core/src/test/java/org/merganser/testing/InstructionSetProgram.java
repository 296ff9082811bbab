// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.plan.Doctor;
import org.merganser.stats.Precision;

/** Writes what each kind of kernel computes into a folder; run in a JVM of its own. */
public final class InstructionSetProgram {
  private InstructionSetProgram() {}

  public static void main(String[] arguments) throws IOException {
    Path out = Path.of(arguments[0]);
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      JavaNetwork network = JavaNetwork.mlp(JavaNetwork.Activation.RELU, 33, 65, 17);
      try (var sums = Files.newOutputStream(out.resolve("sum"));
          var conversions = Files.newOutputStream(out.resolve("convert"))) {
        for (DType dtype : List.of(DType.F64, DType.F32, DType.F16, DType.BF16)) {
          MemoryCheckpoint a = network.random(dtype, 1, ws);
          MemoryCheckpoint b = network.random(dtype, 2, ws);
          MemoryCheckpoint c = network.random(dtype, 3, ws);
          Path merged = out.resolve("merged");
          Safetensors.write(
              LinearMerger.weights(.3, .5, .2).merge(MergeProblem.of(a, b, c), ws), merged, ws);
          sums.write(Files.readAllBytes(merged));
          for (DType to : List.of(DType.F64, DType.F32, DType.F16, DType.BF16)) {
            conversions.write(Models.bytes(bits(dtype).to(to, ws)));
          }
        }
      }
      double[][] x = Oracle.gaussian(300, 65, 4);
      double[][] y = Oracle.multiply(x, Oracle.mixing(65, 5));
      Matrix sxx = Matrix.of(Oracle.covariance(x, x));
      Matrix syy = Matrix.of(Oracle.covariance(y, y));
      Matrix sxy = Matrix.of(Oracle.covariance(x, y));
      Npy.write(Cca.map(sxx, syy, sxy, .1, .1, ws).map().asTensor(), out.resolve("cca.npy"));
      Npy.write(Polar.of(sxy, ws).factor().asTensor(), out.resolve("polar.npy"));
      Matrix block = Activations.moments(Precision.F64, ws, x, y).block(0, 1);
      Npy.write(block.asTensor(), out.resolve("moments.npy"));
      Assignment best = Assignment.maximise(Matrix.of(Oracle.gaussian(129, 129, 6)), ws);
      StringBuilder assignments = new StringBuilder();
      assignments.append(best.value()).append(java.util.Arrays.toString(best.columns()));
      // Lists, ties, and costs from factors of either type.
      Matrix ties = Matrix.of(Oracle.map(Oracle.gaussian(300, 310, 8), v -> Math.floor(3 * v)));
      Matrix left = Matrix.of(Oracle.gaussian(257, 21, 9));
      Matrix right = Matrix.of(Oracle.gaussian(257, 21, 10));
      for (Assignment each :
          List.of(
              Assignment.minimise(ties, ws),
              Assignment.maximiseProducts(left, right, ws),
              Assignment.maximiseProducts(
                  Matrix.of(left.asTensor().to(DType.F32, ws)),
                  Matrix.of(right.asTensor().to(DType.F32, ws)),
                  ws))) {
        assignments.append(each.value()).append(java.util.Arrays.toString(each.columns()));
        assignments.append(java.util.Arrays.toString(each.v()));
      }
      Files.writeString(out.resolve("assignment"), assignments);
      Files.writeString(out.resolve("isa"), Doctor.isa());
    }
  }

  /** Random bit patterns: subnormals, infinities and NaN among them. */
  private static Tensor bits(DType dtype) {
    Tensor tensor = Tensor.allocate(dtype, 20_011);
    byte[] bytes = new byte[(int) tensor.bytes()];
    new SplittableRandom(7).nextBytes(bytes);
    tensor.buffer(0, bytes.length).put(bytes);
    return tensor;
  }
}
