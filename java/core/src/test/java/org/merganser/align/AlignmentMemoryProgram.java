// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar.Completion;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.merganser.stats.MomentAccumulator;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.stats.StatisticsRequest.Part;
import org.merganser.testing.Oracle;

/**
 * Aligns in a process of its own, where nothing else is left to the collector, and prints how many
 * bytes of native memory were in use.
 */
final class AlignmentMemoryProgram {
  private static final StatisticsRequest REQUEST =
      StatisticsRequest.of(Part.OWN, Part.REFERENCE_CROSS);

  private AlignmentMemoryProgram() {}

  public static void main(String[] args) throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      if (args[0].equals("many")) {
        many(Integer.parseInt(args[1]), Integer.parseInt(args[2]), ws);
      } else {
        everyMethod(ws);
      }
    }
  }

  /** Dense maps of a method that costs nothing: "before, most of one, most of all, after". */
  private static void many(int count, int width, Workspace ws) throws IOException {
    Architecture architecture = architecture(width);
    try (Moments moments = moments(width, 32, ws)) {
      AlignmentProblem problem = AlignmentProblem.of(architecture, moments);
      long before = Natives.allocatedBytes();
      long one = 0;
      long most = 0;
      for (int i = 0; i < count; i++) {
        try (AlignmentSet found =
                AllToFirst.align("copies", problem, (s, m, k, w) -> copies(m, k, w), ws);
            Alignment inverse = found.of(1).inverse()) {
          if (inverse.map("s").width() != width) {
            throw new IllegalStateException("no map");
          }
          most = Math.max(most, Natives.allocatedBytes() - before);
        }
        one = i == 0 ? most : one;
      }
      System.out.println(one + " " + most + " " + (Natives.allocatedBytes() - before));
    }
  }

  private static SpaceAlignment copies(SpaceMoments moments, int model, Workspace ws) {
    Matrix map = moments.block(model, model).on(ws);
    LinearMap linear = LinearMap.of(map, moments.block(0, model).on(ws));
    return new SpaceAlignment(linear, 0, new double[0], Completion.NONE);
  }

  /** Every use of an alignment by every method; "id bytes left" a line. */
  private static void everyMethod(Workspace ws) throws IOException {
    int width = 40;
    Architecture architecture = architecture(width);
    Path file = Files.createTempFile("maps", ".mgalign");
    for (String id : Catalogue.aligners().ids()) {
      long before = Natives.allocatedBytes();
      try (Moments moments = moments(width, 200, ws);
          AlignmentSet found =
              Catalogue.aligner(id).align(AlignmentProblem.of(architecture, moments), ws);
          MemoryCheckpoint model =
              MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, width, 3)));
          Alignment inverse = found.of(1).otherWay();
          Checkpoint mapped = found.of(1).apply(model);
          Checkpoint back = inverse.apply(mapped);
          Tensor read = back.read("w", ws);
          FeatureMap round = found.of(1).map("s").then(inverse.map("s"), ws)) {
        found.of(1).verify(model, ws);
        found.of(1).save(file, ws);
        Alignment.load(file, ws).close();
        // What composing gave is its own: it can be closed by itself.
        found.of(0).map("s").then(round, ws).close();
        round.then(found.of(0).map("s"), ws).close();
        round.toMatrix(ws).close();
        read.get(0);
      }
      System.out.println(id + " " + (Natives.allocatedBytes() - before));
    }
    Files.delete(file);
  }

  private static Architecture architecture(int width) {
    return Architecture.builder()
        .space("s", width, MapFamily.ANY_LINEAR, Binding.of("w", 0, Role.WEIGHT_OUT))
        .build();
  }

  private static Moments moments(int width, int samples, Workspace ws) {
    List<Tensor> activations = new ArrayList<>();
    for (int k = 0; k < 2; k++) {
      double[] flat = new double[samples * width];
      double[][] rows = Oracle.gaussian(samples, width, k);
      for (int i = 0; i < samples; i++) {
        System.arraycopy(rows[i], 0, flat, i * width, width);
      }
      activations.add(Tensor.of(flat, samples, width));
    }
    try (MomentAccumulator accumulator =
        new MomentAccumulator(
            "s", new long[] {width, width}, REQUEST, Precision.F64, NonFinite.FAIL, ws)) {
      accumulator.update(activations);
      return Moments.of(Map.of("s", accumulator.moments()));
    } finally {
      activations.forEach(Tensor::close);
    }
  }
}
