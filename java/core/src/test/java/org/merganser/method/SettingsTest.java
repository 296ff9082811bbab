// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.merge.TiesMerger;

class SettingsTest {
  /** A constant of two words, and one with a body, which makes the enum sealed. */
  public enum Kind {
    ONE,
    TWO_WORDS {
      @Override
      public String toString() {
        return name();
      }
    }
  }

  /** A choice. */
  public sealed interface Shape {
    /** One number. */
    record Round(@Setting(value = "size", above = 0) double radius) implements Shape {
      public Round {
        Settings.check(Round.class, radius);
      }

      public static Round defaults() {
        return new Round(1);
      }
    }

    /** Two, one of the same name. */
    record Square(@Setting("size") double radius, @Setting("angle") double turn) implements Shape {
      public static Square defaults() {
        return new Square(2, 0);
      }
    }
  }

  /** Settings that others have too. */
  public record Common(@Setting("first number") long seed) {}

  /** Every type there is. */
  public record Options(
      @Setting(value = "a rate", min = 0, below = 1, varies = true) double learningRate,
      @Setting(value = "how often", min = 1) int count,
      @Setting("whether") boolean twice,
      @Setting("which") Kind kind,
      @Setting("a name") String label,
      @Setting(value = "some numbers", max = 9) List<Double> weights,
      @Setting("some names") List<String> ids,
      @Setting(value = "perhaps a number", min = 2) OptionalInt most,
      @Setting("perhaps a file") Optional<Path> file,
      @Setting("a form") Shape shape,
      Common common) {
    public Options {
      Settings.check(
          Options.class,
          learningRate,
          count,
          twice,
          kind,
          label,
          weights,
          ids,
          most,
          file,
          shape,
          common);
    }
  }

  private static final Options USUAL =
      new Options(
          0.1,
          3,
          false,
          Kind.ONE,
          "x",
          List.of(),
          List.of("a"),
          OptionalInt.empty(),
          Optional.empty(),
          Shape.Round.defaults(),
          new Common(7));
  private static final Settings<Options> SETTINGS = Settings.of(USUAL);

  private static Options parse(String text) {
    return SETTINGS.parse("m", text);
  }

  @Test
  void everyTypeIsReadAndWritten() {
    String text =
        "learning-rate=0.25,count=4,twice=true,kind=two-words,label=y,weights=1:2.5,ids=b:c,most=5,"
            + "file=a/b,shape=square,radius=3,turn=0.5,seed=8";
    Options options = parse(text);
    assertThat(options)
        .isEqualTo(
            new Options(
                0.25,
                4,
                true,
                Kind.TWO_WORDS,
                "y",
                List.of(1.0, 2.5),
                List.of("b", "c"),
                OptionalInt.of(5),
                Optional.of(Path.of("a/b")),
                new Shape.Square(3, 0.5),
                new Common(8)));
    assertThat(SETTINGS.text(options)).isEqualTo(text);
    assertThat(parse("")).isEqualTo(USUAL);
    assertThat(SETTINGS.text(USUAL)).isEmpty();
    assertThat(parse("ids=,most=,file=").ids()).isEmpty();
  }

  @Test
  void anotherChoiceBeginsWithItsOwnDefaults() {
    assertThat(parse("shape=square").shape()).isEqualTo(new Shape.Square(2, 0));
    assertThat(parse("radius=4").shape()).isEqualTo(new Shape.Round(4));
    assertThatThrownBy(() -> parse("turn=1"))
        .hasMessageStartingWith("m has no setting 'turn'; it has learning-rate, count, ");
  }

  /** The sign of a zero among them. */
  @Test
  void textGivesTheSameNumbers() {
    Settings<TiesMerger.Options> settings = Settings.of(TiesMerger.Options.defaults());
    TiesMerger.Options options =
        TiesMerger.Options.defaults()
            .withWeights(List.of(1e20, -1e-300, -0.0, 0.1))
            .withDensity(List.of(0.1))
            .withLambda(-0.0)
            .withNormalise(false);
    assertThat(settings.parse("ties", settings.text(options))).isEqualTo(options);
  }

  @Test
  void valuesForFilesArePlain() {
    assertThat(Settings.values(parse("most=5,weights=1:2")))
        .containsEntry("learning-rate", 0.1)
        .containsEntry("kind", "one")
        .containsEntry("weights", List.of(1.0, 2.0))
        .containsEntry("most", 5)
        .containsEntry("shape", "round")
        .containsEntry("radius", 1.0)
        .containsEntry("seed", 7L)
        .doesNotContainKey("file");
  }

