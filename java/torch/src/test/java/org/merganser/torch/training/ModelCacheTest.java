// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Doctor;
import org.merganser.testing.SettledMemory;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.ModelCache;
import org.merganser.torch.internal.session.Recipe;
import org.merganser.torch.layers.Activation;

class ModelCacheTest {
  private static final TorchNetwork NETWORK = TorchNetwork.mlp(4, 5, 1, 2, Activation.RELU);
  private static final Trainer.Options OPTIONS = Trainer.Options.adamW(2);

  @TempDir Path temp;

  private static final String MACHINE = "CPU portable";

  private static Recipe recipe(long seed) {
    return ModelTraining.recipe(NETWORK, "digest", "part", OPTIONS, seed, MACHINE);
  }

  private static void assertDamaged(ModelCache cache, Recipe recipe, String why) {
    Path path = cache.path(recipe);
    assertThatThrownBy(() -> cache.find(recipe))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(path + ": ")
        .hasMessageContaining(why)
        .hasMessageEndingWith(
            "; this trained model is damaged: delete the file, and it is trained again");
  }

  @Test
  void aModelComesBackAsItWas() throws IOException {
    ModelCache cache = new ModelCache(temp.resolve("deep").resolve("models"));
    assertThat(cache.find(recipe(1))).isEmpty();
    assertThat(temp.resolve("deep")).doesNotExist();
    try (MemoryCheckpoint model = NETWORK.initialise(1)) {
      cache.store(recipe(1), model);
      assertThat(cache.find(recipe(2))).isEmpty();
      try (MemoryCheckpoint found = cache.find(recipe(1)).orElseThrow()) {
        // In the order of the network, although the file is sorted.
        assertThat(List.copyOf(found.tensors().keySet()))
            .isEqualTo(List.copyOf(model.tensors().keySet()));
        for (String name : model.tensors().keySet()) {
          assertThat(found.tensor(name).sameBytes(model.tensor(name))).as(name).isTrue();
        }
      }
    }
    String hash = recipe(1).hash();
    assertThat(hash).matches("[0-9a-f]{64}");
    assertThat(cache.folder()).isDirectoryContaining(f -> f.endsWith(hash + ".safetensors"));
    assertThat(cache.folder()).isDirectoryNotContaining("glob:**.partial");
    try (Checkpoint file = Safetensors.open(cache.path(recipe(1)))) {
      assertThat(file.metadata()).containsEntry("merganser.recipe", recipe(1).text());
      assertThat(file.metadata()).containsEntry("format", "pt");
    }
  }

  @Test
  void theRecipeSaysWhatWentIn() {
    assertThat(recipe(7).text())
        .contains(
            "network [4] -> Sequential[layers=[Linear[name=fc1, in=4, out=5, initial=",
            "tensor fc1.weight F32 [5, 4]\n",
            "examples sha256 digest\n",
            "data part\n",
            "seed 7\n",
            "machine CPU portable\n",
            "epochs=2, batchSize=64",
            "augmentation=Augmentation[flip=false, padding=0]",
            "threads=1",
            "torch ",
            "merganser ");
  }

