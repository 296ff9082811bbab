// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.lora.Adapters;
import org.merganser.lora.LoraAdapter;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;

class InterferenceTest {
  @TempDir private Path folder;

  private static MemoryCheckpoint model(double... values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, values.length)));
  }

  private static Interference of(Checkpoint base, Checkpoint... models) throws IOException {
    return Interference.of(MergeProblem.of(models).withBase(base), WS);
  }

  /** The task vectors of the golden cases of the merge methods. */
  @Test
  void ofTwoTaskVectors() throws IOException {
    double[] d1 = {.4, -.1, .3, 0, -.2, .05};
    double[] d2 = {-.3, -.2, .1, .6, .25, 0};
    try (MemoryCheckpoint base = model(0, 0, 0, 0, 0, 0);
        MemoryCheckpoint a = model(d1);
        MemoryCheckpoint b = model(d2)) {
      Interference.Of found = of(base, a, b).all();
      assertThat(found.size()).isEqualTo(6);
      assertThat(found.models()).isEqualTo(2);
      // .16 + .01 + .09 + .04 + .0025, .09 + .04 + .01 + .36 + .0625, -.12 + .02 + .03 - .05
      assertThat(found.norm(0)).isCloseTo(Math.sqrt(.3025), within(1e-15));
      assertThat(found.norm(1)).isCloseTo(Math.sqrt(.5625), within(1e-15));
      assertThat(found.meanCosine()).isCloseTo(-.12 / (.55 * .75), within(1e-15));
      // Coordinates 0 and 4 of 6, of which 4 are in both.
      assertThat(found.signConflict()).isEqualTo(2.0 / 6);
      assertThat(found.signConflictWhereBothDiffer()).isEqualTo(2.0 / 4);
      // Elected + - + + + +, which the first is not at 4 and the second not at 0.
      assertThat(found.keepRate()).isCloseTo((.85 + 1.15) / (1.05 + 1.45), within(1e-15));
    }
  }

  @Test
  void whatIsAgainstEachOtherWhollyKeepsTheHalf() throws IOException {
    try (MemoryCheckpoint base = model(1, 2);
        MemoryCheckpoint a = model(2, 4);
        MemoryCheckpoint b = model(0, 0)) {
      Interference.Of found = of(base, a, b).all();
      assertThat(found.cosine(0, 1)).isEqualTo(-1);
      assertThat(found.signConflict()).isEqualTo(1);
      assertThat(found.keepRate()).isEqualTo(.5);
      Interference.Of alone = of(base, a).all();
      assertThat(alone.meanCosine()).isNaN();
      assertThat(alone.signConflict()).isNaN();
      assertThat(alone.keepRate()).isEqualTo(1);
      Interference.Of same = of(base, a, a, base).all();
      assertThat(same.meanCosine()).isEqualTo(1);
      assertThat(same.cosine(0, 2)).isNaN();
      assertThat(same.norm(2)).isZero();
      assertThat(same.signConflict()).isZero();
      assertThat(of(base, base).all().keepRate()).isNaN();
    }
  }

  /** Products of factors that cancel may be rounded below 0. */
  @Test
  void normsAreNumbersWhateverRoundingLeaves() {
    Interference.Of found =
        new Interference.Of(4, List.of(List.of(-1e-30, 0.0), List.of(0.0, 4.0)), Optional.empty());
    assertThat(found.norm(0)).isZero();
    assertThat(found.norm(1)).isEqualTo(2);
    assertThat(found.meanCosine()).isNaN();
  }

  /** By tensor and in all, of any types and sizes, to what a plain loop gives. */
  @Cases(40)
  void sumsOverCoordinates(Draw draw) throws IOException {
    int count = draw.integer(1, 5);
    DType type = draw.of(DType.F64, DType.F32, DType.BF16);
    Map<String, Integer> sizes = new LinkedHashMap<>();
    sizes.put("a", draw.of(0, 1, 1023, 1024, 1025));
    sizes.put("b", draw.integer(1, 3000));
    sizes.put("c", draw.of(7, 65536, 70001));
    List<Map<String, double[]>> values = new ArrayList<>();
    List<Checkpoint> models = new ArrayList<>();
    try (Opened opened = new Opened()) {
      for (int k = 0; k <= count; k++) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, double[]> own = new LinkedHashMap<>();
        for (Map.Entry<String, Integer> each : sizes.entrySet()) {
          double[] drawn = new double[each.getValue()];
          // Often equal, so that differences are 0.
          Arrays.setAll(drawn, i -> Math.rint(4 * draw.random().nextGaussian()) / 4);
          try (Tensor wide = Tensor.of(drawn, drawn.length);
              Tensor there = wide.to(type, WS)) {
            Tensor host = there.toHost(WS);
            tensors.put(each.getKey(), host);
            own.put(each.getKey(), host.toDoubleArray());
          }
        }
        values.add(own);
        models.add(opened.add(MemoryCheckpoint.of(tensors)));
      }
      Checkpoint base = models.remove(count);
      Interference found = of(base, models.toArray(Checkpoint[]::new));
      assertThat(found.tensors().keySet()).containsExactlyElementsOf(sizes.keySet());
      double[][] every = new double[count + 1][0];
      for (String name : sizes.keySet()) {
        double[][] own = new double[count + 1][];
        for (int k = 0; k <= count; k++) {
          own[k] = values.get(k).get(name);
          every[k] = concat(every[k], own[k]);
        }
        check(found.tensors().get(name), own);
      }
      check(found.all(), every);
    }
  }

  private static double[] concat(double[] a, double[] b) {
    double[] both = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }

  private static void check(Interference.Of found, double[][] values) {
    int count = values.length - 1;
    int n = values[0].length;
    assertThat(found.size()).isEqualTo(n);
    long conflicts = 0;
    double kept = 0;
    double mass = 0;
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < count; j++) {
        double product = 0;
        double terms = 0;
        for (int c = 0; c < n; c++) {
          double term = (values[i][c] - values[count][c]) * (values[j][c] - values[count][c]);
          product += term;
          terms += Math.abs(term);
          conflicts += term < 0 && i < j ? 1 : 0;
        }
        assertThat(found.products().get(i).get(j)).isCloseTo(product, within(1e-13 * terms));
      }
    }
    for (int c = 0; c < n; c++) {
      double sum = 0;
      for (int k = 0; k < count; k++) {
        sum += values[k][c] - values[count][c];
      }
      for (int k = 0; k < count; k++) {
        double d = values[k][c] - values[count][c];
        mass += Math.abs(d);
        kept += d != 0 && d > 0 == sum >= 0 ? Math.abs(d) : 0;
      }
    }
    Interference.Signs signs = found.signs().orElseThrow();
    assertThat(signs.conflicts()).isEqualTo(conflicts);
    assertThat(signs.mass()).isCloseTo(mass, within(1e-13 * mass));
    assertThat(signs.kept()).isCloseTo(kept, within(1e-13 * mass));
  }

  /** The order of the models changes nothing but the order of the values. */
  @Cases(10)
  void modelsAreAlike(Draw draw) throws IOException {
    int n = draw.integer(1, 500);
    try (Opened opened = new Opened()) {
      Checkpoint[] models = new Checkpoint[4];
      Arrays.setAll(models, k -> opened.add(model(draw.random().doubles(n, -1, 1).toArray())));
      Interference.Of found = of(models[3], models[0], models[1], models[2]).all();
      Interference.Of other = of(models[3], models[2], models[0], models[1]).all();
      assertThat(other.cosine(0, 1)).isEqualTo(found.cosine(2, 0));
      assertThat(other.meanCosine()).isCloseTo(found.meanCosine(), within(1e-14));
      assertThat(other.signConflict()).isEqualTo(found.signConflict());
      assertThat(other.keepRate()).isCloseTo(found.keepRate(), within(1e-12));
      assertThat(found.keepRate()).isBetween(0.5, 1.0);
    }
  }

  @Test
  void countersAndWholeNumbersAreLeftOutAndMasksDifferByNothing() throws IOException {
    double inf = Double.NEGATIVE_INFINITY;
    List<MemoryCheckpoint> models = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("mask", Tensor.of(new double[] {0, inf}, 2));
      tensors.put("bn.num_batches_tracked", Tensor.zeros(DType.I64));
      tensors.put("steps", Tensor.of(new double[] {k}, 1));
      tensors.put("w", Tensor.of(new double[] {k, 1}, 2));
      models.add(MemoryCheckpoint.of(tensors));
    }
    MergeProblem problem =
        new MergeProblem(
            List.copyOf(models.subList(0, 2)),
            Optional.empty(),
            Optional.of(models.get(2)),
            Set.of("steps"),
            List.of());
    Interference found = Interference.of(problem, WS);
    assertThat(found.tensors().keySet()).containsExactlyInAnyOrder("mask", "w");
    assertThat(found.tensors().get("mask").norm(0)).isZero();
    assertThat(found.all().size()).isEqualTo(4);
    assertThat(found.all().norm(0)).isEqualTo(2);
    models.forEach(MemoryCheckpoint::close);
  }

  /** Elements are read by parts, whatever the size. */
  @Test
  void memoryDoesNotGrowWithTheModel() throws IOException {
    AtomicLong longest = new AtomicLong();
    Map<String, TensorInfo> shapes = Map.of("w", TensorInfo.of(DType.BF16, 3000, 1000));
    class Watched extends CheckpointView {
      private final double value;

      Watched(double value) {
        super(shapes, List.of(MemoryCheckpoint.of(Map.of())));
        this.value = value;
      }

      @Override
      public long block(String name) {
        return 1;
      }

      @Override
      protected void fill(String name, long from, long to, Tensor into, Workspace ws)
          throws IOException {
        longest.accumulateAndGet(to - from, Math::max);
        double[] same = new double[(int) (to - from)];
        Arrays.fill(same, value);
        try (Tensor made = Tensor.of(same, same.length)) {
          into.convertFrom(made, ws);
        }
      }
    }
    Interference.Of found = of(new Watched(1), new Watched(3), new Watched(0)).all();
    assertThat(found.norm(0)).isEqualTo(Math.sqrt(4 * 3e6));
    assertThat(found.signConflict()).isEqualTo(1);
    assertThat(found.keepRate()).isEqualTo(2.0 / 3);
    assertThat(longest.get()).isEqualTo(1 << 16);
  }

  /** Adapters, as the models with them in their weights: of some modules only, and convolutions. */
  @Cases(20)
  void adaptersAreAsTheirFoldedModels(Draw draw) throws IOException {
    int count = draw.integer(1, 4);
    Map<String, Tensor> zeros = new LinkedHashMap<>();
    zeros.put("fc.weight", Tensor.zeros(DType.F64, 9, 14));
    zeros.put("conv.weight", Tensor.zeros(DType.F64, 6, 4, 3, 3));
    zeros.put("other", Tensor.zeros(DType.F64, 5));
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(MemoryCheckpoint.of(zeros));
      List<LoraAdapter> adapters = new ArrayList<>();
      List<Checkpoint> folded = new ArrayList<>();
      for (int k = 0; k < count; k++) {
        Path path = Files.createTempDirectory(folder, "adapter");
        LoraAdapter adapter = LoraAdapter.open(Adapters.random(path, base, draw));
        adapters.add(opened.add(adapter));
        folded.add(adapter.fold(base));
      }
      Interference found = Interference.ofAdapters(adapters, WS);
      Interference dense = of(base, folded.toArray(Checkpoint[]::new));
      for (Map.Entry<String, Interference.Of> each : found.tensors().entrySet()) {
        close(each.getValue(), dense.tensors().get(each.getKey()));
        assertThat(each.getValue().size()).isEqualTo(base.info(each.getKey()).size());
      }
      close(found.all(), dense.all());
      assertThat(found.all().signConflict()).isNaN();
      assertThat(found.all().keepRate()).isNaN();
    }
  }

  private static void close(Interference.Of found, Interference.Of dense) {
    for (int i = 0; i < dense.models(); i++) {
      for (int j = 0; j < dense.models(); j++) {
        assertThat(found.products().get(i).get(j))
            .isCloseTo(
                dense.products().get(i).get(j),
                within(1e-12 * (dense.norm(i) * dense.norm(j) + Double.MIN_NORMAL)));
      }
    }
  }

  @Test
  void whatHasNoDifferenceIsRefused() throws IOException {
    try (MemoryCheckpoint base = model(1, 2);
        MemoryCheckpoint bad = model(1, Double.NaN);
        MemoryCheckpoint far = model(1, Double.POSITIVE_INFINITY);
        MemoryCheckpoint huge = model(1, 1e200);
        MemoryCheckpoint longer = model(1, 2, 3)) {
      assertThatThrownBy(() -> of(base, base, bad))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "'w' at index 1: model 1 has NaN, the base 2.0, whose difference is not finite");
      assertThatThrownBy(() -> of(base, far)).hasMessageContaining("model 0 has Infinity");
      assertThatThrownBy(() -> of(base, huge))
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "the squares of the differences of model 0 to the base are beyond the range of F64");
      assertThatThrownBy(() -> of(longer, base)).isInstanceOf(IncompatibleModelsException.class);
      assertThatThrownBy(() -> Interference.of(MergeProblem.of(base), WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "task vectors are differences to a base, and there is none; give it"
                  + " (MergeProblem.withBase)");
    }
  }
}
