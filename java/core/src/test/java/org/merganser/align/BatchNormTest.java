// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Models;

/** What happens to the parameters and running statistics of a normalisation. */
class BatchNormTest {
  private static final Architecture ARCHITECTURE =
      Architecture.builder()
          .space(
              "s",
              3,
              MapFamily.PERMUTATION,
              Binding.of("weight", 0, Role.NORM_SCALE),
              Binding.of("bias", 0, Role.NORM_SHIFT),
              Binding.of("running_mean", 0, Role.RUNNING_MEAN),
              Binding.of("running_var", 0, Role.RUNNING_VAR))
          .counter("num_batches_tracked")
          .build();

  @Test
  void permutationsCarryEverything() throws IOException {
    Checkpoint mapped = apply(ScaledPermutation.of(2, 0, 1));
    for (String name : List.of("weight", "bias", "running_mean", "running_var")) {
      assertThat(mapped.read(name, WS).toFloatArray()).as(name).containsExactly(3, 1, 2);
    }
    assertThat(mapped.stale()).isEmpty();
  }

  @Test
  void scalesAreSquaredForVariances() throws IOException {
    Checkpoint mapped = apply(ScaledPermutation.of(new int[] {2, 0, 1}, new double[] {2, 3, 0.5}));
    assertThat(mapped.read("running_mean", WS).toFloatArray()).containsExactly(6, 3, 1);
    assertThat(mapped.read("running_var", WS).toFloatArray()).containsExactly(12, 9, .5f);
    assertThat(mapped.stale()).isEmpty();
  }

