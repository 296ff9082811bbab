// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.TransformerConfig;

/** From a text to logits with nothing but a GGUF file; see fixtures/gguf/make.py. */
class GgufModelTest {
  private static final String ENGLISH =
      "The Earth moves around the Sun once every year, and the Moon moves around the Earth about"
          + " once every month. Because the Moon has no light of its own, we see only the part of it"
          + " that the Sun shines on, and so it seems to change its shape from night to night. When"
          + " the Moon is between the Earth and the Sun, the side that we see is dark, and we call"
          + " it a new Moon.";

  private static Path fixture(String name) {
    try {
      return Path.of(GgufModelTest.class.getResource("/fixtures/gguf/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void logitsAndPerplexityOfAText() throws IOException {
    Path file = fixture("model.gguf");
    Path text = fixture("text.txt");
    try (Workspace ws = Workspace.open();
        TokenSource source = TokenSource.ofGguf(file);
        Checkpoint stored = Safetensors.open(file);
        Checkpoint io = Safetensors.open(fixture("io.safetensors"));
        Tensor wanted = io.read("output", ws)) {
      TransformerNetwork network = TransformerNetwork.of(TransformerConfig.ofGguf(stored));
      Checkpoint theta = CanonicalCheckpoint.of(stored, network.config());
      int[] ids = source.ids(Files.readString(text));
      assertThat(ids).hasSize((int) wanted.dim(1));
      try (TransformerSession session = network.open(theta, ws);
          Tensor logits = session.logits(ids)) {
        HuggingFaceTest.assertClose("logits", logits.toDoubleArray(), wanted.toDoubleArray());
      }
      double nats = 0;
      int vocabulary = (int) wanted.dim(2);
      double[] all = wanted.toDoubleArray();
      for (int i = 1; i < ids.length; i++) {
        double[] row = Arrays.copyOfRange(all, (i - 1) * vocabulary, i * vocabulary);
        nats += Math.log(Arrays.stream(row).map(Math::exp).sum()) - row[ids[i]];
      }
      Perplexity found =
          Perplexity.ofText(network, theta, source, text, Perplexity.Options.defaults(), ws);
      assertThat(found.tokens()).isEqualTo(ids.length - 1);
      assertThat(found.nats()).isCloseTo(nats / (ids.length - 1), within(1e-5));
    }
  }

  /**
   * A trained model finds English likelier than its words the other way round, which it does not
   * with rows of queries and keys in another order: {@code -Dmerganser.gguf=PATH}, such as
   * SmolLM2-135M-Instruct.
   */
  @Test
  @EnabledIfSystemProperty(named = "merganser.gguf", matches = ".+")
  void aTrainedModelPredictsEnglish() throws IOException {
    Path file = Path.of(System.getProperty("merganser.gguf"));
    List<String> words = List.of(ENGLISH.split(" "));
    List<String> reversed = new ArrayList<>(words);
    Collections.reverse(reversed);
    try (Workspace ws = Workspace.open();
        TokenSource source = TokenSource.ofGguf(file);
        Checkpoint stored = Safetensors.open(file)) {
      TransformerNetwork network = TransformerNetwork.of(TransformerConfig.ofGguf(stored));
      Checkpoint theta = CanonicalCheckpoint.of(stored, network.config());
      List<Double> found = new ArrayList<>();
      for (String text : List.of(ENGLISH, String.join(" ", reversed))) {
        int[] ids = source.withBeginning(text);
        found.add(Perplexity.of(network, theta, ids, Perplexity.Options.defaults(), ws).value());
      }
      assertThat(found.get(0)).isLessThan(100).isLessThan(0.1 * found.get(1));
    }
  }
}
