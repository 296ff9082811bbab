// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.assertj.core.data.Offset;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelStore;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.MergeJob;

/**
 * Rows of embeddings are those that mergekit gives to the same tokens (mergekit-tokens/make.py).
 */
class TokenParityTest {
  private static final Pattern TOKEN = Pattern.compile("\"(\\w+)\": (\\d+)");
  private static final List<String> EMBEDDINGS =
      List.of("model.embed_tokens.weight", "lm_head.weight");

  /** Here the base's come first, then those of others in their order, then new ones. */
  private static final List<String> OURS = List.of("a", "b", "c", "d", "x", "y", "e", "new");

  @ParameterizedTest
  @ValueSource(strings = {"union", "padded", "rows"})
  void rowsAreThoseOfMergekit(String name) throws IOException, URISyntaxException {
    Path folder = Path.of(TokenParityTest.class.getResource("/mergekit-tokens").toURI());
    RecipeFile file = RecipeFile.read(folder.resolve("recipes").resolve(name + ".yml"));
    MergeJob.Options options =
        MergeJob.Options.defaults().withStore(ModelStore.of(List.of(folder)));
    Path results = folder.resolve("expected");
    Map<String, Integer> theirs = tokens(Files.readString(results.resolve(name + ".json")));
    try (Workspace ws = Workspace.open();
        MergeJob job = MergeJob.open(file.recipe(), options, ws);
        Checkpoint expected = Safetensors.open(results.resolve(name + ".safetensors"))) {
      assertThat(job.result().tensors()).isEqualTo(expected.tensors());
      for (String tensor : expected.tensors().keySet()) {
        float[] found = values(job.result(), tensor, ws);
        float[] wanted = values(expected, tensor, ws);
        boolean rows = EMBEDDINGS.contains(tensor);
        int width = Math.toIntExact(expected.info(tensor).dim(expected.info(tensor).rank() - 1));
        for (int i = 0; i < wanted.length; i++) {
          int row = i / width;
          boolean token = rows && row < theirs.size();
          int there = token ? theirs.get(OURS.get(row)) * width + i % width : i;
          assertThat(found[i]).as(tensor + " " + i).isCloseTo(wanted[there], Offset.offset(2e-6f));
        }
      }
    }
  }

  private static Map<String, Integer> tokens(String json) {
    Map<String, Integer> tokens = new HashMap<>();
    for (Matcher each = TOKEN.matcher(json); each.find(); ) {
      tokens.put(each.group(1), Integer.parseInt(each.group(2)));
    }
    return tokens;
  }

  private static float[] values(Checkpoint model, String name, Workspace ws) throws IOException {
    try (Tensor tensor = model.read(name, ws)) {
      return tensor.toFloatArray();
    }
  }
}