  @Test
  void denseMapsMakeRunningStatisticsStaleAndMergesKeepThatInMind() throws IOException {
    LinearMap dense =
        LinearMap.of(
            Matrix.of(new double[][] {{1, -2, 0}, {0, 1, 0}, {0, 0, 1}}),
            Matrix.of(new double[][] {{1, 2, 0}, {0, 1, 0}, {0, 0, 1}}));
    Checkpoint mapped = apply(dense);
    assertThat(mapped.read("weight", WS).toFloatArray())
        .containsExactly((float) Math.sqrt(1 + 4 * 4), 2, 3);
    assertThat(mapped.read("bias", WS).toFloatArray()).containsExactly(-3, 2, 3);
    Set<String> stale = Set.of("running_mean", "running_var");
    assertThat(mapped.stale()).isEqualTo(stale);
    Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(model(), mapped), WS);
    assertThat(merged.stale()).isEqualTo(stale);
    assertThat(MemoryCheckpoint.copyOf(merged, WS).stale()).isEqualTo(stale);
    Models.assertSameBits("identity", apply(FeatureMap.identity(3)), model(), WS);
  }

  private static Checkpoint apply(FeatureMap map) {
    return apply(map, model(), NormRule.spread());
  }

  private static Checkpoint apply(FeatureMap map, Checkpoint model, NormRule rule) {
    return Alignment.of("test", ARCHITECTURE, Map.of("s", map)).apply(model, rule);
  }

  private static MemoryCheckpoint withScale(float... scale) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model().tensors().keySet().forEach(name -> tensors.put(name, model().tensor(name)));
    tensors.put("weight", Tensor.of(scale, 3));
    return MemoryCheckpoint.of(tensors);
  }

  private static float[] scale(FeatureMap map, NormRule rule, float... scale) throws IOException {
    return apply(map, withScale(scale), rule).read("weight", WS).toFloatArray();
  }

  /** Dense maps mix features whose scales differ in sign; which layer takes a sign is unknown. */
  @Test
  void negativeScalesUnderDenseMapsAreCountedInAWarning() {
    double half = Math.sqrt(0.5);
    LinearMap rotation =
        LinearMap.orthogonal(
            Matrix.of(new double[][] {{half, -half, 0}, {half, half, 0}, {0, 0, 1}}));
    Alignment dense = Alignment.of("test", ARCHITECTURE, Map.of("s", rotation));
    assertThat(dense.verify(withScale(-3, -1, 2), WS).warnings())
        .containsOnlyOnce(
            "2 of 3 scales of normalisations are negative; dense maps mix features, and those of"
                + " scales of different sign cancel in part; make them positive first"
                + " (BatchNormFold.positive, which needs the network)");
    assertThat(dense.verify(withScale(3, 1, 0), WS).warnings())
        .noneMatch(w -> w.contains("scales"));
    Alignment permuted =
        Alignment.of("test", ARCHITECTURE, Map.of("s", ScaledPermutation.of(2, 0, 1)));
    assertThat(permuted.verify(withScale(-3, -1, 2), WS).warnings())
        .noneMatch(w -> w.contains("scales"));
  }

  @Test
  void scalesOfPermutationsHaveTheirBitsWhateverTheSigns() throws IOException {
    for (NormRule rule : List.of(NormRule.spread(), NormRule.mapped())) {
      assertThat(scale(ScaledPermutation.of(2, 0, 1), rule, -1, 2, -0.0f))
          .containsExactly(-0.0f, -1, 2);
    }
  }

  /** z flips with its layer, so y = g z + b flips with b alone; a factor goes with both. */
  @Test
  void signsOfOneToOneMapsAreThoseOfWhatIsNormalised() throws IOException {
    ScaledPermutation map = ScaledPermutation.of(new int[] {2, 0, 1}, new double[] {-1, 2, -0.5});
    Checkpoint mapped = apply(map);
    assertThat(mapped.read("weight", WS).toFloatArray()).containsExactly(3, 2, 1);
    assertThat(mapped.read("bias", WS).toFloatArray()).containsExactly(-3, 2, -1);
    assertThat(mapped.read("running_mean", WS).toFloatArray()).containsExactly(-3, 2, -1);
    assertThat(mapped.read("running_var", WS).toFloatArray()).containsExactly(3, 4, 0.5f);
  }

  /** The writing side says what becomes of a scale, into the reference's width too. */
  @Test
  void aPairSpreadsScalesByItsWritingSide() throws IOException {
    Architecture two =
        Architecture.builder()
            .space(
                new FeatureSpace("s", 2, MapFamily.PERMUTATION, ARCHITECTURE.space("s").bindings()))
            .counter("num_batches_tracked")
            .build();
    MapPair pair =
        MapPair.of(Matrix.of(new double[][] {{3, 4, 0}, {0, 0, -2}}), Matrix.zeros(3, 2));
    Checkpoint mapped =
        Alignment.of("test", ARCHITECTURE, two, Map.of("s", pair)).apply(withScale(1, 1, 5));
    assertThat(mapped.info("weight").dims()).containsExactly(2);
    assertThat(mapped.read("weight", WS).toFloatArray()).containsExactly(5, 10);
    assertThat(mapped.read("bias", WS).toFloatArray()).containsExactly(11, -6);
    assertThat(mapped.stale()).contains("running_mean", "running_var");
    assertThat(mapped.info("num_batches_tracked")).isEqualTo(model().info("num_batches_tracked"));
  }

  /** A rotation of features of one size keeps the size; mapped like a weight it does not. */
  @Test
  void theSpreadOfEqualScalesIsThatScale() throws IOException {
    double half = Math.sqrt(0.5);
    LinearMap rotation =
        LinearMap.orthogonal(
            Matrix.of(new double[][] {{half, -half, 0}, {half, half, 0}, {0, 0, 1}}));
    float[] spread = scale(rotation, NormRule.spread(), 3, 3, 3);
    assertThat(spread).containsExactly(new float[] {3, 3, 3}, within(1e-6f));
    float[] negative = scale(rotation, NormRule.spread(), -3, -3, 3);
    assertThat(negative).containsExactly(new float[] {-3, -3, 3}, within(1e-6f));
    float[] mapped = scale(rotation, NormRule.mapped(), 3, 3, 3);
    assertThat(mapped).containsExactly(new float[] {0, (float) (6 * half), 3}, within(1e-6f));
  }

  /** Against the diagonal of T D(g)^2 T^T, the covariance of mapped uncorrelated features. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void theSpreadIsTheDeviationOfMappedUncorrelatedFeatures(DType dtype) throws IOException {
    int width = 17;
    SplittableRandom random = new SplittableRandom(5);
    double[][] t = new double[width][width];
    double[] g = new double[width];
    for (int i = 0; i < width; i++) {
      g[i] = Math.exp(random.nextGaussian());
      for (int j = 0; j < width; j++) {
        t[i][j] = random.nextGaussian() + (i == j ? 8 : 0);
      }
    }
    // Two blocks of one tensor, every feature twice in the second.
    Architecture architecture =
        Architecture.builder()
            .space(
                "s",
                width,
                MapFamily.PERMUTATION,
                new Binding("n", 0, Role.NORM_SCALE, new Block(3, 2)))
            .build();
    double[] values = new double[3 + 2 * width + 1];
    java.util.Arrays.fill(values, 7);
    for (int c = 0; c < width; c++) {
      values[3 + 2 * c] = g[c];
      values[3 + 2 * c + 1] = 2 * g[c];
    }
    LinearMap map = LinearMap.of(Matrix.of(t), Matrix.identity(width));
    MemoryCheckpoint model = MemoryCheckpoint.of(Map.of("n", host(Tensor.of(dtype, values, WS))));
    double[] found =
        Alignment.of("test", architecture, Map.of("s", map))
            .apply(model)
            .read("n", WS)
            .toDoubleArray();
    double[] stored = model.tensor("n").toDoubleArray();
    double rounding = dtype == DType.F64 ? 1e-14 : dtype == DType.F32 ? 1e-7 : 1e-2;
    assertThat(found[2]).isEqualTo(7);
    assertThat(found[found.length - 1]).isEqualTo(7);
    for (int r = 0; r < width; r++) {
      for (int k = 0; k < 2; k++) {
        double variance = 0;
        for (int c = 0; c < width; c++) {
          variance += Math.pow(t[r][c] * stored[3 + 2 * c + k], 2);
        }
        assertThat(found[3 + 2 * r + k])
            .isCloseTo(Math.sqrt(variance), withinPercentage(100 * rounding));
      }
    }
  }

  @Test
  void theReferenceGivesItsScaleAndShiftToEveryMap() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : List.of("weight", "bias", "running_mean", "running_var")) {
      tensors.put(name, Tensor.of(new float[] {7, 8, 9}, 3));
    }
    tensors.put("num_batches_tracked", Tensor.zeros(DType.I64));
    NormRule rule = NormRule.reference(MemoryCheckpoint.of(tensors));
    for (FeatureMap map :
        List.of(
            ScaledPermutation.of(2, 0, 1),
            LinearMap.of(Matrix.identity(3), Matrix.identity(3)),
            FeatureMap.identity(3))) {
      Checkpoint mapped = apply(map, model(), rule);
      for (String name : List.of("weight", "bias")) {
        assertThat(mapped.read(name, WS).toFloatArray()).as(name).containsExactly(7, 8, 9);
      }
      assertThat(mapped.read("running_mean", WS).toFloatArray()).contains(1, 2, 3);
    }
    assertThatThrownBy(
            () ->
                apply(
                    FeatureMap.identity(3),
                    model(),
                    NormRule.reference(
                        MemoryCheckpoint.of(Map.of("weight", Tensor.zeros(DType.F32, 3))))))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("the reference does not fit the architecture");
  }

  private static MemoryCheckpoint model() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : List.of("weight", "bias", "running_mean", "running_var")) {
      tensors.put(name, Tensor.of(new float[] {1, 2, 3}, 3));
    }
    tensors.put("num_batches_tracked", Tensor.zeros(DType.I64));
    return MemoryCheckpoint.of(tensors);
  }
}
