// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.KnotsMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** KnOTS of adapters' factors is that of the weights they are folded into. */
class LoraKnotsTest {
  @TempDir private Path folder;

  @Cases(30)
  void factorsAreMergedAsWeightsAre(Draw draw) throws IOException {
    int count = draw.integer(1, 4);
    int in = draw.integer(1, 20);
    int out = draw.integer(1, 20);
    KnotsMerger.Options options =
        KnotsMerger.Options.defaults()
            .withDensity(draw.of(1.0, 0.6))
            .withElect(draw.of(true, false))
            .withNormalise(draw.of(true, false))
            .withLambda(draw.real(0.5, 2))
            .withSmallest(1e-9)
            .withWeights(draw.of(true, false) ? List.of() : Collections.nCopies(count, 0.7));
    try (Opened opened = new Opened()) {
      Map<String, Tensor> zeros = new LinkedHashMap<>();
      zeros.put("m.weight", Tensor.zeros(DType.F64, out, in));
      zeros.put("last.weight", Tensor.zeros(DType.F64, out, in));
      Checkpoint base = opened.add(MemoryCheckpoint.of(zeros));
      List<LoraAdapter> adapters = new ArrayList<>();
      List<Checkpoint> models = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        int rank = draw.integer(1, 4);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        put(tensors, "m", rank, in, out, draw);
        if (k == count - 1) {
          // A module that the others do not have.
          put(tensors, "last", rank, in, out, draw);
        }
        String settings = "\"r\": %d, \"lora_alpha\": %d".formatted(rank, k + 1);
        Path path = Adapters.write(folder.resolve("" + k), settings, tensors);
        adapters.add(opened.add(LoraAdapter.open(path)));
        models.add(adapters.get(k).fold(base));
      }
      KnotsMerger knots = KnotsMerger.of(options);
      MergeProblem problem = MergeProblem.of(models).withBase(base);
      Checkpoint dense = opened.add(knots.merge(problem, WS));
      LoraSum sum = knots.combine(adapters);
      for (String module : new String[] {"m", "last"}) {
        double[][] b = matrix(sum, module + ".lora_B.weight");
        double[][] a = matrix(sum, module + ".lora_A.weight");
        double[] found = Oracle.flat(Oracle.multiply(b, a));
        try (Tensor read = dense.read(module + ".weight", WS)) {
          double[] expected = read.toDoubleArray();
          double largest = 1e-300;
          for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
          }
          for (int i = 0; i < expected.length; i++) {
            assertThat(found[i]).as(module + i).isCloseTo(expected[i], within(1e-9 * largest));
          }
        }
      }
    }
  }

  private static void put(
      Map<String, Tensor> tensors, String module, int rank, int in, int out, Draw draw) {
    double[][] a = Oracle.gaussian(rank, in, draw.seed());
    double[][] b = Oracle.gaussian(out, rank, draw.seed());
    tensors.put(module + ".lora_A.weight", Adapters.tensor(DType.F64, a));
    tensors.put(module + ".lora_B.weight", Adapters.tensor(DType.F64, b));
  }

  private static double[][] matrix(LoraSum sum, String name) throws IOException {
    try (Tensor tensor = sum.tensors().read("base_model.model." + name, WS)) {
      double[] flat = tensor.toDoubleArray();
      int columns = Math.toIntExact(tensor.dim(1));
      double[][] rows = new double[flat.length / columns][columns];
      for (int i = 0; i < flat.length; i++) {
        rows[i / columns][i % columns] = flat[i];
      }
      return rows;
    }
  }

  @Test
  void changesBelowTheCutAreNone() throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      Adapters.put(tensors, "m", new double[][] {{1e-4, 0}}, new double[][] {{1e-4}, {0}});
      Path path = Adapters.write(folder.resolve("a"), "\"r\": 1, \"lora_alpha\": 1", tensors);
      LoraAdapter adapter = opened.add(LoraAdapter.open(path));
      LoraSum sum = KnotsMerger.of(KnotsMerger.Options.defaults()).combine(List.of(adapter));
      assertThat(matrix(sum, "m.lora_A.weight")).isDeepEqualTo(new double[][] {{0, 0}});
      assertThat(matrix(sum, "m.lora_B.weight")).isDeepEqualTo(new double[][] {{0}, {0}});
      List<Double> two = List.of(1.0, 2.0);
      KnotsMerger weighted = KnotsMerger.of(KnotsMerger.Options.defaults().withWeights(two));
      assertThatThrownBy(() -> weighted.combine(List.of(adapter)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("weights");
    }
  }
}
