// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.plan.Catalogue;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Input;
import org.merganser.stats.Moments;

/** Models of a recipe in the features of its first one: the key {@code align}. */
final class RecipeAlignment {
  private final Recipe recipe;
  private final Align align;
  private final Aligner aligner;
  private final List<Checkpoint> models = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final Workspace ws;

  private RecipeAlignment(Recipe recipe, ModelTensors tensors, Workspace ws) {
    this.recipe = recipe;
    this.align = recipe.align().orElseThrow();
    this.ws = ws;
    if (recipe.models().isEmpty()) {
      throw new RecipeException("align", "whole models are aligned; write models, not slices");
    }
    if (align.from().isPresent() || align.element().isPresent()) {
      throw new RecipeException(
          align.from().isPresent() ? "align.from" : "align.element",
          "is for the method symmetry, not for " + align.method() + "; leave it out");
    }
    try {
      this.aligner = Catalogue.aligner(align.method());
    } catch (IllegalArgumentException e) {
      throw new RecipeException("align.method", e.getMessage(), e);
    }
    for (Input input : recipe.models()) {
      models.add(tensors.of(input.model()));
    }
    int folders = align.activations().size();
    boolean needed = aligner.traits().contains(Aligner.Trait.NEEDS_DATA);
    if (folders != (needed ? models.size() : 0)) {
      throw new RecipeException(
          folders == 0 ? "align" : "align.activations",
          align.method()
              + (needed
                  ? " needs a folder of activations for each of the %d models, not %d"
                      .formatted(models.size(), folders)
                  : " needs no activations"));
    }
  }

  /**
   * The models that are not the first, mapped, by their names.
   *
   * @param opened closes the maps
   * @param notes receives what makes them doubtful
   */
  static Map<String, Checkpoint> of(
      Recipe recipe, ModelTensors tensors, Opened opened, List<String> notes, Workspace ws)
      throws IOException {
    RecipeAlignment alignment = new RecipeAlignment(recipe, tensors, ws);
    Map<String, Checkpoint> aligned = alignment.align(opened);
    notes.addAll(alignment.notes);
    return aligned;
  }

  private Map<String, Checkpoint> align(Opened opened) throws IOException {
    Architecture architecture =
        align.architecture().isPresent()
            ? Architecture.read(Path.of(align.architecture().get()))
            : LinearStack.infer(models.get(0));
    for (int k = 0; k < models.size(); k++) {
      architecture.require(recipe.models().get(k).model(), models.get(k));
    }
    AlignmentSet maps = opened.add(maps(architecture));
    Map<String, Checkpoint> aligned = new HashMap<>();
    for (int k = 0; k < models.size(); k++) {
      verify(maps, k);
      aligned.put(recipe.models().get(k).model(), maps.of(k).apply(models.get(k)));
    }
    return aligned;
  }

  private AlignmentSet maps(Architecture architecture) throws IOException {
    List<Path> folders = align.activations().stream().map(Path::of).toList();
    if (folders.isEmpty()) {
      return aligner.align(AlignmentProblem.of(architecture, models.size()), ws);
    }
    try (Moments moments =
        Moments.fromFiles(
            architecture, folders, aligner.request(architecture), Moments.Options.defaults(), ws)) {
      return aligner.align(AlignmentProblem.of(architecture, moments), ws);
    }
  }

  private void verify(AlignmentSet maps, int k) throws IOException {
    if (align.activations().isEmpty()) {
      return;
    }
    String name = recipe.models().get(k).model();
    Path folder = Path.of(align.activations().get(k));
    Verification checks = maps.of(k).verify(models.get(k), folder, ws);
    if (!checks.contradictions().isEmpty()) {
      throw new IncompatibleModelsException(
          "the activations in " + folder + " are not those of " + name, checks.contradictions());
    }
    checks.warnings().forEach(warning -> notes.add(name + ": " + warning));
    if (k > 0) {
      notes.add(
          name + " is aligned to " + recipe.models().get(0).model() + " by " + align.method());
    }
  }
}
