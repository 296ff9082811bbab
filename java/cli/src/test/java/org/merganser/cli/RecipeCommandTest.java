// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;

/** Recipes from the command line: planned, merged, in parts, resumed, verified, inspected. */
class RecipeCommandTest {
  private static final int LAYERS = 40;

  @TempDir Path temp;
  private Path models;

  @BeforeEach
  void write() throws IOException {
    models = temp.resolve("models");
    int seed = 1;
    for (String name : new String[] {"base", "writer", "coder", "math"}) {
      SmallLlama.write(models.resolve("lab/" + name + "-13b"), LAYERS, DType.F32, seed++);
    }
    SmallLlama.write(models.resolve("lab/tutor-13b@v1.2"), LAYERS, DType.BF16, seed);
  }

  private static Path ours(String name) {
    try {
      return Path.of(RecipeCommandTest.class.getResource("/recipes/" + name + ".yml").toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private Path recipe(String text) throws IOException {
    return Files.writeString(temp.resolve("recipe.yml"), text.replace(';', '\n'));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"linear-three", "ties-gradients", "slerp-gradients", "ties-two", "stack-44"})
  void recipesArePlannedAndMerged(String name) throws IOException {
    Cli.Run plan = Cli.run("plan", ours(name), "--models", models);
    assertThat(plan.err()).isEmpty();
    assertThat(plan.code()).isZero();
    assertThat(plan.out())
        .contains("method    ", "settings  ", "reads     ", "writes    ", "time      about ");
    Path out = temp.resolve("out");
    Cli.Run merge = Cli.run("merge", ours(name), "--models", models, "-o", out);
    assertThat(merge.err()).isEmpty();
    assertThat(merge.code()).isZero();
    assertThat(merge.out()).contains("wrote " + out + ": ");
    try (Checkpoint model = Safetensors.open(out)) {
      assertThat(model.tensors()).hasSize(9 * (name.equals("stack-44") ? 44 : LAYERS) + 3);
      DType type = name.equals("ties-two") ? DType.BF16 : DType.F16;
      assertThat(model.tensors().values()).allMatch(info -> info.dtype() == type);
    }
    assertThat(Cli.run("verify", out).out())
        .matches("(?s).*: \\d+ tensors, as they were written\n");
  }

  @Test
  void theFolderHoldsWhatAModelIsLoadedWith() throws IOException {
    Path out = temp.resolve("stacked");
    assertThat(Cli.run("merge", ours("stack-44"), "--models", models, "-o", out).code()).isZero();
    assertThat(Files.readString(out.resolve("config.json")))
        .contains("\"num_hidden_layers\": 44", "\"torch_dtype\": \"float16\"")
        .contains("\"rms_norm_eps\": 1e-05", "\"vocab_size\": 8");
    assertThat(out.resolve("tokenizer.json"))
        .hasSameBinaryContentAs(models.resolve("lab/writer-13b/tokenizer.json"));
    assertThat(Files.readString(out.resolve("README.md")))
        .startsWith(
            "---\nbase_model:\n- lab/writer-13b\n- lab/coder-13b\nlibrary_name: transformers\n")
        .contains(
            "- merge\n- merganser\n---\n# stacked\n", Files.readString(ours("stack-44")).strip());
    assertThat(Files.readString(out.resolve("merganser.json")))
        .contains("\"merge_method\" : \"passthrough\"", "\"model\" : \"lab/writer-13b\"")
        .contains("\"settings\"", "\"tensors\"");
  }

  @Test
  void aChatTemplateReplacesThatOfTheModel() throws IOException {
    Path recipe =
        recipe(
            "merge_method: passthrough;models: [{model: lab/math-13b}];"
                + "chat_template: '{% for m in messages %}{{ m }}{% endfor %}'");
    Path out = temp.resolve("out");
    assertThat(Cli.run("merge", recipe, "--models", models, "-o", out).code()).isZero();
    String template = "{% for m in messages %}{{ m }}{% endfor %}";
    assertThat(out.resolve("chat_template.jinja")).hasContent(template);
    assertThat(Files.readString(out.resolve("tokenizer_config.json")))
        .contains("\"chat_template\": \"" + template + "\"");
    assertThat(out.resolve("config.json"))
        .hasSameBinaryContentAs(models.resolve("lab/math-13b/config.json"));
    assertThat(Cli.run("inspect", models.resolve("lab/math-13b"), out).out())
        .contains("363 tensors compared, 363 equal; all together |A - B| = 0.000");
  }

  @Test
  void theChatTemplateOfMostModelsIsTakenWhenAsked() throws IOException {
    String all =
        "merge_method: linear;models:;- model: lab/base-13b;- model: lab/writer-13b;- model:"
            + " lab/math-13b;parameters: {weight: 1};chat_template: ";
    Files.writeString(models.resolve("lab/base-13b/chat_template.jinja"), "{{ other }}\n");
    Path out = temp.resolve("out");
    Cli.Run run = Cli.run("merge", recipe(all + "auto"), "--models", models, "-o", out);
    assertThat(run.err()).isEmpty();
    assertThat(out.resolve("chat_template.jinja")).hasContent("{{ x }}");
    Cli.Run name = Cli.run("plan", recipe(all + "chatml"), "--models", models);
    assertThat(name.err()).contains("recipe.yml:7:16: 'chatml' is the name of a template");
  }

  @Test
  void partsAreTheWhole() throws IOException {
    Path recipe = ours("ties-gradients");
    Path whole = temp.resolve("whole");
    Path shared = temp.resolve("shared");
    assertThat(
            Cli.run("merge", recipe, "--models", models, "--max-shard", "40KB", "-o", whole).code())
        .isZero();
    for (int part = 3; part >= 1; part--) {
      Cli.Run run =
          Cli.run(
              "merge",
              recipe,
              "--models",
              models,
              "--max-shard",
              "40KB",
              "--shard",
              part + "/3",
              "-o",
              shared);
      assertThat(run.err()).isEmpty();
      assertThat(run.code()).isZero();
    }
    Cli.Run index = Cli.run("merge", "index", shared);
    assertThat(index.out()).isEqualTo("finished " + shared + "\n");
    TreeMap<String, String> one = digests(whole);
    assertThat(one).hasSizeGreaterThan(5).containsKey("model.safetensors.index.json");
    assertThat(digests(shared)).isEqualTo(one);
  }

  private static TreeMap<String, String> digests(Path folder) throws IOException {
    TreeMap<String, String> all = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> !f.endsWith("README.md")).toList()) {
        all.put(
            file.getFileName().toString(),
            Arrays.hashCode(Files.readAllBytes(file)) + " " + Files.size(file));
      }
    }
    return all;
  }

  @Test
  void aFolderIsReplacedOnlyWhenThatIsAskedFor() throws IOException {
    Path out = temp.resolve("out");
    Object[] merge = {"merge", ours("ties-two"), "--models", models, "-o", out};
    assertThat(Cli.run(merge).code()).isZero();
    Cli.Run again = Cli.run(merge);
    assertThat(again.code()).isEqualTo(5);
    assertThat(again.err()).contains(out.toString(), "not empty");
    assertThat(Cli.run(with(merge, "--force")).code()).isZero();
    assertThat(Cli.run(with(merge, "--resume")).code()).isZero();
    Cli.Run both = Cli.run(with(merge, "--force", "--resume"));
    assertThat(both.code()).isEqualTo(2);
    byte[] bytes = Files.readAllBytes(out.resolve("model.safetensors"));
    bytes[bytes.length - 1] ^= 1;
    Files.write(out.resolve("model.safetensors"), bytes);
    Cli.Run damaged = Cli.run("verify", out);
    assertThat(damaged.code()).isEqualTo(5);
    assertThat(damaged.out()).contains("has other bytes");
    assertThat(damaged.err()).contains("1 parts are not as they were written");
  }

  private static Object[] with(Object[] arguments, Object... more) {
    return Stream.concat(Stream.of(arguments), Stream.of(more)).toArray();
  }

  @Test
  void errorsHaveTheirPlace() throws IOException {
    refused(
        "merge_method: ties;base_model: lab/base-13b;models:;- model: lab/math-13b;  parameters:;  "
            + "  weight: 1;    density: 2;",
        ":7:14: density must be in (0, 1], not 2");
    refused(
        "merge_method: linear;models:;- model: lab/none;  parameters: {weight: 1}",
        ":3:10: no model 'lab/none' on this machine");
    refused(
        "merge_method: linaer;models:;- model: lab/math-13b",
        ":1:15: no method 'linaer'; did you mean linear?");
    refused(
        "merge_method: linear;tokenizer_source: union;models:;- model: lab/math-13b;  parameters:"
            + " {weight: 1}",
        ":2:19: ");
    refused(
        "merge_method: linear;models:;- model: lab/math-13b+lab/lora;  parameters: {weight: 1}",
        ":3:10: no model 'lab/lora' on this machine");
  }

  private void refused(String recipe, String message) throws IOException {
    Path file = recipe(recipe);
    for (String command : new String[] {"plan", "merge"}) {
      Path out = temp.resolve("refused");
      Cli.Run run =
          command.equals("plan")
              ? Cli.run(command, file, "--models", models)
              : Cli.run(command, file, "--models", models, "-o", out);
      assertThat(run.err()).startsWith("merganser: " + file + message);
      assertThat(run.code()).isEqualTo(2);
      assertThat(out).doesNotExist();
    }
  }

  @Test
  void modelsAreAlignedBeforeTheyAreMerged() throws IOException {
    Fixture files = new Fixture(Files.createDirectories(temp.resolve("stacks")));
    String models =
        "merge_method: linear;models:;- model: %s;- model: %s;parameters: {weight: 1};"
            .formatted(files.model("a"), files.model("b"));
    Path recipe =
        recipe(
            models
                + "align:;  method: permutation:kind=covariance;  activations: [%s, %s]"
                    .formatted(files.activations("a"), files.activations("b")));
    Path out = temp.resolve("out");
    Cli.Run run = Cli.run("merge", recipe, "-o", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).contains("is aligned to " + files.model("a") + " by permutation");
    // b is a in another order, so the mean of both is a.
    assertThat(Cli.run("inspect", files.model("a"), out).out())
        .containsPattern("4 tensors compared, 4 equal");
    refusedAt(models + "align: {method: cca}", ":6:8: cca needs a folder of activations for each");
    refusedAt(models + "align: {method: cc}", ":6:17: no aligner 'cc'; there are identity");
    refusedAt(
        models + "repair: bn-reset", ":6:9: repair runs a network that is known here, on data");
  }

  private void refusedAt(String text, String message) throws IOException {
    Path file = recipe(text);
    Cli.Run run = Cli.run("plan", file);
    assertThat(run.err()).startsWith("merganser: " + file + message);
    assertThat(run.code()).isEqualTo(2);
  }

  @Test
  void optionsOfOneKindOfMergeAreNotThoseOfTheOther() {
    Path out = temp.resolve("out");
    Cli.Run method = Cli.run("merge", ours("ties-two"), "--merger", "ties", "-o", out);
    assertThat(method.code()).isEqualTo(2);
    assertThat(method.err()).startsWith("merganser: --merger does not go with a recipe");
    Path model = models.resolve("lab/base-13b");
    Cli.Run shard = Cli.run("merge", model, model, "--shard", "1/2", "-o", out);
    assertThat(shard.err()).startsWith("merganser: --shard is for recipes (*.yml, *.yaml)");
    for (String wrong : new String[] {"0/2", "3/2", "1", "a/b", "1/0"}) {
      Cli.Run run = Cli.run("merge", ours("ties-two"), "--shard", wrong, "-o", out);
      assertThat(run.code()).isEqualTo(2);
      assertThat(run.err()).startsWith("merganser: --shard " + wrong + ": ");
    }
    Cli.Run size = Cli.run("merge", ours("ties-two"), "--max-shard", "5 apples", "-o", out);
    assertThat(size.err()).startsWith("merganser: --max-shard 5 apples: give a number of bytes");
  }
}
