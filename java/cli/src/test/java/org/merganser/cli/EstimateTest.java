// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** A model is judged by a part of it, but for what is done once. */
class EstimateTest {
  private static final double ONCE = 0.3;

  /** Whose first reading takes a while, as that of a merge with statistics of the whole model. */
  private static Checkpoint slowAtFirst(int tensors) {
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    for (int i = 0; i < tensors; i++) {
      infos.put("layer." + i, new TensorInfo(DType.F32, List.of(100L)));
    }
    AtomicBoolean begun = new AtomicBoolean();
    return new Checkpoint() {
      @Override
      public Map<String, TensorInfo> tensors() {
        return infos;
      }

      @Override
      public void readRange(String name, long from, long to, Tensor into, Workspace ws)
          throws IOException {
        if (begun.compareAndSet(false, true)) {
          try {
            TimeUnit.NANOSECONDS.sleep((long) (1e9 * ONCE));
          } catch (InterruptedException e) {
            throw new IOException(e);
          }
        }
      }
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 100, 1000})
  void statisticsOfTheWholeModelAreTakenOnce(int tensors) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      // A hundred times as long, each tensor counted.
      assertThat(Estimate.seconds(slowAtFirst(tensors), 1, ws)).isBetween(ONCE, 40 * ONCE);
    }
  }
}
