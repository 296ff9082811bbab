// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.analysis.landscape.Direction.Norm;
import org.merganser.analysis.landscape.Direction.OneDimensional;
import org.merganser.analysis.landscape.LossSurface.Grid;
import org.merganser.analysis.landscape.LossSurface.Line;
import org.merganser.analysis.landscape.LossSurface.Segment;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

class LossSurfaceTest {
  private static final LossFunction TWO_WELLS = (theta, ws) -> Math.pow(theta[0] * theta[0] - 1, 2);

  /** x + 10 y + 100 z. */
  private static final LossFunction PLANE =
      (theta, ws) -> theta[0] + 10 * theta[1] + 100 * theta[2];

  @Test
  void twoWellsHaveABarrierOfOne() throws IOException {
    try (Workspace ws = Minima.workspace(2)) {
      Segment path = LossSurface.between(TWO_WELLS, new double[] {-1}, new double[] {1}, 25, ws);
      assertThat(path.losses()).hasSize(25);
      assertThat(path.losses()[0]).isZero();
      assertThat(path.barrier().height()).isEqualTo(1);
      assertThat(path.barrier().lambda()).isEqualTo(0.5);
      assertThat(path.aboveEnds()).isEqualTo(path.barrier());
    }
  }

  /** The line between the ends lies below the worse one. */
  @Test
  void theTwoBarriersDifferWhereTheEndsDo() throws IOException {
    try (Workspace ws = Minima.workspace(1)) {
      Segment path = LossSurface.between(TWO_WELLS, new double[] {-1}, new double[] {1.2}, 23, ws);
      double end = Math.pow(1.44 - 1, 2);
      double highest = Arrays.stream(path.losses()).max().orElseThrow();
      assertThat(path.aboveEnds().height()).isCloseTo(highest - end, within(1e-12));
      assertThat(path.barrier().height()).isGreaterThan(path.aboveEnds().height());
      Segment down = LossSurface.between(TWO_WELLS, new double[] {1}, new double[] {2}, 5, ws);
      assertThat(down.aboveEnds().height()).isZero();
      assertThat(down.barrier().height()).isZero();
      LossFunction endless = (theta, own) -> theta[0] > 0 ? Double.POSITIVE_INFINITY : 0;
      Segment broken = LossSurface.between(endless, new double[] {-1}, new double[] {1}, 5, ws);
      assertThatThrownBy(broken::barrier).isInstanceOf(NumericalException.class);
      assertThatThrownBy(broken::aboveEnds).isInstanceOf(NumericalException.class);
    }
  }

  @Test
  void aPlaneIsWhatItsDirectionsSpan() throws IOException {
    double[] centre = {1, 2, 3};
    double[] d = {1, 0, 0};
    double[] e = {3, 4, 0};
    double[] first = LossSurface.evenly(-1, 1, 5);
    double[] second = {0, 2};
    try (Workspace ws = Minima.workspace(2)) {
      Grid oblique = LossSurface.plane(PLANE, centre, d, e, first, second, false, ws);
      assertThat(oblique.cosine()).isCloseTo(0.6, within(1e-15));
      assertThat(oblique.losses()[4]).containsExactly(322, 322 + 2 * 43);
      Grid right = LossSurface.plane(PLANE, centre, d, e, first, second, true, ws);
      assertThat(right.cosine()).isEqualTo(oblique.cosine());
      assertThat(right.losses()[4]).containsExactly(322, 322 + 2 * 40);
      assertThat(right.losses()[2][0]).isEqualTo(321);
      assertThat(right.clipped(321.5)[4]).containsExactly(321.5, 321.5);
      assertThat(right.clipped(321.5)[2][0]).isEqualTo(321);
      Line line = LossSurface.line(PLANE, centre, e, new double[] {-1, 0, 2}, ws);
      assertThat(line.losses()).containsExactly(321 - 43, 321, 321 + 86);
      assertThatThrownBy(() -> LossSurface.plane(PLANE, centre, d, d, first, second, true, ws))
          .isInstanceOf(NumericalException.class)
          .hasMessageContaining("span no plane");
      assertThatThrownBy(
              () -> LossSurface.plane(PLANE, centre, d, new double[3], first, second, false, ws))
          .isInstanceOf(NumericalException.class);
    }
  }

