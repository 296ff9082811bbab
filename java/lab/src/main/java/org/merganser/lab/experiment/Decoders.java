// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.SkillSplit;
import org.merganser.lab.data.ToyLanguage;
import org.merganser.torch.transformer.DecoderTraining;
import org.merganser.torch.transformer.TokenWindows;
import org.merganser.torch.transformer.TransformerNetwork;

/**
 * Decoders of one seed: each is trained on samples of its own, drawn anew at each step.
 *
 * @param seed of everything that is drawn
 */
record Decoders(
    TransformerNetwork network, SkillTransferExperiment.Options options, long seed, Workspace ws) {

  /** Trained from scratch on texts of a language. */
  MemoryCheckpoint pretrained(ToyLanguage language, String name) throws IOException {
    try (MemoryCheckpoint start = network.initialise(Seeds.derive(seed, name))) {
      return trained(start, random -> text(language, random), options.steps(), name);
    }
  }

  /** Trained on with texts of a language. */
  MemoryCheckpoint continued(Checkpoint from, ToyLanguage language) throws IOException {
    Function<SplittableRandom, int[]> texts = random -> text(language, random);
    return trained(from, texts, options.continuedSteps(), "continued");
  }

  /** Fine-tuned on questions for training and answers, one sample in five of the language. */
  MemoryCheckpoint skilled(Checkpoint from, ToyLanguage language, SkillSplit split)
      throws IOException {
    Function<SplittableRandom, int[]> texts =
        random ->
            random.nextInt(5) == 0 ? text(language, random) : split.text(options.length(), random);
    return trained(from, texts, options.skillSteps(), "skill");
  }

  private int[] text(ToyLanguage language, SplittableRandom random) {
    return language.text(options.length(), random);
  }

  private MemoryCheckpoint trained(
      Checkpoint from, Function<SplittableRandom, int[]> texts, int steps, String name)
      throws IOException {
    SplittableRandom random = Seeds.stream(seed, name + "/texts");
    List<int[]> windows = new ArrayList<>();
    for (long i = 0; i < (long) steps * options.batch(); i++) {
      windows.add(texts.apply(random));
    }
    DecoderTraining.Options how =
        DecoderTraining.Options.adamW(options.lr(), steps).withBatch(options.batch());
    try (Workspace own =
        Workspace.builder()
            .backend(ws.backend())
            .threads(1)
            .seed(Seeds.derive(seed, name))
            .progress(ws.progress())
            .cancellation(ws.cancellation())
            .open()) {
      return DecoderTraining.of(network, from, TokenWindows.of(windows), how, own).model();
    }
  }
}
