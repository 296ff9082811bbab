// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Draw;
import org.merganser.testing.JavaObjective;

class NpMergerPropertiesTest {
  private static final Workspace WS = Workspace.open();

  private static float[] gaussian(int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static MemoryCheckpoint model(float[] values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, values.length)));
  }

  private static NpMerger.Result learn(
      JavaObjective objective, NpMerger.Options options, float[] a, float[] c) throws IOException {
    return NpMerger.of(objective, options).learn(MergeProblem.of(model(a), model(c)), WS);
  }

  private static float[] theta(NpMerger.Result learned) {
    return learned.model().tensor("w").toFloatArray();
  }

  @Cases(30)
  void thetaStaysBetweenTheModels(Draw draw) throws IOException {
    int n = draw.integer(1, 70);
    long seed = draw.seed();
    NpMerger.Form form = draw.of(NpMerger.Form.values());
    int steps = draw.integer(1, 40);
    float[] a = gaussian(n, seed);
    float[] c = gaussian(n, seed + 1);
    NpMerger.Options options =
        NpMerger.Options.defaults()
            .withForm(form)
            .withSteps(steps)
            .withOptimizer(new NpMerger.Optimizer.Adam(3));
    float[] theta = theta(learn(JavaObjective.constant(gaussian(n, seed + 2)), options, a, c));
    for (int i = 0; i < n; i++) {
      assertThat(theta[i]).isBetween(Math.min(a[i], c[i]), Math.max(a[i], c[i]));
    }
  }

  @Cases(30)
  void equalModelsAreUntouched(Draw draw) throws IOException {
    int n = draw.integer(1, 70);
    long seed = draw.seed();
    NpMerger.Form form = draw.of(NpMerger.Form.values());
    float[] a = gaussian(n, seed);
    NpMerger.Result learned =
        learn(
            JavaObjective.constant(gaussian(n, seed + 2)),
            NpMerger.Options.defaults().withForm(form).withSteps(9),
            a,
            a.clone());
    assertThat(theta(learned)).isEqualTo(a);
  }

  @Cases(30)
  void swappingTheModelsMirrorsTheCoefficients(Draw draw) throws IOException {
    int n = draw.integer(1, 70);
    long seed = draw.seed();
    float[] a = gaussian(n, seed);
    float[] c = gaussian(n, seed + 1);
    JavaObjective objective = JavaObjective.distance(gaussian(n, seed + 2));
    NpMerger.Options options = NpMerger.Options.defaults().withSteps(20);
    NpMerger.Result there = learn(objective, options, a, c);
    NpMerger.Result back = learn(objective, options, c, a);
    for (int i = 0; i < n; i++) {
      double size = Math.max(Math.abs(a[i]), Math.abs(c[i]));
      assertThat((double) theta(there)[i]).isCloseTo(theta(back)[i], within(1e-4 * size));
      assertThat(there.coefficients().tensor("w").get(i))
          .isCloseTo(1 - back.coefficients().tensor("w").get(i), within(1e-3));
    }
  }

  /** dL/dz of one SGD step of rate 1 against central differences of L in F64. */
  @Cases(30)
  void gradientsOfLogitsAgreeWithFiniteDifferences(Draw draw) throws IOException {
    int n = draw.integer(1, 20);
    long seed = draw.seed();
    int twentieths = draw.integer(1, 19);
    float[] a = gaussian(n, seed);
    float[] c = gaussian(n, seed + 1);
    float[] target = gaussian(n, seed + 2);
    double coefficient = twentieths / 20.0;
    NpMerger.Options options =
        NpMerger.Options.defaults()
            .withOptimizer(new NpMerger.Optimizer.Sgd(1, 0))
            .withInitial(coefficient, 1 - coefficient)
            .withSteps(1);
    NpMerger.Result learned = learn(JavaObjective.distance(target), options, a, c);
    double z = Math.log(coefficient / (1 - coefficient));
    for (int i = 0; i < n; i++) {
      double h = 1e-4;
      double slope =
          (loss(a[i], c[i], target[i], z + h) - loss(a[i], c[i], target[i], z - h)) / (2 * h);
      double s = learned.coefficients().tensor("w").get(i);
      double moved = z - Math.log(s / (1 - s));
      assertThat(moved)
          .isCloseTo(slope, within(1e-4 * Math.abs(slope) + 2e-5 / Math.min(s, 1 - s)));
    }
  }

  private static double loss(double a, double c, double target, double z) {
    double s = 1 / (1 + Math.exp(-z));
    double theta = s * a + (1 - s) * c;
    return (theta - target) * (theta - target) / 2;
  }
}
