// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.error.RecipeException;
import org.merganser.internal.io.TextFile;
import org.merganser.io.ModelDirectory;

/** What a written result has beside tensors. */
final class ResultFiles {
  private static final String CONFIG = "config.json";
  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final String TEMPLATE = "chat_template.jinja";
  private static final String CARD = "README.md";

  /** A text that is shorter, or without a brace, is a name. */
  private static final int SHORTEST_TEMPLATE = 20;

  private final MergeJob job;

  ResultFiles(MergeJob job) {
    this.job = job;
  }

  /** Refuses what cannot be written. */
  static void check(MergeJob job) {
    Recipe recipe = job.recipe();
    if (recipe.tokenizerSource().isPresent()) {
      throw new RecipeException(
          "tokenizer_source",
          "vocabularies are not combined yet; models of one vocabulary need no tokenizer_source");
    }
    recipe
        .chatTemplate()
        .ifPresent(
            template -> {
              if (template.length() < SHORTEST_TEMPLATE || !template.contains("{")) {
                throw new RecipeException(
                    "chat_template",
                    "'%s' is a name; templates come with no program here: write the template itself"
                        .formatted(template));
              }
            });
  }

  static List<String> notes(MergeJob job) {
    List<String> notes = new ArrayList<>();
    ModelDirectory donor = job.donor();
    if (donor.sideFiles().contains(CONFIG)) {
      notes.add("configuration and tokenizer are those of " + job.donorName());
    } else {
      notes.add(job.donorName() + " has no config.json, so neither has the result");
    }
    return notes;
  }

  void write(Path folder) throws IOException {
    Files.createDirectories(folder);
    ModelDirectory donor = job.donor();
    boolean template = job.recipe().chatTemplate().isPresent();
    donor.copySideFiles(
        folder,
        name ->
            !name.equals(CONFIG)
                && !(template
                    && (name.equals(TOKENIZER_CONFIG) || name.startsWith("chat_template"))));
    if (donor.sideFiles().contains(CONFIG)) {
      TextFile.write(folder.resolve(CONFIG), config(TextFile.read(donor.path().resolve(CONFIG))));
    }
    if (template) {
      writeTemplate(donor, folder, job.recipe().chatTemplate().get());
    }
    TextFile.write(folder.resolve(CARD), new ModelCard(job).text(name(folder)));
  }

  private static String name(Path folder) {
    return String.valueOf(folder.toAbsolutePath().normalize().getFileName());
  }

  String config(String text) throws IOException {
    Optional<DType> type = job.recipe().outDtype().or(job.recipe()::dtype);
    return new ConfigFile(text)
        .with(ConfigFile.LAYERS, job.layers())
        .with(ConfigFile.TYPE, type.map(RecipeJson::name))
        .changed();
  }

  private static void writeTemplate(ModelDirectory donor, Path folder, String template)
      throws IOException {
    TextFile.write(folder.resolve(TEMPLATE), template);
    if (donor.sideFiles().contains(TOKENIZER_CONFIG)) {
      String text = TextFile.read(donor.path().resolve(TOKENIZER_CONFIG));
      ConfigFile config = new ConfigFile(text);
      config.with(List.of("chat_template"), Optional.of(template));
      TextFile.write(folder.resolve(TOKENIZER_CONFIG), config.changed());
    }
  }
}
