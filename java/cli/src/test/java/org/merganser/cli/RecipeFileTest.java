// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.error.RecipeException;
import org.merganser.recipe.Fit;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Layers;
import org.merganser.recipe.Recipe.Parameter;
import org.merganser.recipe.Tokenizer;
import org.merganser.recipe.Tokenizer.Row;

/** What is read of recipes, and what is said, with its place, of those that are none. */
class RecipeFileTest {
  private static final Path NAME = Path.of("r.yml");

  /** Recipes that are read, ours and those of the fixtures of mergekit. */
  static Stream<Path> recipes() throws IOException {
    List<Path> all = new ArrayList<>();
    for (String folder : List.of("/recipes", "/mergekit/recipes", "/mergekit-tokens/recipes")) {
      try (Stream<Path> each =
          Files.list(Path.of(RecipeFileTest.class.getResource(folder).toURI()))) {
        each.sorted().forEach(all::add);
      } catch (URISyntaxException e) {
        throw new IllegalStateException(e);
      }
    }
    return all.stream();
  }

  @Test
  void everyKeyIsRead() {
    Recipe recipe =
        RecipeFile.parse(
                NAME,
                """
                merge_method: ties
                base_model: org/base@main
                slices:
                - sources:
                  - model: ./a
                    layer_range: [0, 2]
                    parameters: {weight: [0, 1], density: 0.5}
                  base_model: other
                  parameters:
                    lambda:
                    - {filter: mlp, value: 2}
                    - value: [1, .5]
                parameters:
                  normalize: off
                  rescale: l1
                dtype: torch.bfloat16
                out_dtype: float32
                chat_template: "{% for m in messages %}{{ m }}{% endfor %}"
                """)
            .recipe();
    assertThat(recipe.method()).isEqualTo("ties");
    assertThat(recipe.base()).contains("org/base@main");
    assertThat(recipe.dtype()).contains(DType.BF16);
    assertThat(recipe.outDtype()).contains(DType.F32);
    assertThat(recipe.parameters().get("normalize")).isEqualTo(Parameter.of(false));
    assertThat(recipe.parameters().get("rescale")).isEqualTo(Parameter.of("l1"));
    Recipe.Slice slice = recipe.slices().get(0);
    assertThat(slice.base()).contains("other");
    assertThat(slice.sources().get(0).layers()).contains(new Layers(0, 2));
    assertThat(slice.sources().get(0).parameters().get("weight"))
        .isEqualTo(Parameter.gradient(0, 1));
    assertThat(slice.parameters().get("lambda").cases())
        .containsExactly(
            new Case(Optional.of("mlp"), List.of(2)), new Case(Optional.empty(), List.of(1, 0.5)));
  }

  @Test
  void vocabulariesAreRead() {
    Recipe recipe =
        RecipeFile.parse(
                NAME,
                """
                merge_method: linear
                models: [{model: a}, {model: b}]
                tokenizer:
                  source: base
                  tokens:
                    <|im_start|>: {source: {kind: zero}}
                    "[INST]": {source: a, force: true}
                    "x.y": {source: {kind: model_token, model: b, token: z}}
                    <s>: {source: {kind: model_token, model: b, token_id: 1}}
                  pad_to_multiple_of: 64
                copy_from_base: [position_ids]
                """)
            .recipe();
    Tokenizer expected =
        Tokenizer.of("base")
            .with("<|im_start|>", Row.zero())
            .with("[INST]", Row.of("a").forced())
            .with("x.y", Row.of("b", "z"))
            .with("<s>", Row.of("b", 1))
            .paddedTo(64);
    assertThat(recipe.tokenizer()).contains(expected);
    assertThat(recipe.fit()).isEqualTo(new Fit(false, List.of("position_ids")));
    assertThat(RecipeFile.parse(NAME, recipe.toJson()).recipe()).isEqualTo(recipe);
    Recipe common = recipe.withTokenizerSource("b").withFit(new Fit(true, List.of()));
    assertThat(RecipeFile.parse(NAME, common.toJson()).recipe()).isEqualTo(common);
    // As in mergekit.
    assertThat(
            RecipeFile.parse(NAME, "{merge_method: ties, models: [{model: a}], tokenizer: {}}")
                .recipe()
                .tokenizer())
        .contains(Tokenizer.of("union"));
  }

