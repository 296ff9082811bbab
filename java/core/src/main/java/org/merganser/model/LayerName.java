// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What the name of a layer says: {@code block2.fc10} is the template {@code block#.fc#} with the
 * numbers 2 and 10. Numbers order the layers of one template; between templates only words are
 * left, and those suggest an order without proving it.
 *
 * @param numbers decimal, without leading zeros
 */
record LayerName(String name, String template, List<String> numbers)
    implements Comparable<LayerName> {

  private static final String ATTENTION = "an attention projection";
  private static final String EMBEDDING = "an embedding";
  private static final String MIXTURE = "a gate or an expert of a mixture";
  private static final String BESIDE = "one of several layers beside each other";
  private static final String AROUND = "a path around other layers";
  private static final String ADDED = "an adapter added to other layers";
  private static final String GATED = "part of a gated unit (w2 of the product of w1 and w3)";
  private static final String RECURRENT = "part of a recurrent layer";

  /** Words for layers that do not stand in a row, though their shapes may chain. */
  private static final Map<String, String> NOT_IN_A_ROW =
      Map.ofEntries(
          Map.entry("attn", ATTENTION),
          Map.entry("attention", ATTENTION),
          Map.entry("attentions", ATTENTION),
          Map.entry("mha", ATTENTION),
          Map.entry("qkv", ATTENTION),
          Map.entry("query", ATTENTION),
          Map.entry("key", ATTENTION),
          Map.entry("value", ATTENTION),
          Map.entry("wq", ATTENTION),
          Map.entry("wk", ATTENTION),
          Map.entry("wv", ATTENTION),
          Map.entry("embed", EMBEDDING),
          Map.entry("embedding", EMBEDDING),
          Map.entry("embeddings", EMBEDDING),
          Map.entry("emb", EMBEDDING),
          Map.entry("wte", EMBEDDING),
          Map.entry("wpe", EMBEDDING),
          Map.entry("gate", MIXTURE),
          Map.entry("gates", MIXTURE),
          Map.entry("router", MIXTURE),
          Map.entry("adapter", ADDED),
          Map.entry("adapters", ADDED),
          Map.entry("expert", MIXTURE),
          Map.entry("experts", MIXTURE),
          Map.entry("heads", BESIDE),
          Map.entry("branch", BESIDE),
          Map.entry("branches", BESIDE),
          Map.entry("tower", BESIDE),
          Map.entry("towers", BESIDE),
          Map.entry("ensemble", BESIDE),
          Map.entry("members", BESIDE),
          Map.entry("models", BESIDE),
          Map.entry("nets", BESIDE),
          Map.entry("networks", BESIDE),
          Map.entry("critics", BESIDE),
          Map.entry("estimators", BESIDE),
          Map.entry("skip", AROUND),
          Map.entry("shortcut", AROUND),
          Map.entry("residual", AROUND),
          Map.entry("downsample", AROUND),
          Map.entry("lstm", RECURRENT),
          Map.entry("gru", RECURRENT),
          Map.entry("rnn", RECURRENT));

  /** Words of low-rank and similar updates, which are no network on their own. */
  private static final Set<String> ADAPTERS =
      Set.of(
          "lora", "dora", "loha", "lokr", "locon", "hada", "vera", "adalora", "qlora", "dylora",
          "glora", "oft", "boft", "ia3");

  /** Counted like layers, but side by side: {@code head1}, {@code head_2}, twin critics. */
  private static final Pattern NUMBERED_BESIDE =
      Pattern.compile("(?:.*[^a-z])?(?:head|critic|qf?|task)[_-]?[0-9].*");

  private static final Pattern GATED_UNIT = Pattern.compile("(?:.*[^a-z])?w_?3");

  private static final Map<String, Integer> POSITIONS =
      Map.ofEntries(
          Map.entry("in", 0),
          Map.entry("input", 0),
          Map.entry("first", 0),
          Map.entry("stem", 0),
          Map.entry("enc", 0),
          Map.entry("encoder", 0),
          Map.entry("hidden", 1),
          Map.entry("mid", 1),
          Map.entry("middle", 1),
          Map.entry("out", 2),
          Map.entry("output", 2),
          Map.entry("last", 2),
          Map.entry("final", 2),
          Map.entry("head", 2),
          Map.entry("classifier", 2),
          Map.entry("logits", 2),
          Map.entry("dec", 2),
          Map.entry("decoder", 2));

  static LayerName of(String name) {
    StringBuilder template = new StringBuilder();
    List<String> numbers = new ArrayList<>();
    for (int i = 0; i < name.length(); ) {
      int end = i;
      while (end < name.length() && isDigit(name.charAt(end))) {
        end++;
      }
      if (end > i) {
        numbers.add(withoutLeadingZeros(name, i, end));
        template.append('#');
        i = end;
      } else {
        template.append(name.charAt(i++));
      }
    }
    return new LayerName(name, template.toString(), List.copyOf(numbers));
  }

  private static String withoutLeadingZeros(String name, int from, int to) {
    int start = from;
    while (start + 1 < to && name.charAt(start) == '0') {
      start++;
    }
    return name.substring(start, to);
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  /** By template, then by numbers; equal numbers are no order, and compare as 0. */
  @Override
  public int compareTo(LayerName other) {
    int order = template.compareTo(other.template);
    for (int i = 0; order == 0 && i < numbers.size(); i++) {
      String mine = numbers.get(i);
      String theirs = other.numbers.get(i);
      order = Integer.compare(mine.length(), theirs.length());
      order = order == 0 ? mine.compareTo(theirs) : order;
    }
    return order;
  }

  /** Whether it belongs to an adapter: {@code lora_A}, {@code ia3_l}, or PEFT's prefix. */
  boolean isAdapter() {
    return name.startsWith("base_model.model.")
        || words().stream().anyMatch(ADAPTERS::contains)
        || Stream.of(lowerCase().split("[^a-z0-9]+")).anyMatch(ADAPTERS::contains);
  }

  /** What the layer is, when its name says that it does not stand in a row with others. */
  Optional<String> notInARow() {
    List<String> words = words();
    // Letters alone may count layers.
    if (words.stream().anyMatch(List.of("q", "k", "v")::contains)
        && words.stream().anyMatch(List.of("proj", "to", "w")::contains)) {
      return Optional.of(ATTENTION);
    }
    if (NUMBERED_BESIDE.matcher(lowerCase()).matches()) {
      return Optional.of(BESIDE);
    }
    if (GATED_UNIT.matcher(lowerCase()).matches()) {
      return Optional.of(GATED);
    }
    return words.stream().filter(NOT_IN_A_ROW::containsKey).findFirst().map(NOT_IN_A_ROW::get);
  }

  private String lowerCase() {
    return name.toLowerCase(Locale.ROOT);
  }

  /** 0 at the input, 1 in the middle, 2 at the output, when a word says so. */
  OptionalInt position() {
    return words().stream().filter(POSITIONS::containsKey).mapToInt(POSITIONS::get).findFirst();
  }

  /** Runs of letters, split where a capital follows a small letter, in lower case. */
  private List<String> words() {
    List<String> words = new ArrayList<>();
    int start = 0;
    for (int i = 0; i <= name.length(); i++) {
      boolean letter = i < name.length() && Character.isLetter(name.charAt(i));
      boolean hump =
          letter
              && i > start
              && Character.isUpperCase(name.charAt(i))
              && Character.isLowerCase(name.charAt(i - 1));
      if (!letter || hump) {
        if (i > start) {
          words.add(name.substring(start, i).toLowerCase(Locale.ROOT));
        }
        start = hump ? i : i + 1;
      }
    }
    return words;
  }
}
