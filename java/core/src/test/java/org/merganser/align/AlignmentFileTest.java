// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Activations;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

class AlignmentFileTest {
  @TempDir Path folder;

  @Test
  void scaledPermutationsComeBack() throws IOException {
    ScaledPermutation map =
        ScaledPermutation.of(new int[] {2, 0, 1}, new double[] {0.1, -3, 1e-300});
    Path file = folder.resolve("a.mgalign");
    alignment(map).save(file, WS);
    Alignment loaded = Alignment.load(file, WS);
    assertThat(loaded.map("s")).isEqualTo(map);
    assertThat(loaded.method()).isEqualTo("by hand");
    loaded.save(folder.resolve("b.mgalign"), WS);
    assertThat(folder.resolve("b.mgalign")).hasSameBinaryContentAs(file);
  }

  /** A file of version 1, written before there was another; every kind of map there was. */
  @Test
  void filesOfVersion1AreRead() throws Exception {
    Path file = Path.of(getClass().getResource("/mgalign/version-1.mgalign").toURI());
    Alignment loaded = Alignment.load(file, WS);
    assertThat(loaded.method()).isEqualTo("by hand");
    assertThat(loaded.architecture().counters()).containsExactly("bn.num_batches_tracked");
    assertThat(loaded.map("identity")).isEqualTo(FeatureMap.identity(3));
    assertThat(loaded.map("permutation")).isEqualTo(ScaledPermutation.of(2, 0, 1));
    assertThat(loaded.map("scaled"))
        .isEqualTo(ScaledPermutation.of(new int[] {1, 2, 0}, new double[] {0.1, 3, 1e-300}));
    assertThat(loaded.map("signed"))
        .isEqualTo(ScaledPermutation.of(new int[] {1, 0, 2}, new double[] {-1, 1, -2}));
    double[][] rotation = {{0, 0.6, -0.8}, {1, 0, 0}, {0, 0.8, 0.6}};
    assertMap(loaded.map("rotation"), MapFamily.ORTHOGONAL, rotation, Oracle.transpose(rotation));
    assertMap(
        loaded.map("dense"),
        MapFamily.ANY_LINEAR,
        new double[][] {{2, 1, 0}, {0, 1, 0}, {0, 0, 0.5}},
        new double[][] {{0.5, -0.5, 0}, {0, 1, 0}, {0, 0, 2}});
    SpaceAlignment dense = loaded.spaces().get("dense");
    assertThat(dense.score()).isEqualTo(0.5 + 5 / 32.0);
    assertThat(dense.spectrum()).containsExactly(0.75, 0.5, 0.25);
    assertThat(dense.evidence()).isEqualTo(new SpaceAlignment.Evidence(105, 0.5, 0.125));
    assertThat(loaded.architecture().bindings("next.dense.weight").get(0).binding().block())
        .isEqualTo(new Binding.Block(1, 2));
  }

  private static void assertMap(
      FeatureMap map, MapFamily family, double[][] matrix, double[][] inverse) {
    assertThat(map.family()).contains(family);
    assertThat(map.toMatrix(WS).toArray()).isDeepEqualTo(matrix);
    assertThat(map.inverse().toMatrix(WS).toArray()).isDeepEqualTo(inverse);
  }