  /** As findings of experiments do: models of another processor differ in the last digits. */
  @Test
  void theMachineIsThatOfTheWorkspace() {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      assertThat(Recipe.machine(ws)).isEqualTo(ws.backend() + " " + Doctor.isa());
    }
  }

  @Test
  void everythingThatMattersChangesTheHash() {
    TorchNetwork wider = TorchNetwork.mlp(4, 6, 1, 2, Activation.RELU);
    TorchNetwork other = TorchNetwork.mlp(4, 5, 1, 2, Activation.TANH);
    List<Recipe> recipes =
        List.of(
            recipe(1),
            recipe(2),
            ModelTraining.recipe(wider, "digest", "part", OPTIONS, 1, MACHINE),
            ModelTraining.recipe(other, "digest", "part", OPTIONS, 1, MACHINE),
            ModelTraining.recipe(NETWORK, "digest2", "part", OPTIONS, 1, MACHINE),
            ModelTraining.recipe(NETWORK, "digest", "part2", OPTIONS, 1, MACHINE),
            ModelTraining.recipe(NETWORK, "digest", "part", Trainer.Options.adamW(3), 1, MACHINE),
            ModelTraining.recipe(NETWORK, "digest", "part", OPTIONS.withThreads(2), 1, MACHINE),
            ModelTraining.recipe(
                NETWORK,
                "digest",
                "part",
                OPTIONS.withAugmentation(Augmentation.flipAndCrop()),
                1,
                MACHINE),
            ModelTraining.recipe(NETWORK, "digest", "part", OPTIONS, 1, "CPU avx2"),
            ModelTraining.recipe(NETWORK, "digest", "part", OPTIONS, 1, "CUDA portable"));
    Set<String> hashes = new LinkedHashSet<>();
    recipes.forEach(recipe -> hashes.add(recipe.hash()));
    assertThat(hashes).hasSameSizeAs(recipes);
    assertThat(recipe(1).hash()).isEqualTo(recipe(1).hash());
  }

  @Test
  void everyByteOfTheExamplesCounts() {
    Set<String> digests = new LinkedHashSet<>();
    float[] values = {1, 2, 3, 4};
    digests.add(digest(values, new int[] {0, 1}, 2, 2, 2));
    digests.add(digest(values, new int[] {1, 0}, 2, 2, 2));
    digests.add(digest(values, new int[] {0, 1}, 3, 2, 2));
    digests.add(digest(values, new int[] {0, 1}, 2, 2, 1, 2));
    digests.add(digest(new float[] {1, 2, 3, 5}, new int[] {0, 1}, 2, 2, 2));
    assertThat(digests).hasSize(5);
    assertThat(digest(values, new int[] {0, 1}, 2, 2, 2)).isEqualTo(digests.iterator().next());
  }

  private static String digest(float[] values, int[] labels, int classes, long... shape) {
    try (Examples data = new Examples(Tensor.of(values, shape), labels, classes)) {
      return data.digest();
    }
  }

  /** What who merges begins with: models of several seeds, trained once. */
  @Test
  void modelsOfSeveralSeedsAreTrainedOnce() throws IOException {
    Path kept = temp.resolve("models");
    List<String> stages = new ArrayList<>();
    float[] values = {1, 2, 3, 4, 5, 6, 7, 8};
    try (Examples data = new Examples(Tensor.of(values, 2, 4), new int[] {0, 1}, 2);
        Workspace ws =
            Workspace.builder().threads(2).progress((stage, at, of) -> stages.add(stage)).open();
        Workspace own = Workspace.builder().threads(1).seed(4).open();
        MemoryCheckpoint initial = NETWORK.initialise(4);
        MemoryCheckpoint alone = Trainer.train(NETWORK, initial, data, OPTIONS, own)) {
      ModelTraining training = new ModelTraining(NETWORK, OPTIONS, Optional.of(kept), ws);
      List<MemoryCheckpoint> models = training.train(data, 3, 4);
      assertThat(stages).containsOnly("train");
      stages.clear();
      List<MemoryCheckpoint> again = training.train(data, 3, 4);
      assertThat(stages).containsOnly("models from cache");
      assertThat(new ModelTraining(NETWORK, OPTIONS, Optional.empty(), ws).train(data, 4))
          .singleElement()
          .satisfies(model -> assertSame(model, alone));
      assertSame(models.get(1), alone);
      assertSame(again.get(0), models.get(0));
      assertSame(again.get(1), models.get(1));
      assertThat(models.get(0).tensor("fc1.weight").sameBytes(alone.tensor("fc1.weight")))
          .isFalse();
    }
    assertThat(kept.toFile().list()).hasSize(2);
  }

  private static void assertSame(MemoryCheckpoint found, MemoryCheckpoint wanted) {
    for (String name : wanted.tensors().keySet()) {
      assertThat(found.tensor(name).sameBytes(wanted.tensor(name))).as(name).isTrue();
    }
  }

  /** Of a file that lacks a tensor, those that were read before it are not kept. */
  @Test
  void whatWasReadBeforeTheDamageIsClosed() throws IOException {
    ModelCache cache = new ModelCache(temp);
    Map<String, String> metadata =
        Map.of("merganser.recipe", recipe(1).text(), "merganser.order", "large\nmissing");
    try (MemoryCheckpoint model =
            MemoryCheckpoint.of(Map.of("large", Tensor.zeros(DType.F32, 1 << 18)));
        Workspace ws = Workspace.builder().threads(1).open()) {
      Safetensors.write(model, metadata, cache.path(recipe(1)), ws);
    }
    long before = SettledMemory.bytes();
    assertDamaged(cache, recipe(1), "it lacks tensors");
    assertThat(Natives.allocatedBytes()).isLessThan(before + (1 << 20));
  }

  /** Before any is trained, and without those that were read before it. */
  @Test
  void modelsFromTheCacheAreClosedWhenAnotherIsDamaged() throws IOException {
    TorchNetwork wide = TorchNetwork.mlp(4, 1 << 16, 1, 2, Activation.RELU);
    try (Examples data = new Examples(Tensor.zeros(DType.F32, 2, 4), new int[] {0, 1}, 2);
        Workspace ws = Workspace.builder().threads(1).open()) {
      ModelTraining training = new ModelTraining(wide, OPTIONS, Optional.of(temp), ws);
      training.train(data, 3).forEach(MemoryCheckpoint::close);
      List<String> first = List.of(temp.toFile().list());
      training.train(data, 3, 4).forEach(MemoryCheckpoint::close);
      for (String name : temp.toFile().list()) {
        if (!first.contains(name)) {
          Files.write(temp.resolve(name), new byte[0]);
        }
      }
      long before = SettledMemory.bytes();
      assertThatThrownBy(() -> training.train(data, 3, 4)).isInstanceOf(FormatException.class);
      assertThat(Natives.allocatedBytes()).isLessThan(before + (1 << 20));
    }
  }

  @Test
  void damageIsFound() throws IOException {
    ModelCache cache = new ModelCache(temp);
    try (MemoryCheckpoint model = NETWORK.initialise(1)) {
      cache.store(recipe(1), model);
    }
    Path path = cache.path(recipe(1));
    byte[] good = Files.readAllBytes(path);

    Files.write(path, Arrays.copyOf(good, good.length - 5));
    assertDamaged(cache, recipe(1), "");
    Files.write(path, new byte[0]);
    assertDamaged(cache, recipe(1), "");
    byte[] flipped = good.clone();
    flipped[good.length - 3] ^= 1;
    Files.write(path, flipped);
    assertDamaged(cache, recipe(1), "its tensors are not those that were written");
    Files.write(path, good);
    assertThat(cache.find(recipe(1))).isPresent();

    Files.write(cache.path(recipe(2)), good);
    assertDamaged(cache, recipe(2), "it was made by another recipe than its name says");
  }
}
