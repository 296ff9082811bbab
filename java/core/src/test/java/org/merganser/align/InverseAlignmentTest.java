// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.model.FeatureSpace;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;

class InverseAlignmentTest {
  private static final JavaNetwork NETWORK = JavaNetwork.branches(Activation.RELU);

  @Test
  void permutationsThereAndBackGiveTheSameBits() throws IOException {
    MemoryCheckpoint model = NETWORK.random(DType.F32, 1, WS);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    Models.orders(NETWORK.architecture(), 5)
        .forEach((space, order) -> maps.put(space, ScaledPermutation.of(order)));
    Alignment alignment = Alignment.of("planted", NETWORK.architecture(), maps);
    Checkpoint back = alignment.inverse().apply(alignment.apply(model));
    Models.assertSameBits("there and back", back, model, WS);
    assertThat(alignment.inverse().method()).isEqualTo("planted");
    assertThat(alignment.inverse().isExact()).isTrue();
  }

  /** T = I + N with N strictly triangular and N^2 = 0, so T^-1 = I - N. */
  @Test
  void denseMapsUseTheInverseTheyCameWith() throws IOException {
    MemoryCheckpoint model = NETWORK.random(DType.F64, 1, WS);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    SplittableRandom random = new SplittableRandom(3);
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      Matrix map = Matrix.identity(space.width());
      Matrix inverse = Matrix.identity(space.width());
      for (long r = 0; r < space.width() / 2; r++) {
        for (long c = space.width() / 2; c < space.width(); c++) {
          double value = random.nextDouble(-1, 1);
          map.set(r, c, value);
          inverse.set(r, c, -value);
        }
      }
      maps.put(space.id(), LinearMap.of(map, inverse));
    }
    Alignment alignment = Alignment.of("planted", NETWORK.architecture(), maps);
    for (String space : maps.keySet()) {
      LinearMap map = (LinearMap) maps.get(space);
      LinearMap inverse = (LinearMap) alignment.inverse().map(space);
      assertThat(array(inverse.matrix())).isEqualTo(array(map.inverseMatrix()));
      assertThat(array(inverse.inverseMatrix())).isEqualTo(array(map.matrix()));
    }
    Models.assertClose(
        "there and back", alignment.inverse().apply(alignment.apply(model)), model, 1e-12, WS);
  }

  @Test
  void scoresStay() {
    Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
    for (FeatureSpace space : NETWORK.architecture().spaces()) {
      spaces.put(space.id(), SpaceAlignment.identity(space.width()));
    }
    String first = NETWORK.architecture().spaces().iterator().next().id();
    SpaceAlignment measured =
        new SpaceAlignment(
            spaces.get(first).map(), 0.75, new double[] {1, 0.5}, spaces.get(first).completion());
    spaces.put(first, measured);
    Alignment alignment = new Alignment("m", NETWORK.architecture(), spaces);
    assertThat(alignment.inverse().spaces().get(first).score()).isEqualTo(0.75);
    assertThat(alignment.inverse().spaces().get(first).spectrum()).containsExactly(1, 0.5);
  }
}
