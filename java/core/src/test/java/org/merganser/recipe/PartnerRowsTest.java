// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;

/** Rows of several models find each other by the texts of tokens. */
class PartnerRowsTest {
  private static final String EMBEDDING = "model.embed_tokens.weight";

  /** a, b, c, one row of padding. */
  private static final Vocabulary TARGET = vocabulary("a", "b", "c");

  @Test
  void partnersAreThoseOfTheSameTextAndOthersAreZero() throws IOException {
    Vocabulary skill = vocabulary("c", "x", "a", "b");
    Vocabulary base = vocabulary("a", "c");
    PartnerRows rows = PartnerRows.byToken(TARGET, 4, List.of(skill, base), List.of(4, 3));
    assertThat(rows.unmatched()).isEqualTo(2);
    assertThat(rows.moved()).isEqualTo(2);
    try (Checkpoint s = model(1, 2, 3, 4);
        Checkpoint b = model(10, 20, 30)) {
      // b is in the skill's model, but not in the base's: neither has it.
      assertThat(embedding(rows.view(0, s, List.of(EMBEDDING)))).containsExactly(3, 0, 1, 0);
      assertThat(embedding(rows.view(1, b, List.of(EMBEDDING)))).containsExactly(10, 0, 20, 0);
    }
  }

  /** As in Tulu 3, whose 128264 rows stand against the 128256 of Llama 3.1. */
  @Test
  void moreRowsOfPaddingChangeNothingElse() throws IOException {
    PartnerRows rows = PartnerRows.byToken(TARGET, 8, List.of(TARGET, TARGET), List.of(3, 5));
    assertThat(rows.unmatched()).isEqualTo(5);
    assertThat(rows.moved()).isZero();
    try (Checkpoint s = model(1, 2, 3);
        Checkpoint b = model(4, 5, 6, 7, 8)) {
      assertThat(embedding(rows.view(0, s, List.of(EMBEDDING))))
          .containsExactly(1, 2, 3, 0, 0, 0, 0, 0);
      assertThat(embedding(rows.view(1, b, List.of(EMBEDDING))))
          .containsExactly(4, 5, 6, 0, 0, 0, 0, 0);
    }
  }

  @Test
  void tokensWithoutARowHaveNoPartner() throws IOException {
    PartnerRows rows = PartnerRows.byToken(TARGET, 2, List.of(TARGET), List.of(1));
    try (Checkpoint model = model(7)) {
      assertThat(embedding(rows.view(0, model, List.of(EMBEDDING)))).containsExactly(7, 0);
    }
  }

  @Test
  void equalRowsNeedNoView() {
    try (Checkpoint model = model(1, 2, 3)) {
      PartnerRows token = PartnerRows.byToken(TARGET, 3, List.of(TARGET), List.of(3));
      assertThat(token.view(0, model, List.of(EMBEDDING))).isSameAs(model);
      PartnerRows index = PartnerRows.byIndex(3, 2);
      assertThat(index.view(1, model, List.of(EMBEDDING))).isSameAs(model);
      assertThat(index.unmatched()).isZero();
    }
  }

  private static Vocabulary vocabulary(String... tokens) {
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (String token : tokens) {
      ids.put(token, ids.size());
    }
    return new Vocabulary(ids);
  }

  private static MemoryCheckpoint model(float... rows) {
    return MemoryCheckpoint.of(Map.of(EMBEDDING, Tensor.of(rows, rows.length, 1)));
  }

  private static double[] embedding(Checkpoint model) throws IOException {
    try (Workspace ws = Workspace.open();
        Tensor tensor = model.read(EMBEDDING, ws)) {
      return tensor.toDoubleArray();
    }
  }
}
