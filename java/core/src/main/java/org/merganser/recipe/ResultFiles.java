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
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.internal.io.TextFile;
import org.merganser.io.ModelDirectory;
import org.merganser.transformer.TransformerConfig;

/** What a written result has beside tensors. */
final class ResultFiles {
  private static final String CONFIG = "config.json";
  private static final String CARD = "README.md";

  private final MergeJob job;

  ResultFiles(MergeJob job) {
    this.job = job;
  }

  /** Refuses what cannot be written. */
  static void check(MergeJob job) throws IOException {
    Recipe recipe = job.recipe();
    if (job.vocabularies().isPresent()
        && !job.vocabularies().get().added().isEmpty()
        && !tokenizer(job).sideFiles().contains(Vocabulary.FILE)) {
      throw new RecipeException(
          "tokenizer_source",
          "tokens can be added to a tokenizer.json only, which %s does not have"
              .formatted(job.vocabularies().get().owner()));
    }
    template(job);
    Optional<String> config = donorConfig(job);
    if (config.isPresent()) {
      new ResultFiles(job).config(config.get());
    }
  }

  /**
   * The configuration of the donor: its file, or what its file of parameters says, of GGUF with a
   * known architecture that says enough.
   */
  private static Optional<String> donorConfig(MergeJob job) throws IOException {
    ModelDirectory donor = job.donor();
    if (donor.sideFiles().contains(CONFIG)) {
      return Optional.of(TextFile.read(donor.path().resolve(CONFIG)));
    }
    Optional<TransformerConfig> header = header(donor);
    return header.isPresent() ? Optional.of(header.get().toJson()) : Optional.empty();
  }

  private static Optional<TransformerConfig> header(ModelDirectory donor) {
    if (!donor.checkpoint().metadata().containsKey("general.architecture")) {
      return Optional.empty();
    }
    try {
      return Optional.of(TransformerConfig.ofGguf(donor.checkpoint()));
    } catch (IncompatibleModelsException | FormatException e) {
      return Optional.empty();
    }
  }

  private static Optional<String> template(MergeJob job) throws IOException {
    Optional<String> value = job.recipe().chatTemplate();
    return value.isPresent()
        ? ChatTemplate.of(value.get(), job.models().values())
        : Optional.empty();
  }

  static List<String> notes(MergeJob job) {
    List<String> notes = new ArrayList<>();
    ModelDirectory donor = job.donor();
    notes.add(configuration(job));
    job.vocabularies().ifPresent(all -> vocabulary(job, all, notes));
    if (job.vocabularies().isEmpty() && !RecipeSymmetry.isMeant(job.recipe())) {
      differing(job, donor).ifPresent(notes::add);
    }
    return notes;
  }

  private static String configuration(MergeJob job) {
    if (job.donor().sideFiles().contains(CONFIG)) {
      return "configuration and other files are those of " + job.donorName();
    }
    return header(job.donor()).isPresent()
        ? "config.json is made of what " + job.donorName() + " says inside its file"
        : job.donorName() + " has no config.json, so neither has the result";
  }

  private static void vocabulary(MergeJob job, Vocabularies all, List<String> notes) {
    notes.add(
        "vocabulary of %s, %d tokens added, %d rows of embeddings"
            .formatted(all.owner(), all.added().size(), all.rows()));
    if (tokenizer(job).sideFiles().stream().noneMatch(ModelDirectory::isOfTokenizer)) {
      notes.add(
          all.owner()
              + " has its tokens inside its file, so the result has no tokenizer beside it");
    }
  }

  /** Rows of embeddings that mean other tokens would be mixed. */
  private static Optional<String> differing(MergeJob job, ModelDirectory donor) {
    for (Map.Entry<String, ModelDirectory> model : job.models().entrySet()) {
      try {
        if (differ(donor, model.getValue())) {
          return Optional.of(
              "tokenizers of %s and %s differ; tokenizer_source (union, base or a model) would match"
                      .formatted(job.donorName(), model.getKey())
                  + " rows of embeddings by token");
        }
      } catch (IOException | FormatException e) {
        return Optional.of(
            "tokenizers of %s and %s cannot be compared: %s"
                .formatted(job.donorName(), model.getKey(), e.getMessage()));
      }
    }
    return Optional.empty();
  }

  /** By their files; by tokens where these are inside a model. What has neither does not differ. */
  private static boolean differ(ModelDirectory one, ModelDirectory other) throws IOException {
    Path file = one.path().resolve(Vocabulary.FILE);
    Path beside = other.path().resolve(Vocabulary.FILE);
    if (Files.exists(file) && Files.exists(beside)) {
      return Files.mismatch(file, beside) >= 0;
    }
    boolean known = hasTokens(one) && hasTokens(other);
    return known && !Vocabulary.read(one).ids().equals(Vocabulary.read(other).ids());
  }

  private static boolean hasTokens(ModelDirectory model) throws IOException {
    return Files.exists(model.path().resolve(Vocabulary.FILE)) || model.tokens().isPresent();
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
    Optional<String> template = template(job);
    tokenizer.copySideFiles(
        folder,
        name ->
            ModelDirectory.isOfTokenizer(name)
                && !(template.isPresent() && name.contains("chat_template")));
    Optional<String> config = donorConfig(job);
    if (config.isPresent()) {
      TextFile.write(folder.resolve(CONFIG), config(config.get()));
    }
    if (template.isPresent()) {
      writeTemplate(tokenizer, folder, template.get());
    }
    if (job.vocabularies().isPresent() && !job.vocabularies().get().added().isEmpty()) {
      Vocabularies all = job.vocabularies().get();
      String text = TextFile.read(tokenizer.path().resolve(Vocabulary.FILE));
      TextFile.write(
          folder.resolve(Vocabulary.FILE), AddedTokens.add(text, all.added(), all::flags));
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
        .withLayers(job.layers().isPresent() ? job.donor().layers() : 0, job.layerNumbers())
        .with(ConfigFile.VOCABULARY, job.embeddingRows())
        .require(ConfigFile.TIED, job.unties() ? Optional.of(false) : Optional.empty())
        .with(ConfigFile.TYPE, type.map(RecipeJson::name))
        .changed();
  }

  private static void writeTemplate(ModelDirectory donor, Path folder, String template)
      throws IOException {
    TextFile.write(folder.resolve(ChatTemplate.FILE), template);
    if (donor.sideFiles().contains(ChatTemplate.CONFIG)) {
      String text = TextFile.read(donor.path().resolve(ChatTemplate.CONFIG));
      ConfigFile config = new ConfigFile(text);
      config.with(List.of(ChatTemplate.KEY), Optional.of(template));
      TextFile.write(folder.resolve(ChatTemplate.CONFIG), config.changed());
    }
  }
}
