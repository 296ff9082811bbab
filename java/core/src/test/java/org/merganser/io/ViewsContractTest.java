// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.align.Alignment;
import org.merganser.align.FeatureMap;
import org.merganser.align.LinearMap;
import org.merganser.align.MapPair;
import org.merganser.align.NormRule;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.lora.Adapters;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.SlerpMerger;
import org.merganser.merge.TensorMerger;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.repair.BatchNormFold;
import org.merganser.testing.Close;
import org.merganser.testing.Counted;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

/** What every view of the library promises; a view that is not here fails. */
class ViewsContractTest {
  private static final int WIDTH = 24;

  /** Rows of it are long enough to be read by themselves. */
  private static final int INPUTS = 1100;

  private static final Set<String> NO_VIEWS =
      Set.of(
          "MemoryCheckpoint",
          "FileCheckpoint",
          "ShardedCheckpoint",
          "TorchCheckpoint",
          "GgufCheckpoint",
          "Parts");

  /** Of other tensors than their sources': their own tests read them. */
  private static final Set<String> OTHER_TENSORS =
      Set.of(
          "SummedCheckpoint",
          "GramMatrices",
          "CanonicalCheckpoint",
          "RestoredCheckpoint",
          "MappedCheckpoint");

  /** How a view is made, of a source that is stale in {@code bn.running_mean} or fresh. */
  private record View(String id, boolean stale, Function<Checkpoint, Checkpoint> of) {
    @Override
    public String toString() {
      return id;
    }
  }

  static Stream<View> views() {
    FeatureMap permutation = ScaledPermutation.of(Oracle.permutation(WIDTH, 3));
    int[] order = Oracle.permutation(WIDTH, 4);
    double[] signs = new double[WIDTH];
    for (int r = 0; r < WIDTH; r++) {
      signs[r] = r % 3 == 0 ? -1 : 1;
    }
    FeatureMap signed = ScaledPermutation.of(order, signs);
    double[][] mixing = Oracle.mixing(WIDTH, 5);
    FeatureMap dense = LinearMap.of(Matrix.of(mixing), Matrix.of(Oracle.inverse(mixing)));
    BatchNormFold fold = BatchNormFold.of(new Described());
    return Stream.of(
        new View("as", true, s -> s.as(DType.BF16)),
        new View("where", true, s -> s.where(name -> !name.equals("fc1.weight"))),
        new View("renamed", true, s -> s.renamed(Map.of("bn.running_mean", "mean"))),
        new View("permuted", true, s -> align(permutation).apply(s)),
        new View("signed", true, s -> align(signed).apply(s)),
        new View("dense", true, s -> align(dense).apply(s)),
        new View("dense, reference", true, s -> align(dense).apply(s, NormRule.reference(s))),
        new View("resized", true, s -> narrower().apply(s)),
        new View("folded", false, fold::fold),
        new View("positive", true, fold::positive),
        new View("unfolded", false, s -> fold.unfold(fold.fold(s), s)),
        new View("mean", true, s -> merged(LinearMerger.uniform(), s, s)),
        new View(
            "mean of mapped",
            true,
            s ->
                merged(
                    LinearMerger.uniform(), s, align(dense).apply(s), align(permutation).apply(s))),
        new View(
            "slerp",
            true,
            s ->
                merged(
                    SlerpMerger.of(SlerpMerger.Options.defaults()),
                    s,
                    align(permutation).apply(s))),
        new View("first of", true, ViewsContractTest::firstOf),
        new View("with adapter", true, s -> Adapters.fold(s, "fc0", "fc1")),
        new View(
            "nested",
            true,
            s -> merged(LinearMerger.uniform(), s, s).as(DType.F64).where(n -> !n.isEmpty())));
  }

  private static Checkpoint merged(TensorMerger merger, Checkpoint... models) {
    return merger.merge(MergeProblem.of(models), WS);
  }

  private static Alignment align(FeatureMap map) {
    return Alignment.of("t", architecture(WIDTH), Map.of("s", map));
  }

  /** Into a reference of fewer features. */
  private static Alignment narrower() {
    int width = WIDTH - 2;
    Matrix out = Matrix.of(Oracle.gaussian(width, WIDTH, 8));
    Matrix in = Matrix.of(Oracle.gaussian(WIDTH, width, 9));
    return Alignment.of(
        "t", architecture(WIDTH), architecture(width), Map.of("s", MapPair.of(out, in)));
  }

  private static Architecture architecture(int width) {
    return Architecture.builder()
        .space(
            "s",
            width,
            MapFamily.ANY_LINEAR,
            Binding.of("fc0.weight", 0, Role.WEIGHT_OUT),
            Binding.of("fc0.bias", 0, Role.BIAS),
            Binding.of("bn.weight", 0, Role.NORM_SCALE),
            Binding.of("bn.bias", 0, Role.NORM_SHIFT),
            Binding.of("bn.running_mean", 0, Role.RUNNING_MEAN),
            Binding.of("bn.running_var", 0, Role.RUNNING_VAR),
            Binding.of("fc1.weight", 1, Role.WEIGHT_IN))
        .build();
  }

