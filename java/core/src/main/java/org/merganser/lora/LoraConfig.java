// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.JsonFile;

/**
 * What {@code adapter_config.json} says. A key that changes what an adapter computes, and is not
 * known here, is refused by name unless it is off.
 */
final class LoraConfig {
  static final String FILE = "adapter_config.json";

  /** They say how an adapter was trained, or where its tensors go, which their names say too. */
  private static final Set<String> HARMLESS =
      Set.of(
          "auto_mapping",
          "peft_version",
          "inference_mode",
          "target_modules",
          "exclude_modules",
          "modules_to_save",
          "layers_to_transform",
          "layers_pattern",
          "lora_dropout",
          "megatron_core",
          "loftq_config",
          "eva_config",
          "corda_config",
          "lora_ga_config",
          "qalora_group_size",
          "runtime_config");

  private static final Map<String, String> REASONS =
      Map.of(
          "use_dora",
          "DoRA also scales the weights to lengths of its own, which is not done here",
          "lora_bias",
          "biases of the factors are not added here",
          "layer_replication",
          "the adapter is for a model whose layers are repeated; stack them with a recipe first",
          "target_parameters",
          "adapters of parameters without a module of their own, such as experts, are not folded"
              + " here",
          "trainable_token_indices",
          "rows of embeddings of single tokens are not replaced here");

  /** Initial values that leave the weights of the model as they are. */
  private static final Set<String> PLAIN_INITS =
      Set.of("true", "false", "gaussian", "eva", "orthogonal");

  private static final String REMEDY =
      "; fold it with PEFT (merge_and_unload) and name the result instead";

  private final String path;
  private final Map<String, String> texts = new HashMap<>();
  private final Map<String, Double> numbers = new HashMap<>();
  private final Map<String, LoraPattern> patterns = new HashMap<>();
  private JsonFile file;
  private boolean rootOfRank;
  private boolean fanInFanOut;

  private LoraConfig(String path) {
    this.path = path;
  }

  /** Of an adapter in memory. */
  static LoraConfig of(LoraAdapter.Settings settings) {
    LoraConfig config = new LoraConfig("its settings");
    config.numbers.put("r", (double) settings.rank());
    config.numbers.put("lora_alpha", settings.alpha());
    config.rootOfRank = settings.rootOfRank();
    if (!settings.base().isEmpty()) {
      config.texts.put("base_model_name_or_path", settings.base());
    }
    return config;
  }

  /**
   * @throws FormatException when it is no configuration of LoRA, or asks for what is not done here
   */
  static LoraConfig read(Path path) throws IOException {
    LoraConfig config = new LoraConfig(path.toString());
    JsonFile.read(
        path,
        (file, p) -> {
          config.file = file;
          while (p.nextToken() != JsonToken.END_OBJECT) {
            String key = p.currentName();
            p.nextToken();
            config.read(p, key);
          }
        });
    config.check();
    return config;
  }

  private void read(JsonParser p, String key) throws IOException {
    switch (key) {
      case "peft_type", "bias", "base_model_name_or_path", "task_type", "revision" -> {
        if (p.currentToken() != JsonToken.VALUE_NULL) {
          file.expect(p, p.currentToken() == JsonToken.VALUE_STRING, Names.quote(key), "a text");
          texts.put(key, p.getText());
        }
      }
      case "init_lora_weights" -> {
        boolean right =
            p.currentToken().isBoolean()
                || p.currentToken() == JsonToken.VALUE_NULL
                || p.currentToken() == JsonToken.VALUE_STRING;
        file.expect(p, right, Names.quote(key), "true, false or a text");
        texts.put(key, p.currentToken() == JsonToken.VALUE_NULL ? "true" : p.getText());
      }
      case "r", "lora_alpha" -> numbers.put(key, number(p, key));
      case "use_rslora" -> rootOfRank = truth(p, key);
      case "fan_in_fan_out" -> fanInFanOut = truth(p, key);
      case "rank_pattern", "alpha_pattern" -> patterns.put(key, pattern(p, key));
      default -> {
        if (HARMLESS.contains(key)) {
          p.skipChildren();
        } else {
          refuseUnlessOff(p, key);
        }
      }
    }
  }

