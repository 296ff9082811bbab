// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
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
    return Catalogue.aligners().ids().stream();
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void idIsTheOneOfTheCatalogue(String id) {
    assertThat(Catalogue.aligner(id).id()).isEqualTo(id);
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void aModelAlignedToItselfStaysAsItIs(String id) throws IOException {
    MemoryCheckpoint a = NETWORK.random(DType.F64, 1, WS);
    AlignmentSet found = align(id, List.of(a, a), WS);
    for (int model = 0; model < 2; model++) {
      Checkpoint mapped = found.of(model).apply(a);
      if (isOneToOne(found.of(model))) {
        Models.assertSameBits(id + " of model " + model, mapped, a, WS);
      } else {
        Models.assertClose(id + " of model " + model, mapped, a, 1e-9, WS);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void aPlantedPermutationIsFound(String id) throws IOException {
    if (id.equals("identity")) {
      return; // It looks for nothing; the test above covers it.
    }
    MemoryCheckpoint a = NETWORK.random(DType.F64, 2, WS);
    Map<String, int[]> orders = Models.orders(NETWORK.architecture(), 3);
    MemoryCheckpoint b = Models.permute(a, NETWORK.architecture(), orders, WS);
    Alignment found = align(id, List.of(a, b), WS).of(1);
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      int[] expected = Oracle.invert(orders.get(space.id()));
      Close.absolute(
          id + " " + space.id(),
          found.map(space.id()).toMatrix(WS),
          ScaledPermutation.of(expected).toMatrix(WS).toArray(),
          1e-9);
      double fit = found.spaces().get(space.id()).score();
      assertThat(fit).as("score").isGreaterThan(id.equals("cca") ? 0.1 : 0.2).isLessThan(1 + 1e-9);
    }
    if (isOneToOne(found)) {
      Models.assertSameBits(id, found.apply(b), a, WS);
    } else {
      Models.assertClose(id, found.apply(b), a, 1e-9, WS);
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
  void theInverseUndoesTheMap(String id) throws IOException {
    Alignment found = align(id, differentModels(), WS).of(1);
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      FeatureMap map = found.map(space.id());
      Close.absolute(
          "T T^-1",
          Oracle.multiply(map.toMatrix(WS).toArray(), map.inverse().toMatrix(WS).toArray()),
          Oracle.identity((int) space.width()),
          1e-9);
      Close.absolute(
          "T then T^-1",
          map.then(map.inverse(), WS).toMatrix(WS),
          Oracle.identity((int) space.width()),
          1e-9);
    }
    Verification verification = found.verify(WS);
    assertThat(verification.residual()).isLessThan(1e-9);
    assertThat(verification.outputChange()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("aligners")
  void theResultDoesNotDependOnThreads(String id) throws IOException {
    JavaNetwork wide = JavaNetwork.mlp(Activation.RELU, 8, 150, 70, 5);
    List<MemoryCheckpoint> models = models(wide, 7);
    double[][] inputs = Oracle.gaussian(600, 8, 8);
    Set<String> seen = new java.util.HashSet<>();
    for (int threads : new int[] {1, 2, 8}) {
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
    assertThat(seen).as("files written with 1, 2 and 8 threads").hasSize(1);
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

  /** Gamma of the catalogue's CCA is relative, so nothing depends on the unit of activations. */
  @ParameterizedTest
  @MethodSource("aligners")
  void theScaleOfAllActivationsDoesNotMatter(String id) {
    double[][] x = Oracle.relu(Oracle.gaussian(300, 12, 1));
    double[][] y = Oracle.relu(Oracle.multiply(x, Oracle.mixing(12, 2)));
    double[][] expected = map(id, x, y).toMatrix(WS).toArray();
    for (double scale : new double[] {1e-6, 0.37, 1e5}) {
      double[][] found =
          map(id, Oracle.scale(x, scale), Oracle.scale(y, scale)).toMatrix(WS).toArray();
      Close.absolute(id + " at scale " + scale, found, expected, 1e-9);
    }
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

  private static FeatureMap map(String id, double[][] x, double[][] y) {
    SpaceMoments moments = Activations.moments(Precision.F64, WS, x, y);
    AlignmentProblem problem =
        AlignmentProblem.of(
            Activations.oneSpace(x[0].length, MapFamily.PERMUTATION), Activations.of(moments));
    return Catalogue.aligner(id).align(problem, WS).of(1).map("s");
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

  private static boolean isOneToOne(Alignment alignment) {
    return alignment.spaces().values().stream().noneMatch(s -> s.map() instanceof LinearMap);
  }
}
