// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.align.Aligner;
import org.merganser.align.CcaAligner;
import org.merganser.merge.LinearMerger;
import org.merganser.method.Settings;

class CatalogueTest {

  @Test
  void unknownIdsNameTheKnownOnes() {
    assertThatThrownBy(() -> Catalogue.aligner("ccca"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "no aligner 'ccca'; there are " + String.join(", ", Catalogue.aligners().ids()));
    assertThat(Catalogue.aligners().ids()).contains("identity", "permutation", "cca", "procrustes");
    assertThat(Catalogue.mergers().ids()).contains("linear", "slerp", "task-arithmetic", "ties");
  }

  static Stream<Catalogue.Entry<?>> entries() {
    return Catalogue.kinds().values().stream().flatMap(kind -> kind.entries().stream());
  }

  /** Whatever is declared can be written, read and shown. */
  @ParameterizedTest
  @MethodSource("entries")
  void everyMethodSaysWhatItIs(Catalogue.Entry<?> entry) {
    assertThat(entry.id()).matches("[a-z][a-z0-9-]*");
    assertThat(entry.summary()).isNotBlank().doesNotEndWith(".").hasSizeLessThan(100);
    assertThat(entry.method().id()).isEqualTo(entry.id());
    assertThat(entry.method().options()).isEqualTo(entry.settings().defaults());
    for (Settings.Entry setting : entry.settings().entries()) {
      assertThat(setting.name()).matches("[a-z][a-z0-9-]*");
      assertThat(setting.help()).isNotBlank().doesNotEndWith(".");
      String text = setting.name() + "=" + setting.initial();
      if (!setting.initial().isEmpty()
          && !Settings.values(entry.settings().defaults()).containsKey(setting.name())) {
        // Of a choice that is not the usual one.
        assertThatThrownBy(() -> entry.method(text)).hasMessageContaining("has no setting");
        continue;
      }
      assertThat(entry.method(text).options()).as(text).isEqualTo(entry.settings().defaults());
      assertThatThrownBy(() -> entry.method(text + "," + text))
          .hasMessageContaining(entry.id() + ": " + setting.name() + " is set twice");
    }
    assertThatThrownBy(() -> entry.method("no-such=1"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll(entry.id(), "no-such");
  }

  @ParameterizedTest
  @MethodSource("entries")
  void theTextOfAMethodSaysAllItsSettings(Catalogue.Entry<?> entry) {
    String text = entry.method().text();
    assertThat(Catalogue.kinds().get(kind(entry)).method(text).options())
        .as(text)
        .isEqualTo(entry.method().options());
    Settings.values(entry.method().options())
        .forEach(
            (name, value) ->
                assertThat(text.contains(name + "=") || value.equals(List.of())).isTrue());
  }

  private static String kind(Catalogue.Entry<?> entry) {
    return Catalogue.kinds().entrySet().stream()
        .filter(kind -> kind.getValue().entries().contains(entry))
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void settingsFollowTheIdOfAMethod() {
    CcaAligner.Options options = CcaAligner.Options.defaults();
    assertThat(Catalogue.aligner("cca:gamma=0.1,unit=absolute").options())
        .isEqualTo(options.withGamma(0.1).withUnit(Aligner.Unit.ABSOLUTE));
    assertThat(Catalogue.mergers().method("linear:weights=1:3,normalise=as-given").options())
        .isEqualTo(
            LinearMerger.Options.defaults()
                .withWeights(List.of(1.0, 3.0))
                .withNormalise(LinearMerger.Normalise.AS_GIVEN));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "cca:gamma=-1 | cca: gamma must be finite and at least 0, not -1.0",
        "cca:gamma=NaN | cca: gamma must be finite and at least 0, not NaN",
        "cca:gamma=x | cca: gamma must be a number, not 'x'",
        "cca:gamma | cca: 'gamma' is no setting; write NAME=VALUE; it has gamma, unit",
        "cca: =1 | cca: '=1' is no setting; write NAME=VALUE; it has gamma, unit",
        "cca:unit=metre | cca: unit must be one of relative, absolute, not 'metre'",
        "cca:lambda=1 | cca has no setting 'lambda'; it has gamma, unit",
        "identity:gamma=1 | identity has no settings, so no 'gamma'; drop it",
      })
  void settingsThatCannotBeAreRefused(String text, String message) {
    assertThatThrownBy(() -> Catalogue.aligner(text.replace(" ", "")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void listsOfMethodsAreDividedBetweenMethods() {
    assertThat(Catalogue.Methods.split("identity,cca:gamma=0.1,unit=absolute,permutation"))
        .containsExactly("identity", "cca:gamma=0.1,unit=absolute", "permutation");
    assertThat(Catalogue.Methods.split("cca")).containsExactly("cca");
  }

  @Test
  void severalValuesAreSeveralMethods() {
    assertThat(Catalogue.Methods.alternatives("cca:gamma=0.1/1,unit=relative/absolute"))
        .containsExactly(
            "cca:gamma=0.1,unit=relative",
            "cca:gamma=0.1,unit=absolute",
            "cca:gamma=1,unit=relative",
            "cca:gamma=1,unit=absolute")
        .allSatisfy(text -> assertThat(Catalogue.aligner(text).id()).isEqualTo("cca"));
    assertThat(Catalogue.Methods.alternatives("identity")).containsExactly("identity");
    assertThatThrownBy(
            () -> Catalogue.Methods.alternatives("cca:gamma=1/").forEach(Catalogue::aligner))
        .hasMessage("cca: gamma must be a number, not ''");
    assertThat(Catalogue.aligners().id("cca:gamma=1")).isEqualTo("cca");
  }

  @Test
  void theReportHasWhatABugReportNeeds() {
    Map<String, String> facts = Doctor.examine();
    assertThat(facts)
        .containsKeys("merganser", "java", "os", "backend", "native", "isa", "blas", "cuda");
    assertThat(facts.get("isa")).startsWith(Doctor.isa());
    assertThat(Doctor.isa()).isIn("portable", "avx2", "avx512");
    // Filtered by the build: the version, not a placeholder.
    assertThat(facts.get("merganser")).matches("\\d+\\.\\d+\\.\\d+.*");
    assertThat(Doctor.versions()).containsKeys("merganser", "native", "java", "blas");
    assertThat(Doctor.versions().get("native")).isEqualTo(facts.get("merganser"));
  }
}
