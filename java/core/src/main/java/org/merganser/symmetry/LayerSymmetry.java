// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.transformer.TransformerConfig;

/**
 * What becomes one layer, apart from the residual stream.
 *
 * @param units hidden unit i of the MLP becomes unit {@code units[i]} of before
 * @param unitScales s_i of the new unit i: the row of the up projection (and its bias) times s_i,
 *     the column of the down projection divided by it
 * @param heads of each KV head
 * @param attentionGain factors s of the gain before the attention, in coordinates before the
 *     residual map: gain times s, columns of what reads it divided by s; empty for all 1
 * @param mlpGain the same of the gain before the MLP
 * @param gateScales t_i &gt; 0 of the new unit i, where the gate goes through ReLU: the row of the
 *     gate (and its bias) times t_i, the column of the down projection divided by it; empty for all
 *     1
 * @param queryKeyGain c, where queries and keys are normed: the gain of queries times c, that of
 *     keys divided by it, which all heads share; with rotary embedding one for each pair (i, i +
 *     dh/2), else [dh]; empty for all 1
 */
public record LayerSymmetry(
    int[] units,
    double[] unitScales,
    List<HeadSymmetry> heads,
    double[] attentionGain,
    double[] mlpGain,
    double[] gateScales,
    double[] queryKeyGain) {

  public LayerSymmetry {
    units = Arrays.copyOf(units, units.length);
    unitScales = Arrays.copyOf(unitScales, unitScales.length);
    heads = List.copyOf(heads);
    attentionGain = Arrays.copyOf(attentionGain, attentionGain.length);
    mlpGain = Arrays.copyOf(mlpGain, mlpGain.length);
    gateScales = withoutOnes(gateScales);
    queryKeyGain = withoutOnes(queryKeyGain);
    requirePermutation("units", units);
    if (unitScales.length != units.length) {
      throw new IllegalArgumentException(
          units.length + " units and " + unitScales.length + " scales of them");
    }
    requireFactors("unitScales", unitScales);
    requirePermutation("sources of heads", heads.stream().mapToInt(HeadSymmetry::source).toArray());
    requireFactors("attentionGain", attentionGain);
    requireFactors("mlpGain", mlpGain);
    requireFactors("gateScales", gateScales);
    requireFactors("queryKeyGain", queryKeyGain);
    if (gateScales.length > 0 && gateScales.length != units.length) {
      throw new IllegalArgumentException(
          units.length + " units and " + gateScales.length + " scales of gates");
    }
  }

  /** Without factors of gates, and of the gains of queries and keys. */
  public LayerSymmetry(
      int[] units,
      double[] unitScales,
      List<HeadSymmetry> heads,
      double[] attentionGain,
      double[] mlpGain) {
    this(units, unitScales, heads, attentionGain, mlpGain, new double[0], new double[0]);
  }

  private static double[] withoutOnes(double[] factors) {
    boolean ones = Arrays.stream(factors).allMatch(each -> each == 1);
    return ones ? new double[0] : Arrays.copyOf(factors, factors.length);
  }

  /** That changes nothing. */
  public static LayerSymmetry identity(TransformerConfig config) {
    double[] ones = new double[config.intermediate()];
    Arrays.fill(ones, 1);
    return new LayerSymmetry(
        IntStream.range(0, config.intermediate()).toArray(),
        ones,
        IntStream.range(0, config.keyValueHeads())
            .mapToObj(head -> HeadSymmetry.identity(config, head))
            .toList(),
        new double[0],
        new double[0]);
  }

  static void requirePermutation(String what, int[] permutation) {
    boolean[] seen = new boolean[permutation.length];
    for (int i = 0; i < permutation.length; i++) {
      int at = permutation[i];
      if (at < 0 || at >= permutation.length || seen[at]) {
        throw new IllegalArgumentException(
            "%s are no permutation of %d: entry %d is %d"
                .formatted(what, permutation.length, i, at));
      }
      seen[at] = true;
    }
  }

  /** Finite and not 0. */
  static void requireFactors(String what, double[] factors) {
    for (int i = 0; i < factors.length; i++) {
      if (factors[i] == 0 || !Double.isFinite(factors[i]) || Double.isInfinite(1 / factors[i])) {
        throw new IllegalArgumentException(what + ": factor " + i + " is " + factors[i]);
      }
    }
  }

  @Override
  public int[] units() {
    return units.clone();
  }

  @Override
  public double[] unitScales() {
    return unitScales.clone();
  }

  @Override
  public double[] attentionGain() {
    return attentionGain.clone();
  }

  @Override
  public double[] mlpGain() {
    return mlpGain.clone();
  }

  @Override
  public double[] gateScales() {
    return gateScales.clone();
  }

  @Override
  public double[] queryKeyGain() {
    return queryKeyGain.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LayerSymmetry that
        && Arrays.equals(units, that.units)
        && Arrays.equals(unitScales, that.unitScales)
        && heads.equals(that.heads)
        && Arrays.equals(attentionGain, that.attentionGain)
        && Arrays.equals(mlpGain, that.mlpGain)
        && Arrays.equals(gateScales, that.gateScales)
        && Arrays.equals(queryKeyGain, that.queryKeyGain);
  }

  @Override
  public int hashCode() {
    int hash = 31 * Arrays.hashCode(units) + Arrays.hashCode(unitScales);
    hash = 31 * hash + heads.hashCode();
    hash = 31 * (31 * hash + Arrays.hashCode(attentionGain)) + Arrays.hashCode(mlpGain);
    return 31 * (31 * hash + Arrays.hashCode(gateScales)) + Arrays.hashCode(queryKeyGain);
  }
}