  @Test
  void entriesAreWhatTablesShow() {
    assertThat(SETTINGS.entries())
        .contains(
            new Settings.Entry(
                "learning-rate", "number", false, "in [0, 1)", "0.1", "a rate", true, ""),
            new Settings.Entry(
                "count", "integer", false, "at least 1", "3", "how often", false, ""),
            new Settings.Entry("kind", "one, two-words", false, "", "one", "which", false, ""),
            new Settings.Entry(
                "weights", "numbers", true, "at most 9", "", "some numbers", false, ""),
            new Settings.Entry("file", "path", false, "", "", "perhaps a file", false, ""),
            new Settings.Entry("shape", "round, square", false, "", "round", "a form", false, ""),
            new Settings.Entry("radius", "number", false, "greater than 0", "1", "size", false, ""),
            new Settings.Entry("turn", "number", false, "", "0", "angle", false, "shape=square"),
            new Settings.Entry("seed", "integer", false, "", "7", "first number", false, ""));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "learning-rate=1|m: learning-rate must be in [0, 1), not 1.0",
        "learning-rate=NaN|m: learning-rate must be in [0, 1), not NaN",
        "count=0|m: count must be at least 1, not 0",
        "count=1.5|m: count must be an integer, not '1.5'",
        "twice=yes|m: twice must be one of true, false, not 'yes'",
        "kind=two_words|m: kind must be one of one, two-words, not 'two_words'",
        "weights=1:10|m: weights must be finite and at most 9, not 10.0",
        "weights=1::2|m: weights must be a number, not ''",
        "most=1|m: most must be at least 2, not 1",
        "shape=oval|m: shape must be one of round, square, not 'oval'",
        "radius=-1|m: radius must be finite and greater than 0, not -1.0",
        "count|m: 'count' is no setting; write NAME=VALUE; it has learning-rate, count, twice,"
            + " kind, label, weights, ids, most, file, shape, radius, seed",
        "count=1,count=2|m: count is set twice",
      })
  void whatCannotBeIsRefused(String text, String message) {
    assertThatThrownBy(() -> parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  /** Constants are called as they say themselves. */
  public enum Part {
    WHOLE,
    FIFTH;

    @Override
    public String toString() {
      return this == FIFTH ? "80-20" : name();
    }
  }

  /** A constructor without checks. */
  public record Unchecked(
      @Setting(value = "counts", min = 1) List<Integer> counts,
      @Setting("parts") List<Part> parts,
      Common common) {}

  @Test
  void optionsOfConstructorsWithoutChecksAreChecked() {
    Settings<Unchecked> settings =
        Settings.of(new Unchecked(List.of(1), List.of(Part.WHOLE), new Common(1)));
    assertThat(settings.with("parts", List.of(Part.FIFTH, Part.WHOLE)).parts())
        .containsExactly(Part.FIFTH, Part.WHOLE);
    assertThat(settings.with("parts", "80-20:whole").parts())
        .containsExactly(Part.values()[1], Part.WHOLE);
    assertThat(settings.with("seed", 5).common().seed()).isEqualTo(5);
    assertThat(settings.entries())
        .contains(
            new Settings.Entry("parts", "whole, 80-20", true, "", "whole", "parts", false, ""));
    assertThatThrownBy(() -> settings.with("counts", List.of(2, 0)))
        .hasMessage("counts must be at least 1, not 0");
    assertThatThrownBy(() -> settings.parse("m", "counts=0"))
        .hasMessage("m: counts must be at least 1, not 0");
    assertThatThrownBy(() -> settings.with("parts", "half"))
        .hasMessage("parts must be one of whole, 80-20, not 'half'");
    assertThatThrownBy(() -> Settings.check(new Unchecked(List.of(0), List.of(), new Common(1))))
        .hasMessage("counts must be at least 1, not 0");
  }

  @Test
  void oneComponentIsReplaced() {
    assertThat(Settings.with(USUAL, "count", 9))
        .isEqualTo(SETTINGS.parse("m", Map.of("count", "9")));
    assertThatThrownBy(() -> Settings.with(USUAL, "count", 0))
        .hasMessage("count must be at least 1, not 0");
    assertThatThrownBy(() -> Settings.with(USUAL, "no", 0))
        .isInstanceOf(IllegalStateException.class);
  }
}
