// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.align.CcaAligner;

class CatalogueTest {

  @Test
  void unknownIdsNameTheKnownOnes() {
    assertThatThrownBy(() -> Catalogue.aligner("ccca"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "no aligner 'ccca'; there are " + String.join(", ", Catalogue.aligners().keySet()));
    assertThat(Catalogue.aligners())
        .containsKeys("identity", "permutation", "cca", "procrustes", "ridge");
    assertThat(Catalogue.aligner("cca")).isInstanceOf(CcaAligner.class);
    assertThat(Catalogue.mergers()).containsOnlyKeys("linear");
    Catalogue.mergers().forEach((id, merger) -> assertThat(merger.get().id()).isEqualTo(id));
    assertThatThrownBy(() -> Catalogue.aligners().clear())
        .isInstanceOf(UnsupportedOperationException.class);
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
