// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchOrderTest {
  @Test
  void anEpochTakesEverySampleOnceInAnOrderOfItsOwn() {
    BatchOrder order = new BatchOrder(10, 4, 1);
    assertThat(order.batches()).isEqualTo(3);
    List<List<Integer>> epochs = new ArrayList<>();
    for (long step = 0; step < 6; step++) {
      if (step % 3 == 0) {
        epochs.add(new ArrayList<>());
      }
      int[] batch = order.batch(step);
      assertThat(batch).hasSize(step % 3 == 2 ? 2 : 4);
      Arrays.stream(batch).forEach(epochs.get((int) step / 3)::add);
    }
    assertThat(epochs)
        .allSatisfy(
            epoch -> assertThat(epoch).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    assertThat(epochs.get(0)).isNotEqualTo(epochs.get(1));
    // Whichever was asked before.
    assertThat(order.batch(1)).isEqualTo(new BatchOrder(10, 4, 1).batch(1));
    assertThat(order.batch(1)).isNotEqualTo(new BatchOrder(10, 4, 2).batch(1));
  }
}
