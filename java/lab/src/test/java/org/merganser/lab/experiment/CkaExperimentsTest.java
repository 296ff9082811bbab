// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.lab.report.Json;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.LinearCka;

/** The three experiments about CKA, small. */
class CkaExperimentsTest {
  private static final Map<String, String> SMALL =
      Map.of("data", "blobs", "train", "1000", "epochs", "8", "seeds", "2");

  private static Experiment experiment(String id, Map<String, String> more) {
    Map<String, String> given = new TreeMap<>(SMALL);
    given.putAll(more);
    return Experiments.all().stream()
        .filter(kind -> kind.id().equals(id))
        .findFirst()
        .orElseThrow()
        .with(given);
  }

  private static ExperimentResult run(String id, Map<String, String> more) throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      return experiment(id, more).run(ws);
    }
  }

  /** Rows of a section as {@code results.json} has them. */
  private static List<?> rows(ExperimentResult result, String section) {
    return Json.convert(result.section(section), List.class);
  }

  private static double number(Object row, String... path) {
    Object at = row;
    for (String name : path) {
      at = ((Map<?, ?>) at).get(name);
    }
    return ((Number) at).doubleValue();
  }

  @Test
  void sensitivityFollowsItsFormulas() throws IOException {
    ExperimentResult result =
        run(
            CkaSensitivityExperiment.ID,
            Map.of(
                "cube-samples", "400",
                "features", "60",
                "map-features", "60",
                "few-samples", "200",
                "images", "500"));
    List<?> cubes = rows(result, "cubes");
    double last = 1;
    for (Object row : cubes) {
      assertThat(number(row, "cka", "mean")).isLessThan(last);
      last = number(row, "cka", "mean");
    }
    Object far = cubes.get(cubes.size() - 1);
    assertThat(last).isCloseTo(number(far, "expected"), within(0.02));
    // A small bandwidth sees nothing, one that grows sees who was moved only.
    assertThat(number(rows(result, "rbf").get(2), "cka", "mean")).isGreaterThan(0.9);
    List<?> maps = rows(result, "invertible");
    assertThat(number(maps.get(0), "cka", "mean")).isGreaterThan(0.5);
    assertThat(number(maps.get(maps.size() - 1), "cka", "mean")).isLessThan(0.3);
    List<?> outlier = rows(result, "outlier");
    assertThat(number(outlier.get(0), "cka", "mean")).isGreaterThan(0.99);
    assertThat(number(outlier.get(outlier.size() - 1), "cka", "mean")).isLessThan(0.1);
    assertThat(number(rows(result, "closedForm").get(0), "mean")).isLessThan(1e-9);

    Map<String, Object> behaviour = merged(rows(result, "behaviour"));
    assertThat(number(behaviour, "accuracy after", "mean"))
        .isEqualTo(number(behaviour, "accuracy before", "mean"))
        .isGreaterThan(0.5);
    assertThat(number(behaviour, "largest change of a logit", "mean")).isLessThan(1e-9);
    assertThat(number(behaviour, "closed form less direct value", "mean")).isLessThan(1e-9);
    List<?> classes = rows(result, "classes");
    assertThat(number(classes.get(classes.size() - 1), "cka", "mean")).isLessThan(0.3);
  }

  /** Maps of one entry each as one map. */
  private static Map<String, Object> merged(List<?> rows) {
    Map<String, Object> all = new TreeMap<>();
    rows.forEach(row -> ((Map<?, ?>) row).forEach((key, value) -> all.put(key.toString(), value)));
    return all;
  }

  @Test
  void productsOfFeaturesGiveWhatTheSamplesGive() {
    Cubes cubes = new Cubes(60, 7, 3);
    LinearCka cka = LinearCka.biased();
    try (Workspace ws = Workspace.builder().threads(1).open();
        Matrix x = cubes.draw();
        FeatureProducts products = new FeatureProducts(x, ws);
        Matrix map = cubes.map(0.3);
        Matrix mapped = LinAlg.multiply(x, map, ws)) {
      for (double c : new double[] {-2, 0.5, 30}) {
        try (Matrix y = Cubes.moved(x, cubes.second(), cubes.direction(), c)) {
          assertThat(products.moved(cubes.second(), cubes.direction(), c))
              .isCloseTo(cka.between(x, y, ws).value(), within(1e-12));
        }
      }
      assertThat(products.mapped(map, ws))
          .isCloseTo(cka.between(x, mapped, ws).value(), within(1e-12));
    }
  }

  @Test
  void earlyLayersAreComparedWithThreeNetworks() throws IOException {
    ExperimentResult result =
        run(
            CkaEarlyLayersExperiment.ID,
            Map.of("layers", "3", "hidden", "32", "memorise-epochs", "40"));
    List<?> layers = rows(result, "layers");
    assertThat(layers).hasSize(3);
    for (String other : List.of("trained", "memorised", "untrained")) {
      assertThat(number(layers.get(0), "cka", other, "mean")).isBetween(-0.1, 1.0);
    }
    // Towards the output trained networks agree, others do not.
    Object last = layers.get(2);
    assertThat(number(last, "cka", "trained", "mean"))
        .isGreaterThan(number(last, "cka", "memorised", "mean") + 0.2)
        .isGreaterThan(number(last, "cka", "untrained", "mean") + 0.2);
    assertThat(number(layers.get(0), "cka", "untrained", "mean"))
        .isGreaterThan(number(last, "cka", "untrained", "mean"));
    assertThat(result.row("memorised").accuracy()).isLessThan(0.3);
    assertThat(number(rows(result, "memorised").get(0), "training", "mean")).isGreaterThan(0.3);
    assertThat(result.row("untrained").accuracy()).isLessThan(0.3);
    assertThat(result.row("base").accuracy()).isGreaterThan(0.6);
  }

  /** A network that is not trained is no start of a model that it is compared with. */
  @Test
  void untrainedNetworksHaveSeedsOfTheirOwn() {
    ExperimentOptions options = ExperimentOptions.defaults();
    for (int index = 0; index < 50; index++) {
      long group = options.seed() + index;
      Pair pair = new Pair(index, options, null, null, null, null, null, null, null);
      assertThat(pair.seed()).isEqualTo(group);
      assertThat(Math.abs(pair.untrainedSeed())).isGreaterThan(1L << 32);
    }
  }

  @Test
  void mapsMoveToTheirTargets(@TempDir Path out) throws IOException {
    Map<String, String> settings =
        Map.of(
            "layers", "8",
            "hidden", "24",
            "map-epochs", "8",
            "targets", "ones:tree:far-pair:other:untrained:identity",
            "out", out.toString());
    Experiment experiment = experiment(CkaMapExperiment.ID, settings);
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      ExperimentResult result = experiment.run(ws);
      experiment.write(result);
      List<?> maps = rows(result, "maps");
      assertThat(maps).hasSize(6);
      for (Object row : maps) {
        Object target = ((Map<?, ?>) row).get("target");
        assertThat(number(row, "errorAfter", "mean"))
            .as("%s", target)
            .isLessThan(number(row, "errorBefore", "mean") + 0.03);
        assertThat(number(row, "agreement", "mean")).isBetween(0.3, 1.0);
      }
      assertThat(number(maps.get(0), "errorAfter", "mean"))
          .isLessThan(0.6 * number(maps.get(0), "errorBefore", "mean"));
      assertThat(result.difference("ones", "teacher").mean()).isBetween(-0.3, 0.1);
      // A picture is there, and a second run, of the first target alone, finds the same.
      assertThat(Files.size(out.resolve("map-ones.png"))).isGreaterThan(1000);
      assertThat(
              Json.convert(Json.read(out.resolve("results.json"), Object.class), Map.class)
                  .get("maps"))
          .isEqualTo(maps);
      Map<String, String> first = new TreeMap<>(settings);
      first.put("targets", "ones");
      first.put("out", out.resolve("first").toString());
      assertThat(run(CkaMapExperiment.ID, first).row("ones")).isEqualTo(result.row("ones"));
    }
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeAnyTraining() {
    assertThatThrownBy(() -> run(CkaMapExperiment.ID, Map.of("layers", "3")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "target tree is a map of 8 layers, the network has 3; choose other targets, such as"
                + " ones,identity, or a network of 8 layers");
    assertThatThrownBy(() -> experiment(CkaMapExperiment.ID, Map.of("targets", "goblin")))
        .hasMessageContaining("goblin");
    assertThatThrownBy(() -> experiment(CkaMapExperiment.ID, Map.of("aligners", "cca")))
        .hasMessageContaining("no setting 'aligners'");
  }
}