  /** A view that the API shows only in what it makes. */
  private static Checkpoint firstOf(Checkpoint source) {
    try {
      Constructor<?> constructor =
          Class.forName("org.merganser.model.FirstOf").getDeclaredConstructor(List.class);
      constructor.setAccessible(true);
      return (Checkpoint) constructor.newInstance(List.of(source, source));
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  private static MemoryCheckpoint source(boolean stale) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc0.weight", gaussian(1, WIDTH, INPUTS));
    tensors.put("fc0.bias", gaussian(2, WIDTH));
    tensors.put("bn.weight", gaussian(3, WIDTH));
    tensors.put("bn.bias", gaussian(4, WIDTH));
    tensors.put("bn.running_mean", gaussian(5, WIDTH));
    Tensor variance = gaussian(6, WIDTH);
    for (int c = 0; c < WIDTH; c++) {
      variance.set(c, 1 + Math.abs(variance.get(c)));
    }
    tensors.put("bn.running_var", variance);
    tensors.put("bn.num_batches_tracked", Tensor.zeros(DType.I64));
    tensors.put("fc1.weight", gaussian(7, 5, WIDTH, 3));
    tensors.put("empty", Tensor.allocate(DType.F32, 0, 3));
    return MemoryCheckpoint.of(
        tensors, Map.of("format", "pt", "k", "v"), stale ? Set.of("bn.running_mean") : Set.of());
  }

  private static Tensor gaussian(long seed, long... shape) {
    float[] values = new float[(int) Tensor.size(shape)];
    double[] drawn = Oracle.gaussian(1, values.length, seed)[0];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) drawn[i];
    }
    return Tensor.of(values, shape);
  }

  @Test
  void everyViewIsHere() {
    Set<String> made = new TreeSet<>();
    views().forEach(view -> made.add(view.of().apply(source(view.stale())).getClass().getName()));
    List<JavaClass> checkpoints =
        new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .importPackages("org.merganser")
                .stream()
                .filter(c -> c.isAssignableTo(Checkpoint.class))
                .filter(c -> !c.isInterface() && !c.getModifiers().contains(JavaModifier.ABSTRACT))
                .toList();
    Set<String> all = new TreeSet<>();
    for (JavaClass each : checkpoints) {
      // Only recipes make theirs, whose tests read them.
      if (each.getPackageName().equals("org.merganser.recipe")) {
        continue;
      }
      if (OTHER_TENSORS.contains(each.getSimpleName())) {
        continue;
      }
      if (each.isAssignableTo(CheckpointView.class)) {
        all.add(each.getName());
      } else {
        assertThat(NO_VIEWS).contains(each.getSimpleName());
      }
    }
    assertThat(made).isEqualTo(all);
  }

  @ParameterizedTest
  @MethodSource("views")
  void whatIsNotComputedIsForwarded(View view) {
    MemoryCheckpoint source = source(view.stale());
    Checkpoint made = view.of().apply(source);
    assertThat(made.metadata()).isEqualTo(source.metadata());
    assertThatThrownBy(() -> made.metadata().put("a", "b"))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> made.tensors().clear())
        .isInstanceOf(UnsupportedOperationException.class);
    if (view.stale()) {
      assertThat(made.stale())
          .contains(made.tensors().containsKey("mean") ? "mean" : "bn.running_mean");
    }
    assertThat(made.tensors().keySet()).containsAll(made.stale());
    for (String name : made.tensors().keySet()) {
      assertThat(made.info(name).size() % made.block(name)).as(name).isZero();
    }
    made.close();
    source.tensor("fc0.bias").get(0);
  }

  @ParameterizedTest
  @MethodSource("views")
  void everyRangeIsThePartOfTheWhole(View view) throws IOException {
    Checkpoint made = view.of().apply(source(view.stale()));
    for (Map.Entry<String, TensorInfo> each : made.tensors().entrySet()) {
      String name = each.getKey();
      long size = each.getValue().size();
      try (Tensor whole = made.read(name, WS)) {
        byte[] expected = Models.bytes(whole);
        for (long tile : new long[] {1 + size / 3, 7 + size / 50, made.tile(name, 100)}) {
          Tensor found = Tensor.zeros(whole.dtype(), whole.shape());
          for (long from = 0; from < size; from += tile) {
            long to = Math.min(size, from + tile);
            made.readRange(name, from, to, Ranges.part(found, from, to), WS);
          }
          assertThat(Models.bytes(found)).as(name + " by " + tile).isEqualTo(expected);
        }
        if (each.getValue().rank() > 1 && size > 0) {
          long rows = each.getValue().dim(0);
          try (Tensor part = whole.rows(1, rows - 1);
              Tensor found = Tensor.allocate(whole.dtype(), part.shape())) {
            made.readRows(name, 1, rows - 1, found, WS);
            Close.bitwise(name + " rows", found, part);
          }
        }
      }
    }
  }

  /** A range of nothing may begin inside of a block. */
  @ParameterizedTest
  @MethodSource("views")
  void emptyRangesAreReadAnywhere(View view) throws IOException {
    Checkpoint made = view.of().apply(source(view.stale()));
    for (String name : made.tensors().keySet()) {
      long size = made.info(name).size();
      try (Tensor nothing = Tensor.allocate(made.info(name).dtype(), 0)) {
        for (long at = 0; at <= Math.min(5, size); at++) {
          made.readRange(name, at, at, nothing, WS);
        }
        made.readRange(name, size, size, nothing, WS);
      }
    }
  }

  /** Going through a tensor by its tiles reads no more of the source than reading it at once. */
  @ParameterizedTest
  @MethodSource("views")
  void tilesCostWhatTheyAre(View view) throws IOException {
    Counted source = new Counted(source(view.stale()));
    Checkpoint made = view.of().apply(source);
    for (Map.Entry<String, TensorInfo> each : made.tensors().entrySet()) {
      String name = each.getKey();
      long size = each.getValue().size();
      made.read(name, WS).close(); // What is computed once has been.
      long before = source.elements();
      made.read(name, WS).close();
      long whole = source.elements() - before;
      long tile = made.tile(name, 2 * INPUTS);
      int tiles = 0;
      before = source.elements();
      for (long from = 0; from < size; from += tile, tiles++) {
        long to = Math.min(size, from + tile);
        try (Tensor part = Tensor.allocate(each.getValue().dtype(), to - from)) {
          made.readRange(name, from, to, part, WS);
        }
      }
      // Scales of rows are read for each tile.
      assertThat(source.elements() - before)
          .as(name)
          .isLessThanOrEqualTo(whole + (long) tiles * 4 * WIDTH);
    }
  }

  @ParameterizedTest
  @MethodSource("views")
  void badRangesAndClosedSourcesAreRefused(View view) throws IOException {
    MemoryCheckpoint source = source(view.stale());
    Checkpoint made = view.of().apply(source);
    DType type = made.info("fc0.weight").dtype();
    for (long[] range : new long[][] {{-1, 1}, {2, 1}, {0, 1L + WIDTH * INPUTS}}) {
      Tensor into = Tensor.allocate(type, Math.abs(range[1] - range[0]));
      assertThatThrownBy(() -> made.readRange("fc0.weight", range[0], range[1], into, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("elements " + range[0] + " to " + range[1] + " of 'fc0.weight'");
    }
    Tensor short_ = Tensor.allocate(type, 3);
    assertThatThrownBy(() -> made.readRange("fc0.weight", 0, 4, short_, WS))
        .isInstanceOf(org.merganser.error.ShapeException.class)
        .hasMessageContaining("target of elements 0 to 4 of 'fc0.weight'");
    source.close();
    assertThatThrownBy(() -> made.read("fc0.weight", WS)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void replacedTensorsAreNotRead() throws IOException {
    MemoryCheckpoint source = source(true);
    Counted counted = new Counted(source);
    Map<String, Tensor> replaced = new HashMap<>();
    replaced.put("bn.running_mean", Tensor.zeros(DType.F32, WIDTH));
    Tensor large = Tensor.zeros(DType.F32, 2, 2);
    replaced.put("fc0.weight", large);
    MemoryCheckpoint copy = MemoryCheckpoint.copyOf(counted, replaced, WS);
    assertThat(copy.tensors().keySet()).containsExactlyElementsOf(source.tensors().keySet());
    assertThat(copy.tensor("fc0.weight")).isSameAs(large);
    assertThat(copy.metadata()).isEqualTo(source.metadata());
    assertThat(copy.stale()).isEmpty();
    assertThat(counted.elements()).isEqualTo(source.parameters() - (long) WIDTH * INPUTS - WIDTH);
    Tensor lost = Tensor.zeros(DType.F32, 1);
    assertThatThrownBy(() -> MemoryCheckpoint.copyOf(source, Map.of("bn.bais", lost), WS))
        .hasMessageContaining("'bn.bais'");
    assertThatThrownBy(() -> lost.get(0)).isInstanceOf(IllegalStateException.class);
  }

  /** {@code fc0}, normalised by {@code bn}, and {@code fc1}, without a forward pass. */
  private static final class Described implements Network {
    @Override
    public Architecture architecture() {
      return align(ScaledPermutation.of(Oracle.permutation(WIDTH, 3))).architecture();
    }

    @Override
    public List<AffineLayer> affineLayers() {
      return List.of(new AffineLayer("fc0", "fc0.weight", Optional.of("fc0.bias"), WIDTH));
    }

    @Override
    public List<BatchNormLayer> batchNorms() {
      return List.of(
          new BatchNormLayer(
              "bn",
              "bn.weight",
              "bn.bias",
              "bn.running_mean",
              "bn.running_var",
              Optional.of("bn.num_batches_tracked"),
              1e-5,
              WIDTH,
              Optional.of("fc0")));
    }

    @Override
    public Session open(Checkpoint theta, Workspace ws) {
      throw new UnsupportedOperationException();
    }
  }
}
