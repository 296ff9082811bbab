// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.CcaAligner;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.model.Evaluation;
import org.merganser.model.Inputs;
import org.merganser.stats.Moments;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.LabelledRows;
import org.merganser.testing.Oracle;

class InterpolationTest {
  private static final JavaNetwork NETWORK = JavaNetwork.mlp(Activation.RELU, 6, 9, 9, 3);
  private static final double[][] X = Oracle.gaussian(200, 6, 1);

  private final Workspace ws = Workspace.builder().threads(2).open();
  private final MemoryCheckpoint a = NETWORK.random(DType.F32, 1, ws);
  private final MemoryCheckpoint b = moved();
  private final Inputs.Labelled data = labelled();

  /** The function of model 0 nearly, its features in another order than {@link #reversed} knows. */
  private MemoryCheckpoint moved() {
    Map<String, ScaledPermutation> maps = new LinkedHashMap<>();
    for (String space : List.of("fc0", "fc1")) {
      maps.put(space, ScaledPermutation.of(3, 1, 4, 0, 5, 8, 2, 6, 7));
    }
    try (Alignment away = Alignment.of("moved", NETWORK.architecture(), maps)) {
      MemoryCheckpoint model = MemoryCheckpoint.copyOf(away.apply(a), ws);
      for (long i = 0; i < model.tensor("fc1.weight").size(); i += 2) {
        model.tensor("fc1.weight").set(i, 0.9 * model.tensor("fc1.weight").get(i));
      }
      return model;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private Inputs.Labelled labelled() {
    try {
      return LabelledRows.by(NETWORK, a, X, 50, ws);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @AfterEach
  void close() {
    a.close();
    b.close();
    ws.close();
  }

  private Alignment cca() throws IOException {
    try (Moments moments = Moments.collect(NETWORK, List.of(a, b), data, CcaAligner.REQUEST, ws)) {
      return CcaAligner.relativeGamma(0.1)
          .align(AlignmentProblem.of(NETWORK.architecture(), moments), ws)
          .of(1);
    }
  }

  private static Alignment reversed() {
    Map<String, ScaledPermutation> maps = new LinkedHashMap<>();
    for (String space : List.of("fc0", "fc1")) {
      maps.put(space, ScaledPermutation.of(8, 7, 6, 5, 4, 3, 2, 1, 0));
    }
    return Alignment.of("reversed", NETWORK.architecture(), maps);
  }

  private Evaluation mixed(Checkpoint first, Checkpoint second, double lambda) throws IOException {
    MergeProblem problem = MergeProblem.of(first, second);
    Checkpoint model = LinearMerger.weights(1 - lambda, lambda).merge(problem, ws);
    return Evaluation.of(NETWORK, model, data, ws);
  }

  private Interpolation path(
      Checkpoint first, Checkpoint second, Alignment alignment, Interpolation.Repair repair)
      throws IOException {
    double[] lambdas = {0, 0.25, 0.5, 0.75, 1};
    return Interpolation.of(NETWORK, first, second, alignment, lambdas, repair, data, ws);
  }

  @Test
  void theGridIsEven() {
    assertThat(Interpolation.grid(11)).hasSize(11).contains(0, 0.5, 1).isSorted();
    assertThat(Interpolation.grid(2)).containsExactly(0, 1);
    assertThatThrownBy(() -> Interpolation.grid(1))
        .hasMessage("a path needs at least 2 points, not 1");
  }

  @Test
  void aModelAndItsPermutedSelfHaveNoBarrier() throws IOException {
    Alignment there = reversed();
    try (MemoryCheckpoint moved = MemoryCheckpoint.copyOf(there.inverse().apply(a), ws)) {
      Interpolation path = path(a, moved, there, Interpolation.Repair.NONE);
      Evaluation wanted = Evaluation.of(NETWORK, a, data, ws);
      assertThat(path.points()).extracting(Interpolation.Point::evaluation).containsOnly(wanted);
      assertThat(path.lossBarrier().height()).isZero();
      assertThat(path.accuracyBarrier().height()).isZero();
    }
  }

  @Test
  void exactMapsGiveOneLine() throws IOException {
    Alignment alignment = reversed();
    Interpolation path = path(a, b, alignment, Interpolation.Repair.NONE);
    for (Interpolation.Point point : path.points()) {
      assertThat(point.evaluation()).isEqualTo(mixed(a, alignment.apply(b), point.lambda()));
    }
    assertThat(path.points().get(4).evaluation().loss())
        .isCloseTo(Evaluation.of(NETWORK, b, data, ws).loss(), within(1e-6));
    // Features in another order: worse between than at the ends.
    assertThat(path.lossBarrier().height()).isGreaterThan(0.1);
    double between = path.points().get(2).evaluation().loss();
    double ends =
        path.points().get(0).evaluation().loss() + path.points().get(4).evaluation().loss();
    assertThat(path.lossBarrier().height()).isGreaterThanOrEqualTo(between - ends / 2);
    assertThat(path.accuracyBarrier().height()).isGreaterThan(0.02);
  }

  @Test
  void denseMapsGiveTwoHalfLines() throws IOException {
    Alignment alignment = cca();
    assertThat(alignment.isExact()).isFalse();
    Interpolation path = path(a, b, alignment, Interpolation.Repair.NONE);
    Checkpoint mapped = alignment.apply(b);
    Checkpoint back = alignment.inverse().apply(a);
    List<Evaluation> wanted =
        List.of(
            Evaluation.of(NETWORK, a, data, ws),
            mixed(a, mapped, 0.25),
            mixed(a, mapped, 0.5),
            mixed(back, b, 0.75),
            Evaluation.of(NETWORK, b, data, ws));
    for (int i = 0; i < 5; i++) {
      assertThat(path.points().get(i).evaluation().loss())
          .as("point %d", i)
          .isCloseTo(wanted.get(i).loss(), within(1e-5));
    }
    // The one line in the features of model 0 would be another.
    assertThat(mixed(a, mapped, 0.75).loss()).isNotCloseTo(wanted.get(3).loss(), within(1e-4));
    assertThat(path.lambdas()).containsExactly(0, 0.25, 0.5, 0.75, 1);
  }

  @Test
  void repairSeesEveryModelWithItsEndpointsAndDecidesWhatIsEvaluated() throws IOException {
    Alignment alignment = cca();
    List<Double> lambdas = new ArrayList<>();
    Interpolation path =
        path(
            a,
            b,
            alignment,
            (model, ends, lambda) -> {
              lambdas.add(lambda);
              assertThat(ends).hasSize(2);
              assertThat(ends.get(0) == a).isEqualTo(lambda <= 0.5);
              assertThat(ends.get(1) == b).isEqualTo(lambda > 0.5);
              float[] found = model.read("fc1.weight", ws).toFloatArray();
              float[] first = ends.get(0).read("fc1.weight", ws).toFloatArray();
              float[] second = ends.get(1).read("fc1.weight", ws).toFloatArray();
              for (int i = 0; i < found.length; i++) {
                assertThat((double) found[i])
                    .isCloseTo((1 - lambda) * first[i] + lambda * second[i], within(1e-5));
              }
              return MemoryCheckpoint.copyOf(b, ws);
            });
    assertThat(lambdas).containsExactly(0.0, 0.25, 0.5, 0.75, 1.0);
    Evaluation wanted = Evaluation.of(NETWORK, b, data, ws);
    assertThat(path.points()).extracting(Interpolation.Point::evaluation).containsOnly(wanted);
    // The ends were lent, not given.
    assertThat(a.tensor("fc0.bias").get(0)).isFinite();
    assertThat(b.tensor("fc0.bias").get(0)).isFinite();
  }

  @Test
  void lambdasOutsideAreRefused() {
    assertThatThrownBy(
            () ->
                Interpolation.of(
                    NETWORK,
                    a,
                    b,
                    reversed(),
                    new double[] {0, 1.5},
                    Interpolation.Repair.NONE,
                    data,
                    ws))
        .hasMessage("lambda must be in [0, 1], not 1.5");
  }
}
