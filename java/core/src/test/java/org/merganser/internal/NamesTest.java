// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class NamesTest {
  static Stream<Arguments> names() {
    return Stream.of(
        Arguments.of("fc1.weight", "fc1.weight"),
        Arguments.of("n\u00e4me", "n\u00e4me"),
        Arguments.of("\u001b[31mred", "\\u001b[31mred"),
        Arguments.of("a\u009bb", "a\\u009bb"),
        Arguments.of("a\nb\r\u2028c", "a\\u000ab\\u000d\\u2028c"),
        Arguments.of("a\u202eb", "a\\u202eb"),
        Arguments.of("a\0", "a\\u0000"),
        Arguments.of("\ud800", "\\ud800"),
        Arguments.of("\ud83e\udd86", "\ud83e\udd86"));
  }

  @ParameterizedTest
  @MethodSource("names")
  void quotesWhatATerminalWouldObey(String name, String quoted) {
    assertThat(Names.quote(name)).isEqualTo("'" + quoted + "'");
  }

  @Test
  void longNamesAreCut() {
    assertThat(Names.quote("x".repeat(163_000)))
        .hasSizeLessThan(200)
        .contains("...(163000 characters)...");
  }

  private static List<String> layers(String prefix, int layers) {
    List<String> names = new ArrayList<>(List.of(prefix + "embed.weight", prefix + "norm.weight"));
    for (int l = 0; l < layers; l++) {
      for (String part : List.of("q_proj", "k_proj", "up_proj", "down_proj")) {
        names.add(prefix + "model.layers." + l + "." + part + ".weight");
      }
    }
    return names;
  }

  @ParameterizedTest
  @CsvSource({
    "module., '', module.",
    "'', module., module.",
    "_orig_mod.module., '', _orig_mod.module.",
    "'', model.diffusion_model., model.diffusion_model.",
    "net_, '', net_",
    "'', net/, net/"
  })
  void aPrefixOfOneSideIsFound(String mine, String theirs, String prefix) {
    assertThat(Names.prefixes(layers(mine, 3), layers(theirs, 3))).containsExactly(prefix);
    // One tensor more does not hide it.
    List<String> more = layers(mine, 3);
    more.add("extra");
    assertThat(Names.prefixes(more, layers(theirs, 3))).containsExactly(prefix);
  }

  @Test
  void prefixesOfBothSidesAreFoundWithoutWhatTheyShare() {
    List<String> mine = List.of("module.model.a.weight", "module.model.b.weight");
    List<String> theirs = List.of("_orig_mod.model.a.weight", "_orig_mod.model.b.weight");
    assertThat(Names.prefixes(mine, theirs)).containsExactly("module.", "_orig_mod.");
  }

  @Test
  void otherDifferencesAreNoPrefix() {
    assertThat(Names.prefixes(List.of("a.x", "a.y"), List.of("b.x", "c.y"))).isEmpty();
    assertThat(Names.prefixes(List.of(), List.of("x"))).isEmpty();
    assertThat(Names.prefixes(List.of("x"), List.of())).isEmpty();
    assertThat(Names.prefixes(List.of("..", "."), List.of("", "."))).isNotNull();
  }

  /** Names of hundreds of characters and of a hundred thousand, few and many. */
  @Test
  void suggestionsTakeBoundedTime() {
    List<String> many =
        IntStream.range(0, 50_000).mapToObj(i -> "model.layers." + i + ".weight").toList();
    String huge = "y".repeat(163_000);
    SplittableRandom random = new SplittableRandom(1);
    List<String> dots =
        IntStream.range(0, 3000)
            .mapToObj(i -> ".".repeat(random.nextInt(400)) + "x" + random.nextInt(9))
            .distinct()
            .toList();
    Names.missing("warm up", many);
    assertQuick(() -> Names.missing("_orig_mod.model.layers.3.weight", many));
    assertQuick(() -> Names.missing("x".repeat(163_000), List.of(huge, huge + "z")));
    assertQuick(() -> Names.missing("x".repeat(163_000), many));
    assertQuick(() -> Names.prefixes(dots, many).toString());
    assertQuick(() -> Names.prefixes(dots, List.of("x1", ".x2", "..x3")).toString());
    assertThat(Names.missing("fc1.wieght", List.of("fc1.weight", "fc2.weight", "b")))
        .isEqualTo("no tensor 'fc1.wieght' (nearest of 3: fc1.weight, fc2.weight, b)");
  }

  @Test
  void theNearestNamesAreOffered() {
    List<String> known = List.of("fc1.weight", "fc2.weight", "fc1.bias", "conv.weight");
    assertThat(Names.missing("fc1.wieght", known))
        .isEqualTo("no tensor 'fc1.wieght' (nearest of 4: fc1.weight, fc2.weight, fc1.bias)");
    assertThat(Names.missing("x", List.of())).isEqualTo("no tensor 'x' (there are none at all)");
    assertThat(Names.distance("kitten", "sitting")).isEqualTo(3);
    assertThat(Names.distance("", "abc")).isEqualTo(3);
    assertThat(Names.distance("abc", "abc")).isZero();
  }

  private static void assertQuick(Supplier<String> message) {
    // 50 ms are meant; the machine may do something else meanwhile.
    long best = Long.MAX_VALUE;
    for (int i = 0; i < 3; i++) {
      long start = System.nanoTime();
      assertThat(message.get().length()).isLessThan(2000);
      best = Math.min(best, System.nanoTime() - start);
    }
    assertThat(best / 1_000_000).isLessThan(200);
  }
}
