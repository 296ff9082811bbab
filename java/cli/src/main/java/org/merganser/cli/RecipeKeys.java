// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Keys of recipes that are not read, with the reason. */
final class RecipeKeys {
  private static final String OPTION = "says how a merge runs, which the command line does: ";
  private static final String NOT_HERE = "belongs to mergekit's Python, drop it";

  /** Keys of other files and versions. */
  static final Map<String, String> REFUSED =
      Map.ofEntries(
          Map.entry("name", "several recipes in one file (mergekit-multi) are not read"),
          Map.entry("random_seed", "write seed under parameters"),
          Map.entry("seed", "write seed under parameters"),
          Map.entry("normalize", "write it under parameters"),
          Map.entry("int8_mask", "write it under parameters, where it has no effect"),
          Map.entry("weight", "write it under parameters"),
          Map.entry("density", "write it under parameters"),
          Map.entry("out_shard_size", OPTION + "--max-shard"),
          Map.entry("num_threads", OPTION + "--threads"),
          Map.entry("cuda", NOT_HERE),
          Map.entry("device", NOT_HERE),
          Map.entry("low_cpu_memory", NOT_HERE),
          Map.entry("lazy_unpickle", NOT_HERE),
          Map.entry("allow_crimes", NOT_HERE),
          Map.entry("trust_remote_code", NOT_HERE),
          Map.entry("clone_tensors", NOT_HERE),
          Map.entry("residual_weight", "mergekit reads it and does nothing with it; drop it"),
          Map.entry(
              "override_architecture", "names of tensors tell the architecture here; drop it"));

  private static final List<String> KNOWN =
      List.of(
          "merge_method",
          "base_model",
          "models",
          "slices",
          "parameters",
          "dtype",
          "out_dtype",
          "tokenizer_source",
          "tokenizer",
          "chat_template",
          "embeddings",
          "copy_from_base",
          "align",
          "repair");

  private RecipeKeys() {}

  /** Those of a recipe; modules only where it is meant, or a slip in models would look like it. */
  static List<String> known(List<String> given) {
    List<String> known = new ArrayList<>(KNOWN);
    if (given.contains("modules")) {
      known.add("modules");
    }
    return known;
  }

  /** The same and one more. */
  static Map<String, String> with(String key, String reason) {
    Map<String, String> all = new LinkedHashMap<>(REFUSED);
    all.put(key, reason);
    return all;
  }
}
