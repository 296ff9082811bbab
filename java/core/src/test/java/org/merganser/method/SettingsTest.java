// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {
  /** Constants are called as they say themselves. */
  public enum Part {
    WHOLE_NUMBER,
    FIFTH;

    @Override
    public String toString() {
      return this == FIFTH ? "80-20" : name();
    }
  }

  /** What others have in common. */
  public record Shared(
      @Setting(value = "how many", min = 1) int models,
      @Setting(value = "how long", min = 2) OptionalInt steps,
      @Setting("where") Optional<Path> keep) {
    public Shared {
      Settings.check(Shared.class, models, steps, keep);
    }
  }

  /** One of every type. */
  public record Options(
      Shared shared,
      @Setting("which") List<String> names,
      @Setting("what part") Part part,
      @Setting(value = "how wide", above = 0) OptionalDouble width,
      @Setting(value = "counts", min = 1) List<Integer> counts,
      @Setting("whether") boolean repair) {
    public Options {
      names = List.copyOf(names);
      counts = List.copyOf(counts);
      Settings.check(Options.class, shared, names, part, width, counts, repair);
    }

    static Options defaults() {
      return new Options(
          new Shared(2, OptionalInt.empty(), Optional.empty()),
          List.of("a", "b"),
          Part.WHOLE_NUMBER,
          OptionalDouble.empty(),
          List.of(),
          true);
    }
  }

  private static final Settings<Options> SETTINGS = Settings.of(Options.defaults());

  @Test
  void aRecordWithinBelongsToTheWhole() {
    assertThat(SETTINGS.entries())
        .extracting(Settings.Entry::name)
        .containsExactly("models", "steps", "keep", "names", "part", "width", "counts", "repair");
    assertThat(SETTINGS.entries())
        .extracting(Settings.Entry::type)
        .containsExactly(
            "integer",
            "integer",
            "path",
            "texts",
            "whole-number, 80-20",
            "number",
            "integers",
            "true, false");
    assertThat(SETTINGS.entries())
        .extracting(Settings.Entry::initial)
        .containsExactly("2", "", "", "a:b", "whole-number", "", "", "true");
    assertThat(SETTINGS.entries())
        .extracting(Settings.Entry::list)
        .containsExactly(false, false, false, true, false, false, true, false);
  }

  @Test
  void everyTypeIsRead() {
    Options found =
        SETTINGS.parse(
            "m", "models=3,steps=4,keep=x/y,names=c,part=80-20,width=0.5,counts=1:2,repair=false");
    assertThat(found)
        .isEqualTo(
            new Options(
                new Shared(3, OptionalInt.of(4), Optional.of(Path.of("x/y"))),
                List.of("c"),
                Part.FIFTH,
                OptionalDouble.of(0.5),
                List.of(1, 2),
                false));
    assertThat(SETTINGS.parse("m", SETTINGS.text(found))).isEqualTo(found);
    assertThat(Settings.values(found))
        .isEqualTo(
            Map.of(
                "models",
                3,
                "steps",
                4,
                "keep",
                "x/y",
                "names",
                List.of("c"),
                "part",
                "80-20",
                "width",
                0.5,
                "counts",
                List.of(1, 2),
                "repair",
                false));
    assertThat(Settings.values(Options.defaults())).doesNotContainKeys("steps", "keep", "width");
    assertThat(SETTINGS.text(Options.defaults())).isEmpty();
  }

  /** Items of lists may hold what divides items in a text. */
  @Test
  void valuesAreGivenAsTheyAre() {
    Options found =
        SETTINGS.with(
            "",
            Options.defaults(),
            Map.of("names", List.of("cca:gamma=1", "d"), "width", 2.5, "part", Part.FIFTH));
    assertThat(found.names()).containsExactly("cca:gamma=1", "d");
    assertThat(found.width()).hasValue(2.5);
    assertThat(found.part()).isEqualTo(Part.FIFTH);
    assertThat(Settings.with(found, "steps", 7).shared().steps()).hasValue(7);
    assertThat(Settings.with(found, "names", List.of()).names()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "models=0 | m: models must be at least 1, not 0",
        "steps=1 | m: steps must be at least 2, not 1",
        "steps=x | m: steps must be an integer, not 'x'",
        "width=0 | m: width must be finite and greater than 0, not 0.0",
        "counts=3:0 | m: counts must be at least 1, not 0",
        "counts=3:a | m: counts must be integers, not '3:a'",
        "part=half | m: part must be one of whole-number, 80-20, not 'half'",
        "repair=no | m: repair must be one of true, false, not 'no'",
        "models= | m: models must be an integer, not ''",
      })
  void whatCannotBeIsRefused(String text, String message) {
    assertThatThrownBy(() -> SETTINGS.parse("m", text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void messagesCanDoWithoutTheMethod() {
    assertThatThrownBy(() -> Settings.with(Options.defaults(), "models", 0))
        .hasMessage("models must be at least 1, not 0");
    assertThatThrownBy(() -> Settings.with(Options.defaults(), "models", List.of(1, 2)))
        .hasMessage("models takes one value, not [1, 2]");
  }
}
