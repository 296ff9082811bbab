// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Input;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryReport;
import org.merganser.transformer.TransformerConfig;

/**
 * What models of a recipe learned since another one, in the coordinates of the base or first model:
 * the key {@code align} with the method {@code symmetry}. A model becomes {@code target + g (model
 * - from)}, so that its difference to the base is {@code g (model - from)}, whatever the method of
 * the recipe makes of it.
 */
final class RecipeSymmetry {
  static final String ID = "symmetry";

  private final Recipe recipe;
  private final Align align;
  private final SkillTransfer.Options options;
  private final Map<String, ModelDirectory> models;
  private final List<String> notes;
  private final Workspace ws;
  private final Map<String, Checkpoint> moved = new LinkedHashMap<>();
  private SymmetryElement element;

  private RecipeSymmetry(
      Recipe recipe, Map<String, ModelDirectory> models, List<String> notes, Workspace ws) {
    this.recipe = recipe;
    this.align = recipe.align().orElseThrow();
    this.models = models;
    this.notes = notes;
    this.ws = ws;
    refuse(
        recipe.models().isEmpty(), "align", "whole models are aligned; write models, not slices");
    refuse(
        align.architecture().isPresent() || !align.activations().isEmpty(),
        "align",
        "symmetries of transformers follow from config.json and weights; leave out architecture and"
            + " activations");
    refuse(
        align.from().isEmpty(),
        "align",
        "symmetry moves what models learned since another one; name that with from: MODEL");
    refuse(
        recipe.tokenizer().isPresent() || recipe.fit().commonRows(),
        "align",
        "symmetry matches rows of embeddings by token and keeps those of "
            + target()
            + "; leave out tokenizer, tokenizer_source and embeddings");
    refuse(
        align.from().get().equals(target()),
        "align.from",
        target() + " is what is added to, so nothing would move; leave out align");
    String text = align.method();
    try {
      this.options =
          SkillTransfer.Options.parse(text.equals(ID) ? "" : text.substring(ID.length() + 1));
    } catch (IllegalArgumentException e) {
      throw new RecipeException("align.method", e.getMessage(), e);
    }
  }

  private static void refuse(boolean wrong, String place, String reason) {
    if (wrong) {
      throw new RecipeException(place, reason);
    }
  }

  /** Whether a recipe aligns so. */
  static boolean isMeant(Recipe recipe) {
    return recipe
        .align()
        .map(Align::method)
        .filter(method -> method.equals(ID) || method.startsWith(ID + ":"))
        .isPresent();
  }

  /**
   * The models as they are merged, by their names: not rounded yet, so {@link
   * JoinedCheckpoint#typed} gives the result its types.
   *
   * @param notes receives what was found
   */
  static Map<String, Checkpoint> of(
      Recipe recipe, Map<String, ModelDirectory> models, List<String> notes, Workspace ws)
      throws IOException {
    RecipeSymmetry symmetry = new RecipeSymmetry(recipe, models, notes, ws);
    for (Input input : recipe.models()) {
      if (!input.model().equals(symmetry.target())) {
        symmetry.move(input.model());
      }
    }
    return symmetry.moved;
  }

  /** Whose coordinates the result has. */
  private String target() {
    return recipe.base().orElse(recipe.models().get(0).model());
  }

  private void move(String model) throws IOException {
    String from = align.from().orElseThrow();
    SkillTransfer transfer =
        SkillTransfer.of(models.get(target()), models.get(model), models.get(from), options);
    if (align.element().isPresent()) {
      element = load(transfer.config());
    } else if (element == null || options.source() == SkillTransfer.Source.SKILL) {
      element = find(transfer, model, from);
    }
    SkillTransfer.Sum sum = transfer.sum(element, 1, ws);
    TransferModels seen = sum.models();
    moved.put(model, seen.restored(sum.result()));
    moved.put(target(), seen.restored(seen.target().as(seen.wide())));
    transfer.notes().forEach(note -> notes.add(model + ": " + note));
    notes.add(
        "what %s learned since %s is added to %s in the coordinates of that"
            .formatted(model, from, target()));
  }

  private SymmetryElement load(TransformerConfig config) throws IOException {
    Path file = Path.of(align.element().orElseThrow());
    try {
      return load(file, config);
    } catch (NoSuchFileException e) {
      throw new RecipeException("align.element", "no file " + file, e);
    } catch (FormatException | IncompatibleModelsException e) {
      throw new RecipeException("align.element", e.getMessage(), e);
    }
  }

  /** An orthogonal one of untied models means that ties are undone. */
  private SymmetryElement load(Path file, TransformerConfig config) throws IOException {
    try {
      return SymmetryElement.load(file, config, ws);
    } catch (IncompatibleModelsException e) {
      if (!config.tied()) {
        throw e;
      }
      SymmetryElement untied;
      try {
        untied = SymmetryElement.load(file, config.with("tied", false), ws);
      } catch (IncompatibleModelsException other) {
        throw e;
      }
      if (!(untied.residual() instanceof SymmetryElement.Orthogonal)) {
        throw e;
      }
      return untied;
    }
  }

  private SymmetryElement find(SkillTransfer transfer, String model, String from)
      throws IOException {
    SymmetryAligner.Result found = transfer.align(ws);
    SymmetryReport report = found.report();
    notes.add(
        String.format(
            Locale.ROOT,
            "%s in the coordinates of %s: squared distance %.6g, %.6g as it was, %.1f %% of the"
                + " hidden units and %.1f %% of the heads moved",
            options.source() == SkillTransfer.Source.BASE ? from : model,
            target(),
            report.after(),
            report.before(),
            100 * report.movedUnits(),
            100 * report.movedHeads()));
    notes.addAll(report.warnings());
    return found.element();
  }
}
