// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.symmetry.NormAbsorption;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.TransformerConfig;

/**
 * The three models of a {@link SkillTransfer}, with canonical names and the rows of the target.
 *
 * @param stored the target as it was given
 * @param layout gives canonical tensors the names and shapes of the target's file
 */
record TransferModels(
    TransformerConfig config,
    Checkpoint stored,
    Checkpoint target,
    Checkpoint skill,
    Checkpoint base,
    UnaryOperator<Checkpoint> layout,
    List<String> notes) {
  private static final String EMBEDDING = "model.embed_tokens.weight";
  private static final String HEAD = "lm_head.weight";

  TransferModels {
    notes = List.copyOf(notes);
  }

  /** Of models with the same tokens, under canonical names. */
  static TransferModels of(
      TransformerConfig config, Checkpoint target, Checkpoint skill, Checkpoint base) {
    return new TransferModels(
        config, target, target, skill, base, UnaryOperator.identity(), List.of());
  }

  static TransferModels of(ModelDirectory target, ModelDirectory skill, ModelDirectory base)
      throws IOException {
    TransformerConfig own = config(target);
    List<ModelDirectory> sources = List.of(skill, base);
    List<TransformerConfig> configs = new ArrayList<>();
    for (ModelDirectory source : sources) {
      TransformerConfig config = config(source);
      own.requireSame(
          target.toString(), config.with("vocabulary", own.vocabulary()), source.toString());
      configs.add(config);
    }
    List<String> notes = new ArrayList<>();
    PartnerRows rows = rows(own, configs, target, sources, notes);
    List<Checkpoint> views = new ArrayList<>();
    for (int k = 0; k < sources.size(); k++) {
      Checkpoint all = CanonicalCheckpoint.of(sources.get(k).checkpoint(), configs.get(k));
      // What else a source holds, such as a pooler, is not moved: it is not in the result.
      Checkpoint canonical = all.where(name -> true);
      List<String> names = own.hasHead() ? List.of(EMBEDDING, HEAD) : List.of(EMBEDDING);
      views.add(rows.view(k, canonical, names));
    }
    CanonicalCheckpoint canonical = CanonicalCheckpoint.of(target.checkpoint(), own);
    return new TransferModels(
        own,
        target.checkpoint(),
        canonical,
        views.get(0),
        views.get(1),
        canonical::restored,
        notes);
  }

  /**
   * Of a folder, or inside a file of GGUF.
   *
   * @throws IncompatibleModelsException when there is none
   */
  static TransformerConfig config(ModelDirectory model) throws IOException {
    if (model.sideFiles().contains("config.json")) {
      return TransformerConfig.read(model.path());
    }
    if (model.checkpoint().metadata().containsKey("general.architecture")) {
      return TransformerConfig.ofGguf(model.checkpoint());
    }
    throw new IncompatibleModelsException(
        "the structure of a model is not known",
        List.of(model + " has no config.json; name a folder in the layout of Hugging Face"));
  }

  private static PartnerRows rows(
      TransformerConfig own,
      List<TransformerConfig> configs,
      ModelDirectory target,
      List<ModelDirectory> sources,
      List<String> notes)
      throws IOException {
    List<Integer> counts = configs.stream().map(TransformerConfig::vocabulary).toList();
    List<ModelDirectory> all = List.of(target, sources.get(0), sources.get(1));
    List<Vocabulary> vocabularies = new ArrayList<>();
    List<String> absent = new ArrayList<>();
    for (ModelDirectory model : all) {
      Optional<Vocabulary> found = Vocabulary.find(model);
      found.ifPresentOrElse(vocabularies::add, () -> absent.add(Vocabulary.absence(model)));
    }
    if (absent.size() == all.size()) {
      return byNumber(own, counts, target, sources, notes);
    }
    if (!absent.isEmpty()) {
      throw new IncompatibleModelsException(
          "rows of embeddings cannot be matched by token, since only some of the models have a"
              + " tokenizer",
          absent.stream().distinct().toList());
    }
    Vocabulary tokens = vocabularies.remove(0);
    PartnerRows rows = PartnerRows.byToken(tokens, own.vocabulary(), vocabularies, counts);
    notes.add(
        "rows of embeddings are matched by token: %d of %d have partners, %d of them elsewhere; nothing is added to rows without"
            .formatted(own.vocabulary() - rows.unmatched(), own.vocabulary(), rows.moved()));
    return rows;
  }

  /** None of the models has a tokenizer. */
  private static PartnerRows byNumber(
      TransformerConfig own,
      List<Integer> counts,
      ModelDirectory target,
      List<ModelDirectory> sources,
      List<String> notes) {
    String absence = Vocabulary.absence(target);
    if (counts.stream().anyMatch(rows -> rows != own.vocabulary())) {
      throw new FormatException(
          "%s has %d rows of embeddings, %s and %s have %d and %d, and they cannot be matched by token: %s"
              .formatted(
                  target,
                  own.vocabulary(),
                  sources.get(0),
                  sources.get(1),
                  counts.get(0),
                  counts.get(1),
                  absence));
    }
    notes.add("rows of embeddings are matched by their numbers: " + absence);
    return PartnerRows.byIndex(own.vocabulary(), sources.size());
  }

  /** In which they are computed with: F64 where one of them has it, else F32. */
  DType wide() {
    return Stream.of(target, skill, base)
            .flatMap(model -> model.tensors().values().stream())
            .anyMatch(info -> info.dtype() == DType.F64)
        ? DType.F64
        : DType.F32;
  }

  /** In the target's names and shapes. */
  Checkpoint restored(Checkpoint canonical) {
    return layout.apply(canonical);
  }

  /**
   * Each with its own gains in the matrices that read them; in the wide type, so that nothing is
   * rounded on the way.
   */
  TransferModels absorbed(boolean untie, Workspace ws) throws IOException {
    DType wide = wide();
    NormAbsorption own = NormAbsorption.of(target.as(wide), config, untie, ws);
    return new TransferModels(
        own.config(),
        stored,
        own.checkpoint(),
        NormAbsorption.of(skill.as(wide), config, untie, ws).checkpoint(),
        NormAbsorption.of(base.as(wide), config, untie, ws).checkpoint(),
        layout,
        notes);
  }
}
