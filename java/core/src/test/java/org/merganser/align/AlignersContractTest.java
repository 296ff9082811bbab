// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.align.Aligner.Trait;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

/** What every aligner of the catalogue promises; a new one is tested by its line there. */
class AlignersContractTest {
  private static final JavaNetwork NETWORK = JavaNetwork.mlp(Activation.RELU, 8, 40, 33, 5);
  private static final double[][] INPUTS = Oracle.gaussian(700, 8, 42);

  @TempDir Path folder;

  static Stream<String> aligners() {
    return Catalogue.aligners().variants().stream();
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void idIsTheOneOfTheCatalogue(String id) {
    assertThat(id.split(":")[0]).isEqualTo(Catalogue.aligner(id).id());
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void itAsksForMomentsWhenItNeedsData(String id) {
    Aligner aligner = Catalogue.aligner(id);
    assertThat(!aligner.request(NETWORK.architecture()).equals(StatisticsRequest.NONE))
        .isEqualTo(aligner.traits().contains(Trait.NEEDS_DATA));
  }

  /** What it undoes, whether units matter and equal models stay: what is declared, and no more. */
  @ParameterizedTest
  @MethodSource("aligners")
  void itsTraitsAreThoseOfItsMaps(String id) {
    AlignerTraits.check(Catalogue.aligner(id));
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void aModelAlignedToItselfStaysAsItIs(String id) throws IOException {
    MemoryCheckpoint a = NETWORK.random(DType.F64, 1, WS);
    AlignmentSet found = align(id, List.of(a, a), WS);
    Models.assertSameBits(id + " of the reference", found.of(0).apply(a), a, WS);
    if (!has(id, Trait.KEEPS_EQUAL_MODELS)) {
      return;
    }
    if (isPlain(found.of(1))) {
      Models.assertSameBits(id, found.of(1).apply(a), a, WS);
    } else {
      Models.assertClose(id, found.of(1).apply(a), a, 1e-9, WS);
    }
  }

  /** However its features are ordered, the aligned model is the same; equal ones meet. */
  @ParameterizedTest
  @MethodSource("aligners")
  void aPlantedPermutationIsUndone(String id) throws IOException {
    if (!has(id, Trait.UNDOES_PERMUTATIONS)) {
      return;
    }
    MemoryCheckpoint a = lively(2);
    Map<String, int[]> orders = Models.orders(NETWORK.architecture(), 3);
    for (MemoryCheckpoint model : List.of(a, lively(1009))) {
      MemoryCheckpoint b = Models.permute(model, NETWORK.architecture(), orders, WS);
      Alignment found = align(id, List.of(a, b), WS).of(1);
      Alignment inOrder = align(id, List.of(a, model), WS).of(1);
      if (isPlain(found)) {
        Models.assertSameBits(id, found.apply(b), inOrder.apply(model), WS);
      } else {
        Models.assertClose(id, found.apply(b), inOrder.apply(model), 1e-9, WS);
      }
      if (model == a) {
        assertFits(id, found, orders);
      }
    }
  }

  /** Without features that never vary: which of them goes where, nothing says. */
  private static MemoryCheckpoint lively(long from) throws IOException {
    for (long seed = from; seed < from + 1000; seed++) {
      MemoryCheckpoint model = NETWORK.random(DType.F64, seed, WS);
      boolean dead = false;
      for (FeatureSpace space : NETWORK.architecture().spaces()) {
        double[][] x = NETWORK.activations(model, space.id(), INPUTS, WS);
        for (boolean each : Activations.moments(Precision.F64, WS, x).dead(0)) {
          dead |= each;
        }
      }
      if (!dead) {
        return model;
      }
    }
    throw new AssertionError("every random model has features that never vary");
  }

  private static void assertFits(String id, Alignment found, Map<String, int[]> orders) {
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      double score = found.spaces().get(space.id()).score();
      assertThat(score).as("score of a perfect fit").isGreaterThan(0.1).isLessThan(1 + 1e-9);
      if (has(id, Trait.KEEPS_EQUAL_MODELS)) {
        Close.absolute(
            id + " " + space.id(),
            found.map(space.id()).toMatrix(WS),
            ScaledPermutation.of(Oracle.invert(orders.get(space.id()))).toMatrix(WS).toArray(),
            1e-9);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void severalModelsAreEachAlignedToTheFirst(String id) throws IOException {
    MemoryCheckpoint a = NETWORK.random(DType.F64, 4, WS);
    MemoryCheckpoint b = NETWORK.random(DType.F64, 5, WS);
    MemoryCheckpoint c = NETWORK.random(DType.F64, 6, WS);
    AlignmentSet three = align(id, List.of(a, b, c), WS);
    AlignmentSet two = align(id, List.of(a, c), WS);
    assertThat(three.size()).isEqualTo(3);
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      assertThat(three.of(0).map(space.id())).isEqualTo(FeatureMap.identity(space.width()));
      Close.relative(
          "map of the last",
          three.of(2).map(space.id()).toMatrix(WS),
          two.of(1).map(space.id()).toMatrix(WS).toArray(),
          1e-12);
    }
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void theInverseUndoesTheMapOrThereIsNone(String id) throws IOException {
    Alignment found = align(id, differentModels(), WS).of(1);
    Verification verification = found.verify(WS);
    assertThat(verification.outputChange()).isEmpty();
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      FeatureMap map = found.map(space.id());
      assertThat(map.isInvertible()).isEqualTo(has(id, Trait.INVERTIBLE));
      assertThat(map instanceof IdentityMap || map instanceof ScaledPermutation)
          .isEqualTo(has(id, Trait.ONE_TO_ONE));
      if (map.isInvertible()) {
        assertUndone(map, (int) space.width());
        assertThat(verification.spaces().get(space.id()).residual()).isLessThan(1e-9);
      } else {
        assertThat(map.family()).isEmpty();
        assertThatThrownBy(map::inverse).hasMessageContaining("a pair of maps has no inverse");
      }
    }
    if (!has(id, Trait.INVERTIBLE)) {
      assertThat(found.isExact()).isFalse();
      assertThatThrownBy(found::inverse)
          .isInstanceOf(NumericalException.class)
          .hasMessage(
              "the alignment by "
                  + Catalogue.aligner(id).text()
                  + " has no inverse: the maps of spaces [fc0, fc1] are pairs; take it the other"
                  + " way round (otherWay), or align the models so");
    }
  }

  private static void assertUndone(FeatureMap map, int width) {
    Close.absolute(
        "T T^-1",
        Oracle.multiply(map.toMatrix(WS).toArray(), map.inverse().toMatrix(WS).toArray()),
        Oracle.identity(width),
        1e-9);
    Close.absolute(
        "T then T^-1", map.then(map.inverse(), WS).toMatrix(WS), Oracle.identity(width), 1e-9);
  }

  /** A map is called exact where the network, measured, computes what it did. */
  @ParameterizedTest
  @MethodSource("aligners")
  void whatIsCalledExactKeepsTheOutputs(String id) throws IOException {
    for (Activation activation : Activation.values()) {
      JavaNetwork network = JavaNetwork.mlp(activation, 8, 30, 20, 5);
      List<MemoryCheckpoint> models =
          List.of(network.random(DType.F64, 21, WS), network.random(DType.F64, 22, WS));
      Aligner aligner = Catalogue.aligner(id);
      Moments moments =
          network.moments(models, INPUTS, aligner.request(network.architecture()), WS);
      Alignment found =
          aligner.align(AlignmentProblem.of(network.architecture(), moments), WS).of(1);
      double change =
          found
              .verify(network, models.get(1), JavaNetwork.inputs(INPUTS, 100), WS)
              .outputChange()
              .orElseThrow();
      // Regularised, the condition of a map of linear activations is near 1e6.
      assertThat(change < 1e-6).as("%s, %s: %s", id, activation, change).isEqualTo(found.isExact());
    }
  }

  /** Models of other widths are mapped into the reference's shapes, or refused by name. */
  @ParameterizedTest
  @MethodSource("aligners")
  void otherWidthsAreTakenOrRefused(String id) throws IOException {
    JavaNetwork narrow = JavaNetwork.mlp(Activation.RELU, 8, 25, 17, 5);
    MemoryCheckpoint a = NETWORK.random(DType.F32, 1, WS);
    MemoryCheckpoint b = narrow.random(DType.F32, 2, WS);
    Map<String, SpaceMoments> moments = new LinkedHashMap<>();
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      double[][] x = NETWORK.activations(a, space.id(), INPUTS, WS);
      double[][] y = narrow.activations(b, space.id(), INPUTS, WS);
      moments.put(space.id(), Activations.moments(Precision.F64, WS, x, y));
    }
    AlignmentProblem problem =
        AlignmentProblem.of(
            List.of(NETWORK.architecture(), narrow.architecture()), Moments.of(moments));
    Aligner aligner = Catalogue.aligner(id);
    if (!has(id, Trait.ANY_WIDTHS)) {
      assertThatThrownBy(() -> aligner.align(problem, WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessage(
              "method '"
                  + Catalogue.aligner(id).id()
                  + "' aligns models of equal widths only:\n"
                  + "  space 'fc0', model 1: 25 features, the reference has 40\n"
                  + "  space 'fc1', model 1: 17 features, the reference has 33");
      return;
    }
    Alignment found = aligner.align(problem, WS).of(1);
    Checkpoint mapped = found.apply(b);
    assertThat(mapped.tensors()).isEqualTo(a.tensors());
    NETWORK.architecture().require("the mapped model", mapped);
    for (double[] output : NETWORK.outputs(mapped, INPUTS, WS)) {
      assertThat(output).doesNotContain(Double.NaN);
    }
    Path file = folder.resolve("resized.mgalign");
    found.save(file, WS);
    Alignment loaded = Alignment.load(file, WS);
    assertThat(loaded.reference()).isEqualTo(NETWORK.architecture());
    Models.assertSameBits(id, loaded.apply(b), mapped, WS);
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void theResultDoesNotDependOnThreads(String id) throws IOException {
    JavaNetwork wide = JavaNetwork.mlp(Activation.RELU, 8, 150, 70, 5);
    List<MemoryCheckpoint> models = models(wide, 7);
    double[][] inputs = Oracle.gaussian(600, 8, 8);
    Set<String> seen = new java.util.HashSet<>();
    for (int threads : new int[] {1, 8}) {
      try (Workspace ws = Workspace.builder().threads(threads).open()) {
        StringBuilder digest = new StringBuilder();
        for (Precision precision : Precision.values()) {
          Moments.Options options = new Moments.Options(precision, NonFinite.FAIL, 1L << 30);
          try (Moments moments =
              Moments.collect(
                  wide,
                  models,
                  JavaNetwork.inputs(inputs, 200),
                  Catalogue.aligner(id).request(wide.architecture()),
                  options,
                  ws)) {
            Path stats = folder.resolve(precision + ".mgstats");
            moments.save(stats, ws);
            Alignment found =
                Catalogue.aligner(id)
                    .align(AlignmentProblem.of(wide.architecture(), moments), ws)
                    .of(1);
            Path map = folder.resolve(precision + ".mgalign");
            found.save(map, ws);
            Path mapped = folder.resolve(precision + ".safetensors");
            Safetensors.write(found.apply(models.get(1)), mapped, ws);
            for (Path file : List.of(stats, map, mapped)) {
              digest.append(java.util.Arrays.hashCode(Files.readAllBytes(file))).append(' ');
            }
          }
        }
        seen.add(digest.toString());
      }
    }
    assertThat(seen).as("files written with 1 and 8 threads").hasSize(1);
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void inputsAreNotChanged(String id) throws IOException {
    List<MemoryCheckpoint> models = differentModels();
    MemoryCheckpoint copy = MemoryCheckpoint.copyOf(models.get(1), WS);
    Moments moments = NETWORK.moments(models, INPUTS, Activations.ALL, WS);
    moments.save(folder.resolve("before"), WS);
    Alignment found =
        Catalogue.aligner(id).align(AlignmentProblem.of(NETWORK.architecture(), moments), WS).of(1);
    MemoryCheckpoint.copyOf(found.apply(models.get(1)), WS).close();
    Models.assertSameBits("model", models.get(1), copy, WS);
    moments.save(folder.resolve("after"), WS);
    assertThat(folder.resolve("after")).hasSameBinaryContentAs(folder.resolve("before"));
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void savedAlignmentsComeBackAndAreWrittenTheSameAgain(String id) throws IOException {
    List<MemoryCheckpoint> models = differentModels();
    Alignment found = align(id, models, WS).of(1);
    Path first = folder.resolve("first.mgalign");
    Path second = folder.resolve("second.mgalign");
    found.save(first, WS);
    Alignment loaded = Alignment.load(first, WS);
    loaded.save(second, WS);
    assertThat(second).hasSameBinaryContentAs(first);
    assertThat(loaded.method()).isEqualTo(found.method());
    assertThat(loaded.architecture()).isEqualTo(found.architecture());
    assertThat(loaded.isExact()).isEqualTo(found.isExact());
    Models.assertSameBits("model", loaded.apply(models.get(1)), found.apply(models.get(1)), WS);
    found
        .spaces()
        .forEach(
            (space, alignment) -> {
              SpaceAlignment other = loaded.spaces().get(space);
              // Boxed: the score of the identity is NaN, which must come back too.
              assertThat(other.score()).isEqualTo(Double.valueOf(alignment.score()));
              assertThat(other.spectrum()).isEqualTo(alignment.spectrum());
              assertThat(other.completion()).isEqualTo(alignment.completion());
              assertThat(other.map().getClass()).isEqualTo(alignment.map().getClass());
              assertThat(other.map().family()).isEqualTo(alignment.map().family());
            });
  }

  /** What the network may not change stays, whatever the method would like. */
  @ParameterizedTest
  @MethodSource("aligners")
  void fixedSpacesAreLeftAlone(String id) {
    double[][] x = Oracle.gaussian(60, 4, 1);
    double[][] y = Oracle.columns(x, new int[] {1, 2, 3, 0});
    SpaceMoments moments = Activations.moments(Precision.F64, WS, x, y);
    AlignmentProblem problem =
        AlignmentProblem.of(Activations.oneSpace(4, MapFamily.FIXED), Activations.of(moments));
    assertThat(Catalogue.aligner(id).align(problem, WS).of(1).map("s"))
        .isEqualTo(FeatureMap.identity(4));
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void oneModelAloneKeepsItsFeatures(String id) throws IOException {
    AlignmentSet found = align(id, List.of(NETWORK.random(DType.F32, 1, WS)), WS);
    assertThat(found.size()).isEqualTo(1);
    assertThat(found.of(0).isExact()).isTrue();
  }

  private static boolean has(String id, Trait trait) {
    return Catalogue.aligner(id).traits().contains(trait);
  }

  private static AlignmentSet align(String id, List<MemoryCheckpoint> models, Workspace ws)
      throws IOException {
    Aligner aligner = Catalogue.aligner(id);
    Moments moments = NETWORK.moments(models, INPUTS, aligner.request(NETWORK.architecture()), ws);
    return aligner.align(AlignmentProblem.of(NETWORK.architecture(), moments), ws);
  }

  private static List<MemoryCheckpoint> differentModels() {
    return models(NETWORK, 11);
  }

  private static List<MemoryCheckpoint> models(JavaNetwork network, long seed) {
    List<MemoryCheckpoint> models = new ArrayList<>();
    models.add(network.random(DType.F32, seed, WS));
    models.add(network.random(DType.F32, seed + 1, WS));
    return models;
  }

  /** Whether the map moves bits and does nothing else. */
  private static boolean isPlain(Alignment alignment) {
    return alignment.spaces().values().stream()
        .allMatch(s -> s.map().family().filter(MapFamily.PERMUTATION::contains).isPresent());
  }
}