  @Test
  void laterVersionsAreRefused() throws IOException {
    Path later = folder.resolve("later.mgalign");
    try (Checkpoint read = Safetensors.open(saved())) {
      Map<String, String> metadata = new LinkedHashMap<>(read.metadata());
      assertThat(metadata).containsEntry("version", "2");
      metadata.put("version", "3");
      Safetensors.write(read, metadata, later, WS);
    }
    assertThatThrownBy(() -> Alignment.load(later, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            later
                + ": an alignment of version 3, which a later Merganser wrote; this one reads"
                + " versions 1 to 2: update it, or make the alignment again with this one");
  }

  /** Other widths, blocks with strides, families that version 1 did not have. */
  @Test
  void pairsAndBothArchitecturesComeBack() throws IOException {
    Binding.Block strided = new Binding.Block(1, 2, 5);
    Architecture model =
        Architecture.builder()
            .space("s", 3, MapFamily.MONOMIAL, new Binding("w", 0, Role.WEIGHT_OUT, strided))
            .build();
    Architecture reference =
        Architecture.builder()
            .space("s", 2, MapFamily.MONOMIAL, new Binding("w", 0, Role.WEIGHT_OUT, strided))
            .build();
    double[][] t = {{1, 2, 3}, {4, 5, 1e-300}};
    double[][] s = {{7, 8}, {9, 10}, {11, -0.0}};
    Path file = folder.resolve("pair.mgalign");
    Alignment.of("by hand", model, reference, Map.of("s", MapPair.of(Matrix.of(t), Matrix.of(s))))
        .save(file, WS);
    Alignment loaded = Alignment.load(file, WS);
    assertThat(loaded.architecture()).isEqualTo(model);
    assertThat(loaded.reference()).isEqualTo(reference);
    assertThat(array(((MapPair) loaded.map("s")).out())).isDeepEqualTo(t);
    assertThat(array(((MapPair) loaded.map("s")).in())).isDeepEqualTo(s);
    assertThat(loaded.isExact()).isFalse();
    loaded.save(folder.resolve("again.mgalign"), WS);
    assertThat(folder.resolve("again.mgalign")).hasSameBinaryContentAs(file);
  }

  @Test
  void otherWidthsNeedTheReferencesArchitectureAndCoveredAxes() {
    MapPair pair = MapPair.of(Matrix.zeros(2, 3), Matrix.zeros(3, 2));
    Architecture three = Activations.oneSpace(3, MapFamily.PERMUTATION);
    assertThatThrownBy(() -> Alignment.of("x", three, Map.of("s", pair)))
        .hasMessage(
            "maps do not fit the architecture:\n  space 's' has width 3 in the reference, its map"
                + " leads to 2; give the reference's architecture too");
    Architecture part =
        Architecture.builder()
            .space(
                "s",
                3,
                MapFamily.PERMUTATION,
                new Binding("w", 0, Role.BIAS, new Binding.Block(1, 1)))
            .build();
    Architecture target =
        Architecture.builder()
            .space(
                "s",
                2,
                MapFamily.PERMUTATION,
                new Binding("w", 0, Role.BIAS, new Binding.Block(1, 1)))
            .build();
    Checkpoint model = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 7)));
    Alignment alignment = Alignment.of("x", part, target, Map.of("s", pair));
    assertThatThrownBy(() -> alignment.apply(model))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "the model cannot take the reference's widths:\n  'w' F32 [7] axis 0: spaces cover 3 of"
                + " 7 entries; bind the others too (to a space of family fixed)");
  }

  @ParameterizedTest
  @ValueSource(strings = {"method", "architecture", "s/family", "s/score", "s/completion"})
  void missingEntriesAreNamed(String key) throws IOException {
    Path file = saved();
    Path broken = folder.resolve("broken.mgalign");
    try (Checkpoint read = Safetensors.open(file)) {
      Map<String, String> metadata = new LinkedHashMap<>(read.metadata());
      metadata.remove(key);
      Safetensors.write(read, metadata, broken, WS);
    }
    assertThatThrownBy(() -> Alignment.load(broken, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(broken + ": metadata lacks '" + key + "'");
  }

  @Test
  void damagedValuesAreRefused() throws IOException {
    Path broken = folder.resolve("broken.mgalign");
    try (Checkpoint read = Safetensors.open(saved())) {
      for (String[] change :
          new String[][] {{"s/score", "high"}, {"s/completion", "SOME"}, {"version", "0"}}) {
        Map<String, String> metadata = new LinkedHashMap<>(read.metadata());
        metadata.put(change[0], change[1]);
        Safetensors.write(read, metadata, broken, WS);
        assertThatThrownBy(() -> Alignment.load(broken, WS))
            .isInstanceOf(FormatException.class)
            .hasMessageStartingWith(broken + ": ");
      }
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : read.tensors().keySet()) {
        tensors.put(name, read.read(name, WS));
      }
      tensors.get("s/permutation").memory().putLong(0, 1);
      Safetensors.write(MemoryCheckpoint.of(tensors), read.metadata(), broken, WS);
      assertThatThrownBy(() -> Alignment.load(broken, WS))
          .isInstanceOf(FormatException.class)
          .hasMessage(
              broken + ": no permutation: entry 2 is 1, which is out of 0..2 or taken before");
      tensors.get("s/permutation").memory().putLong(0, 1L << 40);
      Safetensors.write(MemoryCheckpoint.of(tensors), read.metadata(), broken, WS);
      assertThatThrownBy(() -> Alignment.load(broken, WS))
          .isInstanceOf(FormatException.class)
          .hasMessage(broken + ": no permutation: entry 0 is 1099511627776 of 3");
    }
  }

  /** A space whose map has another name would be left as it is, and nobody would see it. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "s/permutation; s/permutaton; tensor 's/permutaton' is no part of a map of Architecture[s]",
        "s/scales; t/scales; missing tensor"
      })
  void misspeltTensorsAreRefused(String name, String other, String said) throws IOException {
    Path broken = folder.resolve("broken.mgalign");
    try (Checkpoint read = Safetensors.open(saved())) {
      Safetensors.write(read.renamed(Map.of(name, other)), read.metadata(), broken, WS);
    }
    assertThatThrownBy(() -> Alignment.load(broken, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(broken + ": " + said);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "s/samplez| 9| metadata 's/samplez' is none of a space of Architecture[s]",
        "t/score| 9| metadata 't/score' is none of a space of Architecture[s]",
        "s/score| high| metadata 's/score' is 'high'; it must be a number",
        "s/family| FIXD| metadata 's/family' is 'FIXD'; it must be one of [FIXED, PERMUTATION,"
            + " SIGNED_PERMUTATION, SCALED_PERMUTATION, MONOMIAL, CENTRED_ORTHOGONAL, ORTHOGONAL,"
            + " ANY_LINEAR]",
        "s/samples| -1| metadata 's/samples' is '-1'; it must be a number of samples",
        "version| 0| no alignment (format mgalign, version '0'); one is made by 'align'",
        "s/family| PAIR| space 's' has a map of family PAIR, its tensors are Permutation[2, 0, 1]"
      })
  void metadataMustBeOfTheMaps(String key, String value, String said) throws IOException {
    Path broken = folder.resolve("broken.mgalign");
    try (Checkpoint read = Safetensors.open(saved())) {
      Map<String, String> metadata = new LinkedHashMap<>(read.metadata());
      metadata.put(key, value);
      Safetensors.write(read, metadata, broken, WS);
    }
    assertThatThrownBy(() -> Alignment.load(broken, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(broken + ": " + said);
  }

  @Test
  void mapsThatAreNotFiniteAreRefused() throws IOException {
    Path file = folder.resolve("a.mgalign");
    Matrix inverse = Matrix.identity(3);
    inverse.set(1, 2, Double.NaN);
    alignment(LinearMap.of(Matrix.identity(3), inverse)).save(file, WS);
    assertThatThrownBy(() -> Alignment.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file + ": 's/inverse' F64 [3, 3] holds 1 non-finite values, the first at index 5");
  }

  /** What is mapped would lie where the reference has nothing. */
  @Test
  void referencesMustHaveRoomForWhatIsResized() {
    Architecture model = architecture(3, new Binding.Block(0, 1), 2, new Binding.Block(0, 1));
    MapPair pair = MapPair.of(Matrix.zeros(2, 3), Matrix.zeros(3, 2));
    Map<String, FeatureMap> maps = Map.of("s", pair, "fixed", FeatureMap.identity(2));
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("w", Tensor.zeros(DType.F32, 3));
    tensors.put("v", Tensor.zeros(DType.F32, 2));
    Checkpoint checkpoint = MemoryCheckpoint.of(tensors);
    Alignment beyond =
        Alignment.of(
            "x", model, architecture(2, new Binding.Block(1, 1), 2, new Binding.Block(0, 1)), maps);
    assertThatThrownBy(() -> beyond.apply(checkpoint))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "what the maps lead to does not fit the architecture:\n"
                + "  space 's': 'w' F32 [2] axis 0: size 2, the space needs 3");
    assertThatThrownBy(
            () ->
                Alignment.of(
                    "x",
                    model,
                    architecture(2, new Binding.Block(0, 1), 2, new Binding.Block(1, 1)),
                    maps))
        .hasMessageContaining("space 'fixed': 'v' axis 0 keeps its size, but ");
  }

  private static Architecture architecture(
      long width, Binding.Block block, long fixed, Binding.Block other) {
    return Architecture.builder()
        .space("s", width, MapFamily.PERMUTATION, new Binding("w", 0, Role.BIAS, block))
        .space("fixed", fixed, MapFamily.FIXED, new Binding("v", 0, Role.BIAS, other))
        .build();
  }

  @Test
  void anyOtherSafetensorsFileIsRefused() throws IOException {
    Path file = folder.resolve("model.safetensors");
    Safetensors.write(MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 1))), file, WS);
    assertThatThrownBy(() -> Alignment.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": no alignment (format pt); one is made by 'align'");
  }

  @Test
  void mapsMustFitTheArchitecture() {
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    maps.put("t", FeatureMap.identity(3));
    assertThatThrownBy(
            () -> Alignment.of("x", Activations.oneSpace(3, MapFamily.PERMUTATION), maps))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class,
            e ->
                assertThat(e.problems())
                    .containsExactly("space 's' has no map", "there is no space 't'"));
    assertThatThrownBy(
            () ->
                Alignment.of(
                    "x",
                    Activations.oneSpace(3, MapFamily.PERMUTATION),
                    Map.of("s", FeatureMap.identity(4))))
        .hasMessage("maps do not fit the architecture:\n  space 's' has width 3, its map 4");
  }

  @Test
  void applyingToAnotherModelReportsEverything() {
    Checkpoint model = MemoryCheckpoint.of(Map.of("in.weight", Tensor.zeros(DType.F32, 4, 2)));
    assertThatThrownBy(() -> alignment(ScaledPermutation.of(0, 1, 2)).apply(model))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage(
            "the model does not fit the architecture:\n"
                + "  space 's': 'in.weight' F32 [4, 2] axis 0: size 4, the space needs 3\n"
                + "  no tensor 'out.weight' (nearest of 1: in.weight)");
  }

  @Test
  void aViewPassesThroughWhatItDoesNotMap() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("in.weight", Tensor.of(new float[] {1, 2, 3}, 3, 1));
    tensors.put("out.weight", Tensor.of(new float[] {4, 5, 6}, 1, 3));
    tensors.put("steps", Tensor.zeros(DType.I64));
    MemoryCheckpoint model = MemoryCheckpoint.of(tensors);
    Checkpoint mapped = alignment(ScaledPermutation.of(2, 0, 1)).apply(model);
    assertThat(mapped.tensors()).isEqualTo(model.tensors());
    assertThat(mapped.read("in.weight", WS).toFloatArray()).containsExactly(3, 1, 2);
    assertThat(mapped.read("out.weight", WS).toFloatArray()).containsExactly(6, 4, 5);
    assertThat(mapped.read("steps", WS).dtype()).isEqualTo(DType.I64);
    Models.assertSameBits("identity", alignment(FeatureMap.identity(3)).apply(model), model, WS);
    model.close();
    assertThatThrownBy(() -> mapped.read("in.weight", WS))
        .isInstanceOf(IllegalStateException.class);
  }

  private Path saved() throws IOException {
    Path file = folder.resolve("a.mgalign");
    alignment(ScaledPermutation.of(2, 0, 1)).save(file, WS);
    return file;
  }

  private static Alignment alignment(FeatureMap map) {
    return Alignment.of(
        "by hand", Activations.oneSpace(3, MapFamily.PERMUTATION), Map.of("s", map));
  }

  @Test
  void alignmentSetsAreByModel() {
    Alignment one = alignment(FeatureMap.identity(3));
    AlignmentSet set = new AlignmentSet(List.of(one, one));
    assertThat(set.of(1)).isSameAs(one);
    assertThat(set.size()).isEqualTo(2);
  }
}
