// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.align.LinearMap;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;

/**
 * Calls the API on the CPU and on the fake device, with data on the host and on the device, and
 * says of each call whether the bytes are the same; and what crosses between the two.
 */
public final class DeviceCallsProgram {
  private static final int N = 8;
  private static final int SAMPLES = 40;

  private DeviceCallsProgram() {}

  private interface Call {
    /** Everything the call gives, on the host. */
    double[] run(Workspace ws) throws IOException;
  }

  private static final Architecture ARCHITECTURE =
      Architecture.builder()
          .space("s", N, MapFamily.ANY_LINEAR, Binding.of("w", 0, Role.WEIGHT_OUT))
          .build();

  public static void main(String[] args) throws IOException {
    try (Workspace cpu = Workspace.builder().backend(Backend.CPU).open();
        Workspace device = Workspace.builder().backend(Backend.CUDA).open()) {
      for (Map.Entry<String, Call> call : calls().entrySet()) {
        double[] wanted = call.getValue().run(cpu);
        double[] found = call.getValue().run(device);
        boolean same = wanted.length > 0 && Arrays.equals(wanted, found);
        System.out.println(call.getKey() + (same ? ": same bytes" : ": OTHER BYTES"));
      }
      transfers();
    }
  }

  private static Map<String, Call> calls() {
    Matrix a = Matrix.of(Oracle.gaussian(N, N, 1));
    Matrix b = Matrix.of(Oracle.gaussian(N, N, 2));
    double[][] x = Oracle.gaussian(SAMPLES, N, 3);
    double[][] y = Oracle.gaussian(SAMPLES, N, 6);
    Matrix sxx = Matrix.of(Oracle.covariance(x, x));
    Matrix syy = Matrix.of(Oracle.covariance(y, y));
    Matrix sxy = Matrix.of(Oracle.covariance(x, y));
    Tensor vector = Tensor.of(new float[] {1, 2}, 2);
    MemoryCheckpoint model =
        MemoryCheckpoint.of(Map.of("w", Tensor.of(floats(Oracle.gaussian(N, 2, 4)), N, 2)));
    Alignment permuted =
        Alignment.of("t", ARCHITECTURE, Map.of("s", ScaledPermutation.of(2, 0, 1, 3, 4, 5, 7, 6)));
    Alignment dense =
        Alignment.of(
            "t",
            ARCHITECTURE,
            Map.of("s", LinearMap.orthogonal(Matrix.of(Oracle.orthogonal(N, 5)))));
    Map<String, Call> calls = new LinkedHashMap<>();
    calls.put("multiply", ws -> elements(LinAlg.multiply(a, b, ws), ws));
    calls.put("multiply, resident", ws -> elements(LinAlg.multiply(a.on(ws), b.on(ws), ws), ws));
    calls.put("polar", ws -> elements(Polar.of(a.on(ws), ws).factor(), ws));
    calls.put(
        "cca", ws -> elements(Cca.map(sxx.on(ws), syy.on(ws), sxy.on(ws), .1, .1, ws).map(), ws));
    calls.put("assignment, resident", ws -> solution(Assignment.maximise(a.on(ws), ws)));
    calls.put("assignment", ws -> solution(Assignment.maximise(a, ws)));
    calls.put("to F64", ws -> elements(vector.on(ws).to(DType.F64, ws), ws));
    calls.put("scaledRows", ws -> elements(vector.scaledRows(new double[] {1, 2}, ws), ws));
    calls.put("update", ws -> moments(Tensor.of(floats(x), SAMPLES, N), ws));
    calls.put("update, resident", ws -> moments(Tensor.of(floats(x), SAMPLES, N).on(ws), ws));
    calls.put("covariance", ws -> elements(collected(x, ws).covariance(0, 1, ws), ws));
    calls.put("permuted model", ws -> permuted.apply(model).read("w", ws).toDoubleArray());
    calls.put("mapped model", ws -> dense.apply(model).read("w", ws).toDoubleArray());
    calls.put("verify", ws -> new double[] {1 + permuted.verify(ws).residual()});
    calls.put("verify, dense", ws -> new double[] {1 + dense.verify(ws).residual()});
    return calls;
  }

  private static void transfers() throws IOException {
    double[][] x = Oracle.gaussian(SAMPLES, N, 3);
    double[][] y = Oracle.gaussian(SAMPLES, N, 6);
    try (Workspace ws = Workspace.builder().backend(Backend.CUDA).open();
        MomentAccumulator accumulator = accumulator(ws)) {
      accumulator.update(
          List.of(Tensor.of(floats(x), SAMPLES, N), Tensor.of(floats(y), SAMPLES, N)));
      SpaceMoments moments = accumulator.moments();
      // The activations.
      System.out.println("statistics of a batch " + crossed(ws, 2 * 4 * SAMPLES * N, 0));
      AlignmentProblem problem =
          AlignmentProblem.of(ARCHITECTURE, Moments.of(Map.of("s", moments)));
      Alignment found = CcaAligner.relativeGamma(1).align(problem, ws).of(1);
      // Two traces and the correlations.
      System.out.println("alignment " + crossed(ws, 2 * 4 * SAMPLES * N, 3 * 8 * N));
      long[] before = Kernels.of(ws).transfers();
      MemoryCheckpoint model =
          MemoryCheckpoint.of(Map.of("w", Tensor.of(floats(Oracle.gaussian(N, 2, 4)), N, 2)));
      LinearMerger.uniform().merge(MergeProblem.of(model, found.apply(model)), ws).read("w", ws);
      // Two models up, one down.
      System.out.println("merge " + crossed(ws, before[0] + 2 * 4 * N * 2, before[1] + 4 * N * 2));
    }
  }

  private static String crossed(Workspace ws, long up, long down) {
    long[] found = Kernels.of(ws).transfers();
    return found[0] == up && found[1] == down
        ? "as planned"
        : Arrays.toString(found) + ", planned " + up + ", " + down;
  }

  private static MomentAccumulator accumulator(Workspace ws) {
    return new MomentAccumulator(
        "s", new long[] {N, N}, CcaAligner.REQUEST, Precision.F64, NonFinite.FAIL, ws);
  }

  private static SpaceMoments collected(double[][] x, Workspace ws) {
    try (MomentAccumulator accumulator = accumulator(ws)) {
      Tensor samples = Tensor.of(floats(x), SAMPLES, N);
      accumulator.update(List.of(samples, samples));
      return accumulator.moments();
    }
  }

  private static double[] moments(Tensor samples, Workspace ws) {
    try (MomentAccumulator accumulator = accumulator(ws)) {
      accumulator.update(List.of(samples, samples));
      return elements(accumulator.moments().block(0, 1), ws);
    }
  }

  private static double[] elements(Matrix matrix, Workspace ws) {
    return elements(matrix.asTensor(), ws);
  }

  private static double[] elements(Tensor tensor, Workspace ws) {
    return tensor.toHost(ws).toDoubleArray();
  }

  private static double[] solution(Assignment found) {
    double[] all = Arrays.copyOf(found.u(), 3 * N + 1);
    for (int r = 0; r < N; r++) {
      all[N + r] = found.v()[r];
      all[2 * N + r] = found.columns()[r];
    }
    all[3 * N] = found.value();
    return all;
  }

  private static float[] floats(double[][] rows) {
    float[] values = new float[rows.length * rows[0].length];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) rows[i / rows[0].length][i % rows[0].length];
    }
    return values;
  }
}
