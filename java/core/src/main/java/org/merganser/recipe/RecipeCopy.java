// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.merganser.compute.DType;
import org.merganser.recipe.Recipe.Align;
import org.merganser.recipe.Recipe.Parameter;

/** The same recipe with what has another value. */
final class RecipeCopy {
  Optional<String> base;
  Map<String, Parameter> parameters;
  Optional<DType> dtype;
  Optional<Tokenizer> tokenizer;
  Optional<Align> align;
  Fit fit;

  private RecipeCopy(Recipe recipe) {
    this.base = recipe.base();
    this.parameters = recipe.parameters();
    this.dtype = recipe.dtype();
    this.tokenizer = recipe.tokenizer();
    this.align = recipe.align();
    this.fit = recipe.fit();
  }

  static Recipe of(Recipe recipe, Consumer<RecipeCopy> change) {
    RecipeCopy copy = new RecipeCopy(recipe);
    change.accept(copy);
    return new Recipe(
        recipe.method(),
        copy.base,
        recipe.models(),
        recipe.slices(),
        copy.parameters,
        copy.dtype,
        recipe.outDtype(),
        copy.tokenizer,
        recipe.chatTemplate(),
        copy.align,
        copy.fit);
  }
}
