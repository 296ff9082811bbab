// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.testing.RunsOnce;

@RunsOnce("splits text, computes nothing")
class ModelReferenceTest {
  @ParameterizedTest
  @CsvSource({
    "org/name, org/name, , ,",
    "org/name@v1.0, org/name, v1.0, ,",
    "org/name@refs/pr/7, org/name, refs/pr/7, ,",
    "/data/model+/data/adapter, /data/model, , /data/adapter,",
    "org/name@abc+my/adapter@def, org/name, abc, my/adapter, def",
    "./run, ./run, , ,",
  })
  void parts(String text, String model, String revision, String adapter, String adapterRevision) {
    ModelReference parsed = ModelReference.parse(text);
    assertThat(parsed.model()).isEqualTo(model);
    assertThat(parsed.revision()).isEqualTo(Optional.ofNullable(revision));
    assertThat(parsed.adapter().map(ModelReference::model)).isEqualTo(Optional.ofNullable(adapter));
    assertThat(parsed.adapter().flatMap(ModelReference::revision))
        .isEqualTo(Optional.ofNullable(adapterRevision));
    assertThat(parsed).hasToString(text);
    assertThat(ModelReference.parse(" " + text + "\n")).isEqualTo(parsed);
    assertThat(parsed.withoutAdapter().adapter()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "@main", "a@", "+a", "a+", "a+b+c", "a@b@c", "a+b@c@d", "a\0b"})
  void refused(String text) {
    assertThatThrownBy(() -> ModelReference.parse(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("of a model reference");
  }

  @Test
  void anAdapterHasNoAdapter() {
    Optional<ModelReference> two = Optional.of(ModelReference.parse("b+c"));
    assertThatThrownBy(() -> new ModelReference("a", Optional.empty(), two))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("an adapter with an adapter: b+c");
  }
}
