// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;

/**
 * A symmetry from activations. Hidden units by correlation (magnitudes, where signs are free),
 * heads as by weights with moments in the place of products, each divided by the sizes of both
 * heads, of what the activations become where models are balanced first; the residual stream by its
 * moments, which are not centred, since a rotation cannot take up a mean.
 */
final class MomentMatching {
  private final SymmetryMoments moments;
  private final TransformerConfig config;
  private final Options options;
  private final Freedoms freedoms;
  private final Workspace ws;
  private final Balances balances;
  private long ties;

  /**
   * @param balances of both models; null where they are not balanced
   */
  MomentMatching(SymmetryMoments moments, Options options, Balances balances, Workspace ws) {
    this.moments = moments;
    this.balances = balances;
    this.config = moments.config();
    this.options = options;
    this.freedoms = Freedoms.of(options, config);
    this.ws = ws;
  }

  List<LayerSymmetry> layers() {
    List<LayerSymmetry> found = new ArrayList<>();
    for (int k = 0; k < config.layers(); k++) {
      ws.cancellation().check();
      SymmetryMoments.Layer layer = moments.layers().get(k);
      MlpPart.Units units = units(layer.hidden());
      found.add(
          new LayerSymmetry(
              units.units(), units.scales(), heads(layer, k), new double[0], new double[0]));
    }
    return found;
  }

  /** Hidden units that another one fits as well, of all layers. */
  long ties() {
    return ties;
  }

  private MlpPart.Units units(MomentBlock hidden) {
    int m = config.intermediate();
    if (freedoms.mlp() == MlpPart.Freedom.NONE) {
      return MlpPart.Units.identity(m);
    }
    double[] here = hidden.targetDeviations();
    double[] there = hidden.sourceDeviations();
    try (Matrix correlation = hidden.centred();
        Matrix fit = Matrix.allocate(m, m)) {
      Rows rows = Rows.of(correlation);
      double[] row = new double[m];
      for (int i = 0; i < m; i++) {
        rows.read(i, row);
        for (int j = 0; j < m; j++) {
          double product = here[i] * there[j] * hidden.tokens();
          row[j] = product == 0 ? 0 : row[j] / product;
        }
        Rows.write(correlation, i, row);
        Arrays.setAll(row, j -> freedoms.mlp().signed() ? Math.abs(row[j]) : row[j]);
        Rows.write(fit, i, row);
      }
      MlpMatching.Found found = MlpMatching.solve(fit, null, ws);
      ties += found.ties();
      double[] scales = new double[m];
      for (int i = 0; i < m; i++) {
        int j = found.units()[i];
        boolean negative = freedoms.mlp().signed() && correlation.get(i, j) < 0;
        double ratio = freedoms.mlp().scaled() && there[j] > 0 ? here[i] / there[j] : 1;
        double factor =
            ratio == 0 ? 1 : Math.min(PairedScale.MOST, Math.max(PairedScale.LEAST, ratio));
        scales[i] = negative ? -factor : factor;
      }
      return new MlpPart.Units(found.units(), scales, null, found.ties());
    }
  }

  private List<HeadSymmetry> heads(SymmetryMoments.Layer layer, int number) {
    // A shift of the values is free where there is an output bias: their means say nothing then.
    boolean centred = config.attentionBias() && config.outputBias();
    HeadMaps to = maps(balances == null ? null : balances.target(), number);
    HeadMaps from = maps(balances == null ? null : balances.source(), number);
    try (Opened opened = new Opened()) {
      HeadProducts products =
          new HeadProducts(
              config.headSize(),
              part(layer.queries(), to.queries(), from.queries(), false, opened),
              part(layer.keys(), to.keys(), from.keys(), false, opened),
              part(layer.values(), to.values(), from.values(), centred, opened),
              part(layer.outputs(), to.outputs(), from.outputs(), centred, opened));
      return HeadMatching.match(products, freedoms.heads().withoutScales(), null, ws);
    }
  }

  private HeadMaps maps(SymmetryElement balance, int layer) {
    return balance == null
        ? HeadMaps.identity(config)
        : HeadMaps.of(balance.layers().get(layer).heads());
  }

  private static HeadProducts.Part part(
      MomentBlock block, double[][] to, double[][] from, boolean centred, Opened opened) {
    boolean asItIs = !centred && isIdentity(to) && isIdentity(from);
    return new HeadProducts.Part(
        asItIs ? block.cross() : opened.add(block.moved(to, from, centred)),
        block.sourceSquares,
        block.targetSizes(to, centred),
        block.sourceSizes(from, centred));
  }

  private static boolean isIdentity(double[][] maps) {
    return Arrays.stream(maps).allMatch(each -> each.length == 0);
  }

  Residual residual() {
    Matrix n = moments.residual().cross();
    return switch (options.residual()) {
      case NONE -> new None();
      case ORTHOGONAL -> new Orthogonal(ResidualMatching.orthogonal(n, freedoms.means(), ws));
      case SIGNED_PERMUTATION -> {
        var found = ResidualMatching.permutation(n, null, freedoms.streamSigns(), ws);
        yield new SignedPermutation(found.features(), found.signs());
      }
    };
  }
}