  @ParameterizedTest
  @MethodSource("recipes")
  void asJsonARecipeIsTheSame(Path path) throws IOException {
    Recipe recipe = RecipeFile.read(path).recipe();
    assertThat(RecipeFile.parse(NAME, recipe.toJson()).recipe()).isEqualTo(recipe);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "merge_method: ties;modles: []|2:1|unknown key 'modles'; did you mean models? there are",
        "merge_method: ties;merge_method: dare|2:1|key 'merge_method' is here twice",
        "models: [{model: a}]|1:1|no merge_method",
        "merge_method: linear|1:1|nothing to merge: give models, or slices",
        "merge_method: linear;models: a|2:9|models must be a list, not 'a'",
        "merge_method: linear;models: []|2:9|models is an empty list",
        "merge_method: linear;models:;- a|3:3|models[0] must be a mapping, KEY: VALUE, not 'a'",
        "merge_method: linear;models:;- {weight: 1}|3:4|weight: write it under parameters",
        "merge_method: linear;models:;- {parameters: {}}|3:3|models[0]: no model",
        "merge_method: linear;models:;- {model: a, layer_range: [0, 1]}|3:14|layer_range: layers"
            + " are chosen in slices",
        "merge_method: linear;models:;- {model: {path: a}}|3:11|models[0].model must be a text,",
        "merge_method: linear;dtype: float8;models: [{model: a}]|2:8|dtype cannot be 'float8'; did"
            + " you mean float",
        "merge_method: linear;slices:;- sources:;  - {model: a, layer_range: [3, 3]}|4:29|layers"
            + " [3, 3] are none",
        "merge_method: linear;slices:;- sources:;  - {model: a, layer_range:"
            + " [3]}|4:29|slices[0].sources[0].layer_range must be [FIRST, LAST + 1], two numbers,"
            + " not 1",
        "merge_method: linear;slices:;- sources:;  - {model: a, layer_range: [0,"
            + " x]}|4:33|slices[0].sources[0].layer_range[1] must be an integer, not 'x'",
        "merge_method: linear;models: [{model: a}];parameters: {weight: [1,"
            + " x]}|3:22|parameters.weight must hold values of one kind",
        "merge_method: linear;models: [{model: a}];parameters: {weight: [{value: 1}, {valeu:"
            + " 2}]}|3:36|unknown key 'valeu'; did you mean value?",
        "merge_method: linear;models: [{model: a}];parameters: {weight:"
            + " 1e999}|3:22|parameters.weight: 1e999 is beyond",
        "merge_method: linear;models: [{model: a}];cuda: true|3:1|cuda: belongs to mergekit's"
            + " Python",
        "merge_method: linear;models: [{model: a}];modules: {}|3:10|modules beside models or"
            + " slices",
        "merge_method: linear;modules: {text_decoder: {models: [{model: a}]}}|2:10|modules"
            + " [text_decoder]: which tensors belong to a module is in mergekit's tables",
        "merge_method: linear;models: [{model: a}];repair: {method: x, network: mlp, data: blobs}"
            + "|3:18|no repair 'x'",
        "merge_method: linear;models: [{model: a}];repair: {method: repair, network: y, data: blobs}"
            + "|3:35|network: network must be one of",
        "merge_method: linear;models: [{model: a}];slices: [{sources: [{model: a, layer_range: [0,"
            + " 1]}]}]|1:1|both models and slices",
        "merge_method: [linear|1:22|no YAML: while parsing a flow sequence",
        "merge_method: linear;---;a: b|2:1|a second document",
        "'[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]'|1:17|nested more than 16 deep",
        "'- a'|1:1|a recipe must be a mapping",
        "merge_method: *x|1:15|no YAML: found undefined alias x",
      })
  void whatIsWrongIsToldWithItsPlace(String text, String place, String problem) {
    assertThatThrownBy(() -> RecipeFile.parse(NAME, text.replace(';', '\n')))
        .isInstanceOf(RecipeException.class)
        .hasMessageStartingWith("r.yml:" + place + ": " + problem);
  }

  @Test
  @Timeout(20)
  void aliasesCannotMakeARecipeLarge() {
    StringBuilder text = new StringBuilder("merge_method: linear\nparameters:\n  a0: &a0 [");
    text.append("1,".repeat(999)).append("1]\n");
    text.append("slices:\n- sources: &s\n");
    for (int i = 0; i < 200; i++) {
      text.append("  - {model: m, layer_range: [0, 1], parameters: {weight: *a0}}\n");
    }
    text.append("- sources: *s\n".repeat(200));
    assertThatThrownBy(() -> RecipeFile.parse(NAME, text.toString()))
        .isInstanceOf(RecipeException.class)
        .hasMessageEndingWith("more values than any recipe has, through aliases");
  }

  /** Ten thousand, or {@code -Dmerganser.damagedRecipes=N}. */
  @Test
  @Timeout(3600)
  void damagedRecipesAreReadOrRefused() throws IOException {
    int cases = Integer.getInteger("merganser.damagedRecipes", 10_000);
    List<Path> all = recipes().toList();
    SplittableRandom random = new SplittableRandom(16);
    int read = 0;
    for (int i = 0; i < cases; i++) {
      String damaged = damage(Files.readString(all.get(i % all.size())), random);
      try {
        Recipe recipe = RecipeFile.parse(NAME, damaged).recipe();
        assertThat(RecipeFile.parse(NAME, recipe.toJson()).recipe()).isEqualTo(recipe);
        read++;
      } catch (RecipeException e) {
        assertThat(e).as(damaged).hasMessageStartingWith("r.yml");
      }
    }
    assertThat(read).isBetween(cases / 20, cases * 19 / 20);
  }

  private static String damage(String text, SplittableRandom random) {
    StringBuilder damaged = new StringBuilder(text);
    String pieces = "[]{}:,-&*!|>'\"%@`#?~\n\t 01.e\u0000\ud800\u2028";
    for (int n = random.nextInt(1, 4); n > 0 && damaged.length() > 1; n--) {
      int at = random.nextInt(damaged.length());
      int end = Math.min(damaged.length(), at + random.nextInt(12));
      switch (random.nextInt(4)) {
        case 0 -> damaged.setCharAt(at, pieces.charAt(random.nextInt(pieces.length())));
        case 1 -> damaged.delete(at, end);
        case 2 -> damaged.insert(at, damaged.substring(at, end));
        default -> damaged.insert(at, pieces.charAt(random.nextInt(pieces.length())));
      }
    }
    return damaged.toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tokenizer_source: a;tokenizer: {}|4:12|tokenizer beside tokenizer_source: give one of them",
        "tokenizer: {pad: 1}|3:13|unknown key 'pad'; there are pad_to_multiple_of, source, tokens",
        "tokenizer: {pad_to_multiple_of: 0}|3:33|tokenizer.pad_to_multiple_of: rows must be a"
            + " multiple of 1 to 1048576, not of 0",
        "tokenizer: {tokens: {a: {force: true}}}|3:25|tokenizer.tokens.a: no source",
        "tokenizer: {tokens: {a: {source: b, force: 1}}}|3:44|tokenizer.tokens.a.force must be true",
        "tokenizer: {tokens: {a: {source: {kind: one}}}}|3:41|tokenizer.tokens.a.source.kind cannot"
            + " be 'one'",
        "tokenizer: {tokens: {a: {source: {kind: model_token, model: b}}}}|3:34|tokenizer.tokens.a"
            + ".source: give one of token and token_id",
        "embeddings: cut|3:13|embeddings cannot be 'cut'",
        "copy_from_base: mask|3:17|copy_from_base must be a list, not 'mask'",
        "copy_from_base: ['']|3:18|copy_from_base[0] is empty, and so in every name",
      })
  void whatIsWrongWithVocabulariesIsToldWithItsPlace(String text, String place, String problem) {
    whatIsWrongIsToldWithItsPlace(
        "merge_method: linear;models: [{model: a}];" + text, place, problem);
  }
}
