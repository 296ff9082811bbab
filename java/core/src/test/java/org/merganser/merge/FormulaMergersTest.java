// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Close;

/** Mergers of one formula against numbers worked out by hand. */
class FormulaMergersTest {
  private static final double[] BASE = {1, -2, .5, 0, 3, -1};
  private static final double[] X1 = {1.4, -2.1, .8, 0, 2.8, -.95};
  private static final double[] X2 = {.7, -2.2, .6, .6, 3.25, -1};

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void ofOneModel(DType dtype) throws IOException {
    Checkpoint base = model(dtype, BASE);
    MergeProblem second = MergeProblem.of(model(dtype, X2)).withBase(base);
    check(dtype, merger("nearswap:t=0.1"), second, .9, -2.1, .6, .1, 3.1, -1);
    MergeProblem first = MergeProblem.of(model(dtype, X1)).withBase(base);
    check(dtype, merger("expo"), first, 1.52, -2.13, .89, 0, 2.74, -.935);
    check(dtype, merger("expo:alpha=-1"), first, BASE);
    MergeProblem alone = MergeProblem.of(model(dtype, X1));
    check(dtype, merger("passthrough"), alone, X1);
    check(dtype, merger("passthrough:scale=-2"), alone, -2.8, 4.2, -1.6, 0, -5.6, 1.9);
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void ofDifferences(DType dtype) throws IOException {
    MergeProblem both = problem(dtype);
    check(dtype, merger("magmax"), both, 1.2, -2.1, .65, .3, 3.125, -.975);
    check(dtype, merger("ram"), both, 1.05, -2.15, .7, .6, 3.025, -.95);
    check(dtype, merger("ramplus-tl"), both, 1.05, -2.15, .7, .612, 3.025, -.949);
    check(dtype, merger("sce"), both, 1.4, -2.165028902, .669942197, .6, 3.25, -.95);
    check(dtype, merger("sce:select-topk=0.5"), both, 1.4, -2, .5, .6, 3.25, -1);
    check(dtype, merger("emr"), both, 1.442105263, -2.221052632, .831578947, 0, 3, -.944736842);
    check(
        dtype,
        merger("emr:task=1"),
        both,
        1,
        -2.214814815,
        .822222222,
        .644444444,
        3.268518518,
        -1);
    // Both differences reach 0.4 of the other one at 0, 1 and 4.
    check(dtype, merger("consensus:scaling=0.5"), both, 1.05, -2.15, .5, 0, 3.025, -1);
    check(dtype, merger("consensus:scaling=0.5,agree=1"), both, 1.05, -2.15, .7, .3, 3.025, -.975);
    check(dtype, merger("consensus:lambda=0.4:0.3,scaling=1"), both, 1.1, -2.3, .9, 0, 3.05, -1);
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void arceeFusion(DType dtype) throws IOException {
    double[][] base = {{1, 2.1, 0, 4.1, .1}, {.5, .6, 1, 2, 0}};
    double[][] model = {{1, 2, 3, 4, 0}, {.5, .5, 1, 2, .1}};
    MergeProblem problem = MergeProblem.of(rows(dtype, model)).withBase(rows(dtype, base));
    double[] expected = {1, 2.1, 3, 4.1, .1, .5, .6, 1, 2, 0};
    check(dtype, merger("arcee-fusion"), problem, expected);
    // A row that only shifted has no divergence, and as every score is 0, all are taken.
    double[][] shifted = {{0, 1, 2}, {1, 1, 1}};
    MergeProblem same =
        MergeProblem.of(rows(dtype, shifted))
            .withBase(rows(dtype, new double[][] {{1, 2, 3}, {0, 0, 0}}));
    check(dtype, merger("arcee-fusion"), same, 0, 1, 2, 1, 1, 1);
  }

  /** Equal models far from the base give themselves, where the method promises it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "nearswap:t=10",
        "magmax:scaling=1",
        "ram",
        "ramplus-tl",
        "sce",
        "sce:uniform-below=0",
        "emr",
        "emr:task=0",
        "expo:alpha=0"
      })
  void equalModelsGiveThemselves(String id) throws IOException {
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
      for (int models : new int[] {1, 2, 3, 5}) {
        if (models > merger(id).needs().most()) {
          continue;
        }
        Checkpoint model = model(dtype, random(7, 5000));
        MergeProblem problem =
            MergeProblem.of(Collections.nCopies(models, model))
                .withBase(model(dtype, random(8, 5000)));
        check(dtype, merger(id), problem, model.read("w", WS).toDoubleArray());
        TensorMerger consensus = merger("consensus:agree=" + models + ",scaling=" + 1.0 / models);
        if (models == 2) {
          check(dtype, consensus, problem, model.read("w", WS).toDoubleArray());
        }
      }
    }
  }

  /** What models share counts once; equal differences have no variance, whatever their number. */
  @Test
  void sceSelectsWhatVaries() throws IOException {
    double[] base = new double[5];
    double[] a = {.1, 1, 0, 3, .1};
    double[] b = {.1, 2, 0, 3.5, .1};
    MergeProblem problem =
        MergeProblem.of(model(DType.F32, a), model(DType.F32, a), model(DType.F32, b))
            .withBase(model(DType.F32, base));
    // Two elements vary; half of them is one, that of the larger variance.
    double[] found = merger("sce:select-topk=0.5").merge(problem, WS).read("w", WS).toDoubleArray();
    assertThat(found[0]).isZero();
    assertThat(found[3]).isZero();
    // The weights of the one element: 1, 1 and 4 of 6.
    assertThat(found[1]).isEqualTo(10 / 6.0, org.assertj.core.api.Assertions.within(1e-6));
    // A third of two is none.
    double[] none = merger("sce:select-topk=0.33").merge(problem, WS).read("w", WS).toDoubleArray();
    assertThat(none).isEqualTo(base);
  }

  /** Squares below the bound count for nothing, unless it is 0. */
  @Test
  void sceWeightsOfShortDifferences() throws IOException {
    double[] base = {0, 0};
    MergeProblem problem =
        MergeProblem.of(
                model(DType.F64, new double[] {1e-6, 0}), model(DType.F64, new double[] {3e-6, 0}))
            .withBase(model(DType.F64, base));
    check(DType.F64, merger("sce"), problem, 2e-6, 0);
    check(DType.F64, merger("sce:uniform-below=0"), problem, 2.8e-6, 0);
  }

  /** The rescalers of EMR are those of the whole model, whichever tensor is read first. */
  @ParameterizedTest
  @CsvSource({"0, 1", "1, 0"})
  void emrRescalesTheWholeModel(int first, int second) throws IOException {
    String[] names = {"a", "b"};
    Checkpoint base = two(new double[] {0, 0}, new double[] {0, 0, 0, 0});
    Checkpoint one = two(new double[] {1, -2}, new double[] {3, 0, 1, -1});
    Checkpoint other = two(new double[] {2, 1}, new double[] {-1, 4, 1, -2});
    Checkpoint merged = merger("emr").merge(MergeProblem.of(one, other).withBase(base), WS);
    // Means: |d| 1.5 + 1.25; unified 2, -2 and 3, 4, 1, -2, of which all agree but the 0.
    double rescaler = (1.5 + 1.25) / (2 + 1.5);
    double[][] unified = {{2, -2}, {3, 0, 1, -2}};
    for (int t : new int[] {first, second}) {
      double[] expected = unified[t].clone();
      for (int i = 0; i < expected.length; i++) {
        expected[i] *= rescaler;
      }
      Close.relative(names[t], merged.read(names[t], WS).toDoubleArray(), expected, 1e-15);
    }
  }

  /** Masks with infinities are no part of the rescalers. */
  @Test
  void emrLeavesMasksAlone() throws IOException {
    double[] mask = {0, Double.NEGATIVE_INFINITY};
    double[] x = {1, 2, 3};
    Checkpoint base =
        MemoryCheckpoint.of(Map.of("mask", Tensor.of(mask, 2), "w", Tensor.zeros(DType.F64, 3)));
    Checkpoint model =
        MemoryCheckpoint.of(Map.of("mask", Tensor.of(mask, 2), "w", Tensor.of(x, 3)));
    Checkpoint merged = merger("emr").merge(MergeProblem.of(model).withBase(base), WS);
    assertThat(merged.read("w", WS).toDoubleArray()).isEqualTo(x);
    assertThat(merged.read("mask", WS).toDoubleArray()).isEqualTo(mask);
  }

  /** Tensors without elements or dimensions, zeros of both signs, and subnormals. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "nearswap",
        "magmax",
        "ram",
        "ramplus-tl",
        "sce",
        "sce:select-topk=0.5",
        "consensus",
        "emr",
        "arcee-fusion",
        "expo",
        "passthrough"
      })
  void smallTensors(String id) throws IOException {
    TensorMerger merger = merger(id);
    for (DType dtype : new DType[] {DType.F64, DType.F32, DType.F16, DType.BF16}) {
      Checkpoint one = ends(dtype, 1);
      Checkpoint other = ends(dtype, -1);
      boolean many = merger.needs().most() > 1;
      MergeProblem problem = many ? MergeProblem.of(one, other) : MergeProblem.of(one);
      Checkpoint merged =
          merger.merge(merger.needs().base() ? problem.withBase(ends(dtype, 0)) : problem, WS);
      assertThat(merged.read("empty", WS).size()).isZero();
      assertThat(merged.read("scalar", WS).get(0)).isFinite();
      double[] found = merged.read("ends", WS).toDoubleArray();
      for (double value : found) {
        // The models are 0 or the least number away from the base's 0.
        assertThat(Math.abs(value)).isLessThanOrEqualTo(2 * least(dtype));
      }
    }
  }

  @Test
  void optionsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> merger("nearswap:t=-1")).hasMessageContaining("t must be");
    assertThatThrownBy(() -> merger("sce:select-topk=0")).hasMessageContaining("(0, 1]");
    assertThatThrownBy(() -> new ConsensusMerger.Options(List.of(), 2, .3))
        .hasMessage("lambda must be one for all, or one for each model, not none");
    MergeProblem both = problem(DType.F32);
    assertThatThrownBy(() -> merger("consensus:agree=3").merge(both, WS))
        .hasMessage("consensus: agree 3 is more than the 2 models");
    assertThatThrownBy(() -> merger("consensus:lambda=0.1:0.2:0.3").merge(both, WS))
        .hasMessage("3 lambdas for 2 models");
    assertThatThrownBy(() -> merger("emr:task=2").merge(both, WS))
        .hasMessage("emr: task 2 of 2 models, counted from 0");
    assertThatThrownBy(() -> merger("nearswap").merge(both, WS))
        .hasMessage("nearswap merges 1 model, not 2");
    double huge = 1e200;
    MergeProblem far =
        MergeProblem.of(model(DType.F64, new double[] {huge}))
            .withBase(model(DType.F64, new double[] {-huge}));
    assertThatThrownBy(() -> merger("sce").merge(far, WS).read("w", WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "sce: the squares of the differences in 'w' are beyond the range of F64; take another"
                + " method for it");
  }

  private static TensorMerger merger(String id) {
    return (TensorMerger) Catalogue.mergers().method(id);
  }

  private static double least(DType dtype) {
    return switch (dtype) {
      case F64 -> Double.MIN_VALUE;
      case F32 -> Float.MIN_VALUE;
      case F16 -> 0x1p-24;
      default -> 0x1p-133;
    };
  }

  /** What differs has the sign of `side`. */
  private static Checkpoint ends(DType dtype, int side) {
    double[] values = {0, -0.0, side * least(dtype), side == 0 ? -0.0 : 0, side * least(dtype)};
    return MemoryCheckpoint.of(
        Map.of(
            "ends", Tensor.of(dtype, values, WS),
            "empty", Tensor.allocate(dtype, 0, 3),
            "scalar", Tensor.of(dtype, new double[] {side}, WS).reshape(new long[0])));
  }

  private static Checkpoint two(double[] a, double[] b) {
    return MemoryCheckpoint.of(Map.of("a", Tensor.of(a, a.length), "b", Tensor.of(b, b.length)));
  }

  private static Checkpoint rows(DType dtype, double[][] rows) {
    double[] all = new double[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * rows[0].length, rows[0].length);
    }
    return MemoryCheckpoint.of(
        Map.of("w", Tensor.of(dtype, all, WS).reshape(new long[] {rows.length, rows[0].length})));
  }

  private static double[] random(long seed, int count) {
    return new SplittableRandom(seed).doubles(count, -1, 1).toArray();
  }

  private static void check(
      DType dtype, TensorMerger merger, MergeProblem problem, double... expected)
      throws IOException {
    double tolerance =
        switch (dtype) {
          case F64 -> 1e-9;
          case F32 -> 2e-7;
          case F16 -> 1e-3;
          default -> 1e-2;
        };
    double[] found = merger.merge(problem, WS).read("w", WS).toDoubleArray();
    Close.relative(merger + " " + dtype, found, expected, tolerance);
  }

  private static MergeProblem problem(DType dtype) {
    return MergeProblem.of(model(dtype, X1), model(dtype, X2)).withBase(model(dtype, BASE));
  }

  private static Checkpoint model(DType dtype, double[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(dtype, values, WS)));
  }
}
