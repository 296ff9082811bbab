// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelStore;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;
import org.merganser.recipe.MergeJob;

/** Recipes give what mergekit gives: at float32, up to the rounding of its sums. */
class MergekitParityTest {
  private static final Path FOLDER = folder();

  /** Methods in which norms or angles of whole tensors enter. */
  private static final Set<String> NORMS =
      Set.of(
          "slerp",
          "nuslerp",
          "multislerp",
          "karcher",
          "model_stock",
          "sce",
          "ramplus_tl",
          "arcee_fusion");

  /** Elements of which gamma = 0.05 drops one; mergekit drops all of a smaller tensor. */
  private static final int OUTLIERS = 20;

  private static Path folder() {
    try {
      return Path.of(MergekitParityTest.class.getResource("/mergekit").toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static Stream<String> recipes() throws IOException {
    try (Stream<Path> all = Files.list(FOLDER.resolve("recipes"))) {
      return all
          .map(path -> path.getFileName().toString().replace(".yml", ""))
          .sorted()
          .toList()
          .stream();
    }
  }

  @ParameterizedTest
  @MethodSource("recipes")
  void resultsAreThoseOfMergekit(String name) throws IOException {
    RecipeFile file = RecipeFile.read(FOLDER.resolve("recipes").resolve(name + ".yml"));
    MergeJob.Options options =
        MergeJob.Options.defaults().withStore(ModelStore.of(List.of(FOLDER))).withMergekit(true);
    try (Workspace ws = Workspace.open();
        Opened opened = new Opened()) {
      if (!isKnown(file.recipe().method())) {
        assertThatThrownBy(() -> MergeJob.open(file.recipe(), options, ws))
            .isInstanceOf(RecipeException.class)
            .hasMessageContaining("no method '" + file.recipe().method());
        return;
      }
      MergeJob job = opened.add(MergeJob.open(file.recipe(), options, ws));
      Path result = FOLDER.resolve("expected").resolve(name + ".safetensors");
      Checkpoint expected = opened.add(Safetensors.open(result));
      assertThat(job.result().tensors().keySet()).isEqualTo(expected.tensors().keySet());
      List<Checkpoint> models = new ArrayList<>();
      for (String model : List.of("base", "a", "b", "c")) {
        models.add(opened.add(Safetensors.open(FOLDER.resolve("models").resolve(model))));
      }
      boolean norms = NORMS.contains(file.recipe().method());
      for (String tensor : expected.tensors().keySet()) {
        if (name.startsWith("breadcrumbs") && expected.info(tensor).size() < OUTLIERS) {
          continue;
        }
        compare(tensor, job.result(), expected, models, norms ? 1e-5 : 4 * 0x1p-24, ws);
      }
    }
  }

  private static boolean isKnown(String method) {
    List<String> ids = Catalogue.mergers().ids();
    return ids.contains(method.replace('_', '-'))
        || Set.of("multislerp", "passthrough").contains(method);
  }

  /** Judged by the largest term: what is summed may cancel. */
  private static void compare(
      String tensor,
      Checkpoint result,
      Checkpoint expected,
      List<Checkpoint> models,
      double tolerance,
      Workspace ws)
      throws IOException {
    assertThat(result.info(tensor)).as(tensor).isEqualTo(expected.info(tensor));
    float[] found = values(result, tensor, ws);
    float[] wanted = values(expected, tensor, ws);
    float[] largest = wanted.clone();
    for (Checkpoint model : models) {
      float[] own = model.tensors().containsKey(tensor) ? values(model, tensor, ws) : new float[0];
      for (int i = 0; i < own.length; i++) {
        largest[i] = Math.max(Math.abs(largest[i]), Math.abs(own[i]));
      }
    }
    for (int i = 0; i < wanted.length; i++) {
      assertThat((double) found[i])
          .as(tensor + " " + i)
          .isCloseTo(
              wanted[i], org.assertj.core.data.Offset.offset(tolerance * Math.abs(largest[i])));
    }
  }

  private static float[] values(Checkpoint model, String name, Workspace ws) throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      return tensor.toFloatArray();
    }
  }
}