  private double number(JsonParser p, String key) throws IOException {
    file.expect(p, p.currentToken().isNumeric(), Names.quote(key), "a number");
    double value = p.getDoubleValue();
    boolean count = value >= 1 && value == Math.rint(value) && value <= Integer.MAX_VALUE;
    boolean rank = key.equals("r") || key.equals("rank_pattern");
    if (rank ? !count : !Double.isFinite(value)) {
      throw new FormatException(
          path
              + ": "
              + Names.quote(key)
              + " has "
              + Names.cut(p.getText())
              + ", expected "
              + (rank ? "a whole number from 1" : "a finite number"));
    }
    return value;
  }

  private boolean truth(JsonParser p, String key) throws IOException {
    JsonToken token = p.currentToken();
    file.expect(
        p, token.isBoolean() || token == JsonToken.VALUE_NULL, Names.quote(key), "true or false");
    return token == JsonToken.VALUE_TRUE;
  }

  private LoraPattern pattern(JsonParser p, String key) throws IOException {
    LoraPattern pattern = new LoraPattern(path + ": " + Names.quote(key));
    if (p.currentToken() != JsonToken.VALUE_NULL) {
      file.expect(p, p.currentToken() == JsonToken.START_OBJECT, Names.quote(key), "an object");
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String module = p.currentName();
        p.nextToken();
        pattern.add(module, number(p, key));
      }
    }
    return pattern;
  }

  /** Null, false, 0 and what is empty say nothing. */
  private void refuseUnlessOff(JsonParser p, String key) throws IOException {
    JsonToken token = p.currentToken();
    boolean off =
        switch (token) {
          case VALUE_NULL, VALUE_FALSE -> true;
          case VALUE_STRING -> p.getText().isEmpty();
          case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> p.getDoubleValue() == 0;
          case START_OBJECT -> p.nextToken() == JsonToken.END_OBJECT;
          case START_ARRAY -> p.nextToken() == JsonToken.END_ARRAY;
          default -> false;
        };
    if (!off) {
      throw refused(
          key, REASONS.getOrDefault(key, "the key is not known here, and may change what it does"));
    }
  }

  private FormatException refused(String key, String reason) {
    return new FormatException(path + ": " + Names.quote(key) + ": " + reason + REMEDY);
  }

  private void check() {
    if (!texts.containsKey("peft_type")) {
      throw new FormatException(path + ": no 'peft_type'; no adapter of PEFT");
    }
    if (!texts.get("peft_type").equals("LORA")) {
      throw refused(
          "peft_type", "only LORA is known here, not " + Names.quote(texts.get("peft_type")));
    }
    for (String key : List.of("r", "lora_alpha")) {
      if (!numbers.containsKey(key)) {
        throw new FormatException(path + ": no " + Names.quote(key));
      }
    }
    String bias = texts.getOrDefault("bias", "none");
    if (!Set.of("none", "all", "lora_only").contains(bias)) {
      throw refused("bias", "expected is none, all or lora_only, not " + Names.quote(bias));
    }
    String init = texts.getOrDefault("init_lora_weights", "true");
    if (!PLAIN_INITS.contains(init)) {
      throw refused(
          "init_lora_weights",
          Names.quote(init)
              + " takes something off the weights that the adapter is for; save it for the plain"
              + " ones (path_initial_model_for_weight_conversion)");
    }
  }

  /** Of the factors of a module. */
  long rank(String module) {
    return (long) pattern("rank_pattern", module).orElse(numbers.get("r")).doubleValue();
  }

  /** What their product is multiplied by: {@code alpha / r}, of rsLoRA {@code alpha / sqrt(r)}. */
  double scale(String module) {
    double alpha = pattern("alpha_pattern", module).orElse(numbers.get("lora_alpha"));
    double rank = rank(module);
    return alpha / (rootOfRank ? Math.sqrt(rank) : rank);
  }

  private Optional<Double> pattern(String key, String module) {
    return Optional.ofNullable(patterns.get(key)).flatMap(pattern -> pattern.find(module));
  }

  /** Whether weights of linear layers are stored transposed, as GPT-2 has them. */
  boolean fanInFanOut() {
    return fanInFanOut;
  }

  /** Whether scales are {@code alpha / sqrt(r)}. */
  boolean rootOfRank() {
    return rootOfRank;
  }

  /** Of modules that no pattern fits. */
  double alpha() {
    return numbers.get("lora_alpha");
  }

  /** A text that is repeated where the adapter is part of another one. */
  Optional<String> text(String key) {
    return Optional.ofNullable(texts.get(key));
  }

  @Override
  public String toString() {
    return path;
  }
}
