// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
    if (job.vocabularies().isPresent()
        && !job.vocabularies().get().added().isEmpty()
        && !tokenizer(job).sideFiles().contains(Vocabulary.FILE)) {
      throw new RecipeException(
          "tokenizer_source",
          "tokens can be added to a tokenizer.json only, which %s does not have"
              .formatted(job.vocabularies().get().owner()));
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
    notes.add(
        donor.sideFiles().contains(CONFIG)
            ? "configuration and other files are those of " + job.donorName()
            : job.donorName() + " has no config.json, so neither has the result");
    job.vocabularies()
        .ifPresent(
            all ->
                notes.add(
                    "vocabulary of %s, %d tokens added, %d rows of embeddings"
                        .formatted(all.owner(), all.added().size(), all.rows())));
    if (job.vocabularies().isEmpty()) {
      differing(job, donor).ifPresent(notes::add);
    }
    return notes;
  }

  /** Rows of embeddings that mean other tokens would be mixed. */
  private static Optional<String> differing(MergeJob job, ModelDirectory donor) {
    Path file = donor.path().resolve(Vocabulary.FILE);
    for (Map.Entry<String, ModelDirectory> model : job.models().entrySet()) {
      Path other = model.getValue().path().resolve(Vocabulary.FILE);
      try {
        if (Files.exists(file) && Files.exists(other) && Files.mismatch(file, other) >= 0) {
          return Optional.of(
              "tokenizers of %s and %s differ; tokenizer_source (union, base or a model) would match"
                      .formatted(job.donorName(), model.getKey())
                  + " rows of embeddings by token");
        }
      } catch (IOException e) {
        return Optional.of(other + " cannot be compared: " + e.getMessage());
      }
    }
    return Optional.empty();
  }

  private static ModelDirectory tokenizer(MergeJob job) {
    return job.vocabularies().map(all -> job.models().get(all.owner())).orElseGet(job::donor);
  }

  void write(Path folder) throws IOException {
    Files.createDirectories(folder);
    ModelDirectory donor = job.donor();
    ModelDirectory tokenizer = tokenizer(job);
    donor.copySideFiles(
        folder, name -> !name.equals(CONFIG) && !ModelDirectory.isOfTokenizer(name));
    boolean template = job.recipe().chatTemplate().isPresent();
    tokenizer.copySideFiles(
        folder,
        name ->
            ModelDirectory.isOfTokenizer(name) && !(template && name.contains("chat_template")));
    if (donor.sideFiles().contains(CONFIG)) {
      TextFile.write(folder.resolve(CONFIG), config(TextFile.read(donor.path().resolve(CONFIG))));
    }
    if (template) {
      writeTemplate(tokenizer, folder, job.recipe().chatTemplate().get());
    }
    if (job.vocabularies().isPresent() && !job.vocabularies().get().added().isEmpty()) {
      String text = TextFile.read(tokenizer.path().resolve(Vocabulary.FILE));
      TextFile.write(
          folder.resolve(Vocabulary.FILE), AddedTokens.add(text, job.vocabularies().get().added()));
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
        .with(ConfigFile.VOCABULARY, job.vocabularies().map(Vocabularies::rows))
        .with(ConfigFile.TIED, job.unties() ? Optional.of(false) : Optional.empty())
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
