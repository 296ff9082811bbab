// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The {@code adapter_config.json} of an adapter, or of a sum, scale 1. Where ranks differ, the
 * patterns have every module: PEFT takes the first that fits the end of a name, so longer names
 * come first.
 */
final class LoraConfigText {
  private LoraConfigText() {}

  /**
   * @param first whose base and task it repeats
   */
  static String of(LoraAdapter first, Map<String, SummedLayer> layers) throws IOException {
    Map<String, Long> ranks = new LinkedHashMap<>();
    List<SummedLayer> named =
        layers.values().stream().filter(layer -> !layer.named().isPartOfAttention()).toList();
    named.stream()
        .sorted(Comparator.comparing((SummedLayer l) -> -l.first().module().length()))
        .forEach(layer -> ranks.put(escaped(layer.first().module()), layer.rank()));
    long largest = ranks.values().stream().mapToLong(Long::longValue).max().orElse(1);
    boolean same = ranks.values().stream().allMatch(rank -> rank == largest);
    List<String> modules = named.stream().map(layer -> layer.first().module()).sorted().toList();
    return text(first.config(), largest, largest, false, same ? Map.of() : ranks, modules);
  }

  /** Of an adapter itself: that of its folder, else made of its settings. */
  static String of(LoraAdapter adapter) throws IOException {
    if (adapter.path().isPresent()) {
      return Files.readString(adapter.path().get().resolve(LoraConfig.FILE));
    }
    LoraConfig config = adapter.config();
    List<String> modules =
        adapter.layers().values().stream()
            .filter(layer -> !layer.isPartOfAttention())
            .map(LoraLayer::module)
            .sorted()
            .toList();
    long rank = config.rank("");
    return text(config, rank, config.alpha(), config.rootOfRank(), Map.of(), modules);
  }

  private static String text(
      LoraConfig from,
      long rank,
      double alpha,
      boolean rootOfRank,
      Map<String, Long> ranks,
      List<String> modules)
      throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("peft_type", "LORA");
      for (String key : List.of("task_type", "base_model_name_or_path", "revision")) {
        g.writeFieldName(key);
        g.writeObject(from.text(key).orElse(null));
      }
      g.writeBooleanField("inference_mode", true);
      g.writeNumberField("r", rank);
      g.writeFieldName("lora_alpha");
      if (alpha == Math.rint(alpha)) {
        g.writeNumber((long) alpha);
      } else {
        g.writeNumber(alpha);
      }
      pattern(g, "rank_pattern", ranks);
      pattern(g, "alpha_pattern", ranks);
      g.writeFieldName("target_modules");
      g.writeArray(modules.toArray(String[]::new), 0, modules.size());
      g.writeBooleanField("fan_in_fan_out", from.fanInFanOut());
      g.writeStringField("bias", "none");
      g.writeBooleanField("use_rslora", rootOfRank);
      g.writeBooleanField("use_dora", false);
      g.writeBooleanField("init_lora_weights", true);
      g.writeNumberField("lora_dropout", 0.0);
      g.writeNullField("modules_to_save");
      g.writeEndObject();
    }
    return text + "\n";
  }

  private static void pattern(JsonGenerator g, String key, Map<String, Long> ranks)
      throws IOException {
    g.writeObjectFieldStart(key);
    for (Map.Entry<String, Long> each : ranks.entrySet()) {
      g.writeNumberField(each.getKey(), each.getValue());
    }
    g.writeEndObject();
  }

  /** As a regular expression; a dot may stay one. */
  private static String escaped(String module) {
    return module.replaceAll("[^\\w.\\-]", "\\\\$0");
  }
}
