// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.experts.Expert.Kept;
import org.merganser.torch.experts.Expert.Scores;
import org.merganser.torch.experts.Expert.Watched;

/** Whose the tensors are. */
class ExpertFileTest {
  private static final ExpertFile FILE = new ExpertFile("task", Optional.empty(), Map.of());

  private static Expert expert() {
    MemoryCheckpoint tensors = MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 3)));
    Kept kept = new Kept(5, tensors, Optional.empty(), new Scores(1, .25), new Scores(2, .5));
    return new Expert(
        "task",
        List.of(kept),
        Optional.empty(),
        List.of(3.0, 2.0),
        List.of(new HeldOut(0, .5)),
        List.of(new Watched(5, Tensor.zeros(DType.F32, 2, 3))));
  }

  private static void assertClosed(MemoryCheckpoint tensors, String... names) {
    for (String name : names) {
      assertThatThrownBy(() -> tensors.tensor(name).get(0))
          .as(name)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("already closed");
    }
  }

  @Test
  void whatIsMadeForTheFileIsTheCallersToClose() {
    try (Expert expert = expert()) {
      MemoryCheckpoint packed;
      try (Opened made = new Opened()) {
        packed = FILE.pack(expert, made);
        assertThat(packed.tensor("losses").toDoubleArray()).containsExactly(3, 2);
      }
      assertClosed(packed, "losses", "scores", "heldOut");
      assertThat(packed.tensor("kept/5/w").get(0)).isZero();
      assertThat(packed.tensor("watched/5").get(0)).isZero();
    }
  }

  @Test
  void ofAFileTheExpertOwnsWhatItConsistsOf() {
    MemoryCheckpoint packed = FILE.pack(expert(), new Opened());
    try (Expert read = FILE.unpack(packed)) {
      assertThat(read.losses()).containsExactly(3.0, 2.0);
      assertThat(read.heldOut()).containsExactly(new HeldOut(0, .5));
      assertThat(read.kept().get(0).heldOut()).isEqualTo(new Scores(2, .5));
      assertClosed(packed, "losses", "scores", "heldOut");
      assertThat(packed.tensor("kept/5/w").get(0)).isZero();
    }
    assertClosed(packed, "kept/5/w", "watched/5");
  }
}
