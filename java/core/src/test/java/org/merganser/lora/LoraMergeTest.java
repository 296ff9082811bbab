// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.KnotsMerger;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Models;

/** Folded models are models: methods merge them as they would merge files of them. */
class LoraMergeTest {
  @ParameterizedTest
  @ValueSource(
      strings = {"knots", "ties:density=0.5", "dare-linear:density=0.5", "task-arithmetic"})
  void methodsTakeThem(String method) throws IOException {
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(Safetensors.open(Adapters.fixture("base.safetensors")));
      Checkpoint plain = opened.add(LoraAdapter.open(Adapters.fixture("plain"))).fold(base);
      Checkpoint other = opened.add(LoraAdapter.open(Adapters.fixture("other"))).fold(base);
      Checkpoint found =
          opened.add(
              Catalogue.mergers()
                  .method(method)
                  .merge(MergeProblem.of(plain, other).withBase(base), WS));
      Checkpoint files =
          opened.add(
              Catalogue.mergers()
                  .method(method)
                  .merge(
                      MergeProblem.of(
                              opened.add(MemoryCheckpoint.copyOf(plain, Map.of(), WS)),
                              opened.add(MemoryCheckpoint.copyOf(other, Map.of(), WS)))
                          .withBase(base),
                      WS));
      Models.assertSameBits(method, found, files, WS);
    }
  }

  /** KnOTS is linear without election: the mean of the adapters' changes, all of rank 5. */
  @Test
  void knotsOfAdaptersKeepsTheirMean() throws IOException {
    try (Opened opened = new Opened()) {
      Checkpoint base = opened.add(Safetensors.open(Adapters.fixture("base.safetensors")));
      Checkpoint plain = opened.add(LoraAdapter.open(Adapters.fixture("plain"))).fold(base);
      Checkpoint other = opened.add(LoraAdapter.open(Adapters.fixture("other"))).fold(base);
      MergeProblem problem = MergeProblem.of(plain, other);
      Checkpoint knots =
          opened.add(
              KnotsMerger.of(KnotsMerger.Options.defaults().withElect(false).withSmallest(1e-6))
                  .merge(problem.withBase(base), WS));
      Checkpoint mean = opened.add(LinearMerger.uniform().merge(problem, WS));
      Models.assertClose("knots", knots, mean, 1e-6, WS);
      try (Tensor merged = knots.read("layers.0.q.weight", WS);
          Tensor before = base.read("layers.0.q.weight", WS)) {
        assertThat(merged.sameBytes(before)).isFalse();
      }
    }
  }
}
