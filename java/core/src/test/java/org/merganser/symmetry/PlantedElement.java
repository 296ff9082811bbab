// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.testing.Oracle;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/** Random elements of the symmetry group of a model, of the kinds that are asked for. */
final class PlantedElement {
  private final TransformerConfig config;
  private final SplittableRandom random;
  private boolean factors;
  private boolean general;
  private boolean shifts;

  private PlantedElement(TransformerConfig config, long seed) {
    this.config = config;
    this.random = new SplittableRandom(seed);
  }

  static PlantedElement of(TransformerConfig config, long seed) {
    return new PlantedElement(config, seed);
  }

  /** With factors of units, pairs and values. */
  PlantedElement factors() {
    factors = true;
    return this;
  }

  /** With any invertible map of values. */
  PlantedElement general() {
    general = true;
    return this;
  }

  /** With shifts of values, where there is an output bias. */
  PlantedElement shifts() {
    shifts = true;
    return this;
  }

  SymmetryElement still() {
    return element(new SymmetryElement.None());
  }

  SymmetryElement signed() {
    int d = config.hidden();
    int[] signs = new int[d];
    Arrays.fill(signs, random.nextBoolean() ? -1 : 1);
    for (int i = 0; i < d && config.norm() == Norm.RMS; i++) {
      signs[i] = random.nextBoolean() ? -1 : 1;
    }
    int[] order = Oracle.permutation(d, random.nextLong());
    return element(new SymmetryElement.SignedPermutation(order, signs));
  }

  SymmetryElement rotated() {
    Set<Kind> rotation = EnumSet.of(Kind.ROTATION);
    return element(SymmetryElement.random(config, rotation, random.nextLong()).residual());
  }

  private SymmetryElement element(SymmetryElement.Residual residual) {
    List<LayerSymmetry> layers = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      int m = config.intermediate();
      int[] sources = Oracle.permutation(config.keyValueHeads(), random.nextLong());
      List<HeadSymmetry> heads = new ArrayList<>();
      for (int source : sources) {
        heads.add(head(source));
      }
      layers.add(
          new LayerSymmetry(
              Oracle.permutation(m, random.nextLong()),
              unitScales(m),
              heads,
              new double[0],
              new double[0]));
    }
    return new SymmetryElement(config, residual, layers, new double[0]);
  }

  private double[] unitScales(int m) {
    double[] scales = new double[m];
    boolean positive = !config.gated() && config.activation() == Activation.RELU;
    for (int i = 0; i < m; i++) {
      scales[i] = factors && (config.gated() || positive) ? factor() : 1;
      scales[i] *= config.gated() && random.nextBoolean() ? -1 : 1;
    }
    return scales;
  }

  private double factor() {
    return Math.exp(1.4 * random.nextDouble() - 0.7);
  }

  private HeadSymmetry head(int source) {
    int dh = config.headSize();
    double[][] a = general ? Oracle.mixing(dh, random.nextLong()) : turn(dh);
    double s = factors ? factor() : 1;
    double[][] inverse = general ? Oracle.inverse(a) : Oracle.transpose(a);
    double[] shift = new double[0];
    if (shifts && config.outputBias() && config.attentionBias()) {
      shift = random.doubles(dh, -1, 1).toArray();
    }
    return new HeadSymmetry(
        source,
        Oracle.permutation(config.group(), random.nextLong()),
        Oracle.flat(Oracle.scale(a, s)),
        Oracle.flat(Oracle.scale(inverse, 1 / s)),
        queryKey(dh),
        shift);
  }

  private double[][] turn(int dh) {
    return Oracle.orthogonal(dh, random.nextLong());
  }

  private HeadSymmetry.QueryKey queryKey(int dh) {
    if (config.queryKeyNorm()) {
      double[] phase = new double[dh / 2];
      double[] ratio = new double[dh / 2];
      for (int i = 0; i < phase.length; i++) {
        phase[i] = random.nextBoolean() ? Math.PI : 0;
        ratio[i] = 1;
      }
      return new HeadSymmetry.Rotary(phase, ratio);
    }
    if (config.rope().isEmpty()) {
      double[] b = Oracle.flat(turn(dh));
      return new HeadSymmetry.Dense(b, b);
    }
    double[] ratio = new double[dh / 2];
    for (int i = 0; i < ratio.length; i++) {
      ratio[i] = factors ? factor() : 1;
    }
    return new HeadSymmetry.Rotary(random.doubles(dh / 2, -3, 3).toArray(), ratio);
  }
}
