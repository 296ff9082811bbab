// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.IdentityHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.Examples;
import org.merganser.torch.Oracle;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.training.Schedule.Decay;

/** Steps of the optimisers, their schedule and clipping, against their rules in double. */
class OptimizerRulesTest {
  private static final double NO_CLIPPING = Double.POSITIVE_INFINITY;

  /** One model of one layer, all data in each batch: what remains is the rule of the optimiser. */
  private static double[][] fit(Optimizer optimizer, int steps, Schedule schedule, double clip)
      throws IOException {
    TorchNetwork linear = TorchNetwork.mlp(4, 1, 0, 3, Activation.RELU);
    try (Workspace ws = Workspace.builder().threads(1).open();
        Examples data = Oracle.clusters(3, 40, 4, 3);
        MemoryCheckpoint initial = Oracle.random(linear, 8);
        MemoryCheckpoint trained =
            Trainer.train(
                linear,
                initial,
                data,
                new Trainer.Options(optimizer, schedule, steps, 40, clip, 1),
                ws)) {
      return new double[][] {
        trained.tensor("fc1.weight").toDoubleArray(), trained.tensor("fc1.bias").toDoubleArray()
      };
    }
  }

  /** Applies {@code rule} step by step in double. */
  private static double[][] oracle(int steps, Rule rule) {
    TorchNetwork linear = TorchNetwork.mlp(4, 1, 0, 3, Activation.RELU);
    try (Examples data = Oracle.clusters(3, 40, 4, 3);
        MemoryCheckpoint initial = Oracle.random(linear, 8)) {
      double[][] theta = {
        initial.tensor("fc1.weight").toDoubleArray(), initial.tensor("fc1.bias").toDoubleArray()
      };
      double[][] x = Oracle.rows(data.inputs());
      double[][] state = {new double[12], new double[3], new double[12], new double[3]};
      for (int step = 0; step < steps; step++) {
        double[][] gradient = Oracle.gradient(x, data.labels(), theta[0], theta[1]);
        for (int t = 0; t < 2; t++) {
          for (int i = 0; i < theta[t].length; i++) {
            theta[t][i] =
                rule.next(step, theta[t][i], gradient[t][i], state[t], state[2 + t], i, gradient);
          }
        }
      }
      return theta;
    }
  }

  private interface Rule {
    double next(int step, double p, double g, double[] m, double[] v, int i, double[][] whole);
  }

  private static void assertClose(double[][] found, double[][] wanted) {
    for (int t = 0; t < wanted.length; t++) {
      assertThat(found[t]).containsExactly(wanted[t], within(2e-5));
    }
  }

  @Test
  void sgdFollowsItsRule() throws IOException {
    Optimizer sgd = new Optimizer.Sgd(0.3, 0.8, 0.05);
    for (int steps : new int[] {1, 5}) {
      double[][] wanted =
          oracle(
              steps,
              (step, p, g, m, v, i, whole) -> {
                m[i] = (step == 0 ? 0 : 0.8 * m[i]) + g + 0.05 * p;
                return p - 0.3 * m[i];
              });
      assertClose(fit(sgd, steps, new Schedule(0, Decay.CONSTANT), NO_CLIPPING), wanted);
    }
  }

  @Test
  void adamWFollowsItsRule() throws IOException {
    Optimizer adam = new Optimizer.AdamW(0.05, 0.2);
    for (int steps : new int[] {1, 6}) {
      double[][] wanted =
          oracle(
              steps,
              (step, p, g, m, v, i, whole) -> {
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                double mean = m[i] / (1 - Math.pow(0.9, step + 1));
                double spread = Math.sqrt(v[i] / (1 - Math.pow(0.999, step + 1)));
                return p * (1 - 0.05 * 0.2) - 0.05 * mean / (spread + 1e-8);
              });
      assertClose(fit(adam, steps, new Schedule(0, Decay.CONSTANT), NO_CLIPPING), wanted);
    }
  }

  @Test
  void amsGradKeepsTheLargestSecondMoment() throws IOException {
    int steps = 60;
    Map<double[], double[]> largest = new IdentityHashMap<>();
    boolean[] smaller = new boolean[1];
    double[][] wanted =
        oracle(
            steps,
            (step, p, g, m, v, i, whole) -> {
              double[] most = largest.computeIfAbsent(v, k -> new double[k.length]);
              m[i] = 0.9 * m[i] + 0.1 * g;
              v[i] = 0.999 * v[i] + 0.001 * g * g;
              smaller[0] |= v[i] < 0.99 * most[i];
              most[i] = Math.max(most[i], v[i]);
              double mean = m[i] / (1 - Math.pow(0.9, step + 1));
              double spread = Math.sqrt(most[i] / (1 - Math.pow(0.999, step + 1)));
              return p * (1 - 0.05 * 0.2) - 0.05 * mean / (spread + 1e-8);
            });
    Schedule constant = new Schedule(0, Decay.CONSTANT);
    assertClose(fit(new Optimizer.AmsGrad(0.05, 0.2), steps, constant, NO_CLIPPING), wanted);
    // Where it makes a difference.
    assertThat(smaller[0]).isTrue();
    double[][] without = fit(new Optimizer.AdamW(0.05, 0.2), steps, constant, NO_CLIPPING);
    assertThatThrownBy(() -> assertClose(without, wanted)).isInstanceOf(AssertionError.class);
  }

  @Test
  void theScheduleScalesEachStep() throws IOException {
    double[][] wanted = oracle(4, (step, p, g, m, v, i, whole) -> p - 0.5 * (1 - step / 4.0) * g);
    assertClose(fit(new Optimizer.Sgd(0.5, 0, 0), 4, Schedule.linearDecay(), NO_CLIPPING), wanted);
  }

  @Test
  void longGradientsAreClippedShortOnesAreNot() throws IOException {
    double clip = 0.2;
    double[][] wanted =
        oracle(
            3,
            (step, p, g, m, v, i, whole) -> {
              double squares = 0;
              for (double[] part : whole) {
                for (double value : part) {
                  squares += value * value;
                }
              }
              assertThat(Math.sqrt(squares)).isGreaterThan(clip);
              return p - 0.1 * g * clip / Math.sqrt(squares);
            });
    Optimizer sgd = new Optimizer.Sgd(0.1, 0, 0);
    Schedule constant = new Schedule(0, Decay.CONSTANT);
    assertClose(fit(sgd, 3, constant, clip), wanted);
    assertThat(fit(sgd, 3, constant, 1e6)).isDeepEqualTo(fit(sgd, 3, constant, NO_CLIPPING));
  }
}
