// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.EarlyStopping.Policy;
import org.merganser.model.EarlyStopping.Score;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.training.Optimizer;

/** What every trainer makes of a curve of held-out scores that is given. */
class DescentTest {

  /** One parameter, from 0, of which each step takes the learning rate: its gradient is 1. */
  private static final class Given implements Learner {
    private final Tensor leaf;
    private final Score asked;
    private final double[] curve;
    private int evaluations;

    Given(Tensor leaf, Score asked, double... curve) {
      this.leaf = leaf;
      this.asked = asked;
      this.curve = curve;
      leaf.set_requires_grad(true);
    }

    @Override
    public List<Tensor> leaves() {
      return List.of(leaf);
    }

    @Override
    public int threads() {
      return 1;
    }

    @Override
    public double backward(long step) throws IOException {
      return Libtorch.call(
          1,
          () -> {
            try (Tensor gradient = leaf.mutable_grad();
                Tensor one = torch.ones_like(leaf.detach())) {
              gradient.put(one);
              return 1.0;
            }
          });
    }

    @Override
    public OptionalDouble heldOut(Score score) {
      assertThat(score).isEqualTo(asked);
      return curve.length == 0 ? OptionalDouble.empty() : OptionalDouble.of(curve[evaluations++]);
    }
  }

  private record Found(double parameter, int steps, List<HeldOut> heldOut, int reductions) {}

  /** Of SGD at rate 1. */
  private static Found run(Policy policy, long steps, double... curve) throws IOException {
    EarlyStopping stopping = new EarlyStopping(policy);
    Descent<Given> descent =
        new Descent<>(new Optimizer.Sgd(1, 0, 0)::create, 1, step -> 1, Double.POSITIVE_INFINITY) {
          @Override
          protected String diverged(long step) {
            return "step " + step;
          }

          @Override
          protected void stepped(long made, double loss) {
            // Nobody is told.
          }
        };
    Map<String, org.merganser.linalg.Tensor> theta =
        Map.of("w", org.merganser.linalg.Tensor.of(new float[1], 1));
    try (Workspace ws = Workspace.builder().threads(1).seed(1).open();
        Shared shared = Libtorch.call(1, () -> new Shared(theta))) {
      Given learner = new Given(shared.all().get("w"), policy.score(), curve);
      List<Double> losses = descent.run(learner, theta, steps, stopping, ws);
      double parameter = theta.get("w").get(0);
      return new Found(parameter, losses.size(), stopping.evaluations(), stopping.reductions());
    }
  }

  /**
   * Warm-up to 5.5, 15 steps at 1, then three evaluations no better than 0.6 (an equal one among
   * them), 5 at a half to the best; two more reductions end it.
   */
  @Test
  void thePlateauScheduleAndItsBestState() throws IOException {
    double[] accuracies = {.5, .6, .6, .55, .58, .7, .1, .1, .1, .69, .7, .2};
    Found found = run(Policy.plateau(1000), 1000, accuracies);
    assertThat(found.steps()).isEqualTo(60);
    assertThat(found.reductions()).isEqualTo(3);
    assertThat(found.heldOut()).extracting(HeldOut::step).startsWith(5L, 10L).endsWith(60L);
    assertThat(found.parameter()).isCloseTo(-(5.5 + 15 + 2.5), within(1e-4));
  }

  /** The greatest number of steps is that of either. */
  @Test
  void theLastStepIsLookedAtToo() throws IOException {
    for (long most : new long[] {12, 1000}) {
      Found found = run(Policy.plateau(most), 12, .5, .4, .6);
      assertThat(found.heldOut()).extracting(HeldOut::step).containsExactly(5L, 10L, 12L);
      assertThat(found.parameter()).isCloseTo(-7.5, within(1e-5));
    }
    assertThat(run(Policy.plateau(12), 1000, .5, .4, .6).steps()).isEqualTo(12);
    assertThat(run(Policy.plateau(12), 1000, .5, .4, .3).parameter()).isCloseTo(-1.5, within(1e-6));
  }

  /** Less is better, and the start is the best. */
  @Test
  void theLeastLossMayBeThatOfTheStart() throws IOException {
    Found found = run(Policy.leastLoss(4, 2), 1000, 1, 2, Double.NaN);
    assertThat(found.steps()).isEqualTo(8);
    assertThat(found.parameter()).isZero();
    assertThat(run(Policy.leastLoss(4, 2), 1000, 3, 2, 2.5, 1.5, 1.6, 1.7).parameter())
        .isEqualTo(-12);
  }

  @Test
  void whatIsNoMoreThanTheDeltaBetterIsNoImprovement() throws IOException {
    Policy policy = new Policy(Score.ACCURACY, 0, 1, 2, .5, .25, 2, 100, false);
    // Kept after 1 and 3; 0.75 is 0.25 better than 0.5.
    Found found = run(policy, 100, .5, .75, 1, .9, .9, .9, .9);
    assertThat(found.steps()).isEqualTo(7);
    assertThat(found.parameter()).isEqualTo(-3);
  }

  /** Without held-out data there is nothing to go by. */
  @Test
  void otherwiseAllStepsAreMade() throws IOException {
    Found found = run(Policy.plateau(1000), 30);
    assertThat(found.steps()).isEqualTo(30);
    assertThat(found.heldOut()).isEmpty();
    assertThat(found.parameter()).isCloseTo(-25.5, within(1e-4));
  }
}
