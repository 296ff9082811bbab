// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.linalg.Tensor;

class BlobsTest {

  @Test
  void hasTheSizesOfTheTask() {
    try (DataSet data = Blobs.draw(123, 4)) {
      assertThat(data.name()).isEqualTo("blobs");
      assertThat(data.train().inputs().shape()).containsExactly(123, 64);
      assertThat(data.test().inputs().shape()).containsExactly(4000, 64);
      assertThat(data.inputSize()).isEqualTo(64);
      assertThat(data.train().classes()).isEqualTo(10);
      assertThat(data.pixels()).isEmpty();
      assertThat(Arrays.stream(data.test().labels()).distinct().sorted().toArray())
          .containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }
  }

  @Test
  void theSeedDecidesEverything() {
    try (DataSet first = Blobs.draw(200, 1);
        DataSet again = Blobs.draw(200, 1);
        DataSet other = Blobs.draw(200, 2)) {
      assertThat(first.train().inputs().sameBytes(again.train().inputs())).isTrue();
      assertThat(first.test().inputs().sameBytes(again.test().inputs())).isTrue();
      assertThat(first.train().labels()).isEqualTo(again.train().labels());
      assertThat(first.train().inputs().sameBytes(other.train().inputs())).isFalse();
      assertThat(first.train().labels()).isNotEqualTo(other.train().labels());
    }
  }

  @Test
  void isStandardisedByItsTrainingSamples() {
    try (DataSet data = Blobs.draw(500, 3)) {
      for (Tensor inputs : new Tensor[] {data.train().inputs(), data.test().inputs()}) {
        boolean train = inputs.dim(0) == 500;
        for (int f = 0; f < 64; f++) {
          double sum = 0;
          double squares = 0;
          for (int s = 0; s < inputs.dim(0); s++) {
            double value = inputs.get(s * 64L + f);
            sum += value / inputs.dim(0);
            squares += value * value / inputs.dim(0);
          }
          assertThat(sum).isCloseTo(0, within(train ? 1e-6 : 0.3));
          assertThat(squares).isCloseTo(1, within(train ? 1e-6 : 0.5));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 0, 1, 1_000_001, Integer.MAX_VALUE})
  void refusesImpossibleSizes(int train) {
    assertThatThrownBy(() -> Blobs.draw(train, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("cannot draw " + train + " training samples of blobs; ask for 2 to 1000000");
  }
}
