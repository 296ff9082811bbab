// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Backend;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.torch.internal.Digests;

/**
 * Trained models in a folder, each under the hash of its recipe: {@code <hash>.safetensors}, with
 * the recipe and a digest of the tensors in its metadata. A file appears complete or not at all,
 * and is checked when it is read.
 */
public record ModelCache(Path folder) {
  private static final String RECIPE = "merganser.recipe";
  private static final String ORDER = "merganser.order";
  private static final String DIGEST = "merganser.sha256";

  /** Where the model of a recipe is, or will be. */
  public Path path(Recipe recipe) {
    return folder.resolve(recipe.hash() + ".safetensors");
  }

  /**
   * The model of a recipe, when there is one.
   *
   * @throws FormatException when the file is damaged, naming it
   */
  public Optional<MemoryCheckpoint> find(Recipe recipe) throws IOException {
    Path path = path(recipe);
    if (!Files.exists(path)) {
      return Optional.empty();
    }
    try (Workspace ws = quiet();
        Checkpoint file = Safetensors.open(path);
        Opened opened = new Opened()) {
      if (!recipe.text().equals(file.metadata().get(RECIPE))) {
        throw damaged(path, "it was made by another recipe than its name says", null);
      }
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : file.metadata().getOrDefault(ORDER, "").split("\n")) {
        tensors.put(name, opened.add(file.read(name, ws)));
      }
      if (!tensors.keySet().equals(file.tensors().keySet())
          || !Digests.of(tensors, "").equals(file.metadata().get(DIGEST))) {
        throw damaged(path, "its tensors are not those that were written", null);
      }
      opened.release();
      return Optional.of(MemoryCheckpoint.of(tensors));
    } catch (IncompatibleModelsException e) {
      throw damaged(path, "it lacks tensors", e);
    } catch (FormatException e) {
      throw e.getMessage().contains("trained again") ? e : damaged(path, e.getMessage(), e);
    }
  }

  private static FormatException damaged(Path path, String why, Exception cause) {
    String text = why.startsWith(path + ": ") ? why : path + ": " + why;
    return new FormatException(
        text + "; this trained model is damaged: delete the file, and it is trained again", cause);
  }

  /** Writes a model, making the folder when it is not there. */
  public void store(Recipe recipe, MemoryCheckpoint model) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model.tensors().keySet().forEach(name -> tensors.put(name, model.tensor(name)));
    Map<String, String> metadata =
        Map.of(
            "format",
            "pt",
            RECIPE,
            recipe.text(),
            ORDER,
            String.join("\n", tensors.keySet()),
            DIGEST,
            Digests.of(tensors, ""));
    Files.createDirectories(folder);
    try (Workspace ws = quiet()) {
      Safetensors.write(model, metadata, path(recipe), ws);
    }
  }

  /** Of its own, so that a model that is trained is stored even when the run was cancelled. */
  private static Workspace quiet() {
    return Workspace.builder().backend(Backend.CPU).threads(1).open();
  }
}