  @Test
  void badGridsAreRefused() {
    assertThat(LossSurface.evenly(-1, 1, 51)[25]).isZero();
    for (int points = 2; points < 100; points++) {
      double[] steps = LossSurface.evenly(0.1, 0.7, points);
      assertThat(steps[0]).isEqualTo(0.1);
      assertThat(steps[points - 1]).isEqualTo(0.7);
    }
    assertThatThrownBy(() -> LossSurface.evenly(-1, 1, 0)).hasMessageContaining("2 points");
    assertThatThrownBy(() -> LossSurface.evenly(1, -1, 5)).hasMessageContaining("range");
    double[] centre = {1, 2, 3};
    try (Workspace ws = Minima.workspace(1)) {
      assertThatThrownBy(() -> LossSurface.line(PLANE, centre, centre, new double[0], ws))
          .hasMessageContaining("no points");
      assertThatThrownBy(
              () -> LossSurface.line(PLANE, centre, centre, new double[] {Double.NaN}, ws))
          .hasMessageContaining("not NaN");
      assertThatThrownBy(() -> LossSurface.line(PLANE, centre, new double[2], new double[1], ws))
          .isInstanceOf(ShapeException.class);
      assertThatThrownBy(() -> LossSurface.between(PLANE, centre, centre, 1, ws))
          .hasMessageContaining("at least 2 points");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void theSurfaceOfANetworkHasTheMinimumInTheMiddle(int threads) throws IOException {
    TorchNetwork network = Minima.convolutional();
    ParamLayout layout = ParamLayout.of(network);
    try (Workspace ws = Minima.workspace(threads);
        Examples data = Minima.data(network, 1, 150);
        MemoryCheckpoint minimum = Minima.trained(network, data)) {
      double[] theta = layout.read(minimum, ws);
      double[] d =
          Direction.gaussian(layout, theta, 1, Norm.FILTER, OneDimensional.IGNORE).values();
      double[] e =
          Direction.gaussian(layout, theta, 2, Norm.FILTER, OneDimensional.IGNORE).values();
      NetworkLoss kept = new NetworkLoss(network, minimum, data);
      double[] steps = LossSurface.evenly(-1, 1, 3);
      Grid grid = LossSurface.plane(kept, theta, d, e, steps, steps, true, ws);
      double own = Evaluation.of(network, minimum, data, ws).loss();
      assertThat(grid.losses()[1][1]).isEqualTo(own);
      assertThat(Arrays.stream(grid.losses()).flatMapToDouble(Arrays::stream).min().orElseThrow())
          .isEqualTo(own);
      // Alone, and by the model that it is.
      double[] corner = Vectors.moved(theta, 1, d, 0, e);
      try (MemoryCheckpoint there = layout.model(network, corner, minimum, ws);
          MemoryCheckpoint fresh =
              new BatchNormReset().apply(there, network, data.batches(128), ws)) {
        assertThat(grid.losses()[2][1]).isEqualTo(Evaluation.of(network, there, data, ws).loss());
        NetworkLoss anew = new NetworkLoss(network, minimum, data, data, Statistics.RECALIBRATED);
        assertThat(anew.at(corner, ws))
            .isEqualTo(Evaluation.of(network, fresh, data, ws).loss())
            .isNotEqualTo(grid.losses()[2][1]);
      }
      assertThatThrownBy(() -> kept.at(new double[3], ws)).isInstanceOf(ShapeException.class);
    }
  }

  @Test
  void surfacesDoNotDependOnThreads() throws IOException {
    TorchNetwork network = Minima.convolutional();
    ParamLayout layout = ParamLayout.of(network);
    double[] steps = LossSurface.evenly(-1, 1, 3);
    try (Examples data = Minima.data(network, 1, 150);
        MemoryCheckpoint minimum = Minima.trained(network, data)) {
      NetworkLoss loss = new NetworkLoss(network, minimum, data);
      double[][] one = null;
      double[] line = null;
      for (int threads : new int[] {1, 2, 8}) {
        try (Workspace ws = Minima.workspace(threads)) {
          double[] theta = layout.read(minimum, ws);
          double[] d =
              Direction.gaussian(layout, theta, 1, Norm.FILTER, OneDimensional.IGNORE).values();
          double[] e =
              Direction.gaussian(layout, theta, 2, Norm.FILTER, OneDimensional.IGNORE).values();
          double[][] grid = LossSurface.plane(loss, theta, d, e, steps, steps, true, ws).losses();
          double[] along = LossSurface.line(loss, theta, d, steps, ws).losses();
          one = one == null ? grid : one;
          line = line == null ? along : line;
          assertThat(grid).isDeepEqualTo(one);
          assertThat(along).isEqualTo(line);
        }
      }
    }
  }

  @Test
  void aNetworkAndItsDataFit() throws IOException {
    TorchNetwork network = Minima.mlp();
    try (Examples data = Minima.data(network, 1, 20);
        Examples images = Minima.data(Minima.convolutional(), 1, 20);
        MemoryCheckpoint minimum = network.initialise(1)) {
      assertThatThrownBy(() -> new NetworkLoss(network, minimum, images))
          .isInstanceOf(ShapeException.class);
      assertThatThrownBy(
              () -> new NetworkLoss(network, minimum, data, data, Statistics.RECALIBRATED))
          .hasMessageContaining("batch normalisation");
    }
  }
}
