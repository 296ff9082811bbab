// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.merganser.error.RecipeException;
import org.merganser.testing.RunsOnce;

@RunsOnce("changes texts, computes nothing")
class ConfigFileTest {
  private static final String TEXT =
      """
      {
        "num_hidden_layers": 2,
        "vision_config": {"num_hidden_layers": 9},
        "text_config": {"n_layer": 2, "deep": {"n_layer": 2}},
        "eps": 1e-05, "big": 123456789012345678901234567890, "x": [1.50, NaN, null, true],
        "torch_dtype": "float32"
      }
      """;

  @Test
  void whatIsAskedForChangesAndNothingElse() throws IOException {
    String changed =
        new ConfigFile(TEXT)
            .with(ConfigFile.LAYERS, Optional.of(3))
            .with(ConfigFile.TYPE, Optional.of("bfloat16"))
            .with(ConfigFile.VOCABULARY, Optional.empty())
            .changed();
    assertThat(changed.replaceAll("\\s+", ""))
        .isEqualTo(
            "{\"num_hidden_layers\":3,\"vision_config\":{\"num_hidden_layers\":9},\"text_config\":"
                + "{\"n_layer\":3,\"deep\":{\"n_layer\":2}},\"eps\":1e-05,\"big\":"
                + "123456789012345678901234567890,\"x\":[1.50,NaN,null,true],\"torch_dtype\":"
                + "\"bfloat16\"}");
    assertThat(changed).contains("\n  \"eps\": 1e-05,\n");
  }

  @Test
  void withoutAChangeTheTextIsTheSame() throws IOException {
    assertThat(new ConfigFile(TEXT).with(ConfigFile.LAYERS, Optional.of(2)).changed())
        .isEqualTo(TEXT);
    assertThat(new ConfigFile(TEXT).with(List.of("absent"), Optional.of("y")).changed())
        .isEqualTo(TEXT);
  }

  @Test
  void listsOfLayersFollowTheSlices() throws IOException {
    String text =
        "{\"layer_types\": [\"full\", \"sliding\", \"last\"], \"eos_token_id\": [1, 2, 3]}";
    assertThat(new ConfigFile(text).withLayers(3, List.of(0, 1, 2)).changed()).isEqualTo(text);
    assertThat(new ConfigFile(text).withLayers(3, List.of()).changed()).isEqualTo(text);
    assertThat(new ConfigFile(text).withLayers(9, List.of(0, 1)).changed()).isEqualTo(text);
    assertThat(
            new ConfigFile(text).withLayers(3, List.of(0, 1, 1, 2)).changed().replaceAll("\\s", ""))
        .isEqualTo(
            "{\"layer_types\":[\"full\",\"sliding\",\"sliding\",\"last\"],"
                + "\"eos_token_id\":[1,2,3]}");
    assertThatThrownBy(() -> new ConfigFile(text).withLayers(3, List.of(2, 3)).changed())
        .isInstanceOf(RecipeException.class)
        .hasMessageContaining("layer_types of config.json has a value for each of 3 layers");
  }
}
