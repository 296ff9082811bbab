// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.QueryKey;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.None;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;

/** Products and inverses of elements. */
final class Composition {
  private Composition() {}

  /** What {@code first} and then {@code next} do. */
  static SymmetryElement of(SymmetryElement next, SymmetryElement first, Workspace ws) {
    int[] order =
        first.residual() instanceof SignedPermutation moved ? moved.permutation() : new int[0];
    List<LayerSymmetry> layers = new ArrayList<>();
    for (int i = 0; i < first.layers().size(); i++) {
      layers.add(layer(next.layers().get(i), first.layers().get(i), order));
    }
    return new SymmetryElement(
        first.config(),
        residual(next.residual(), first.residual(), ws),
        layers,
        gain(next.finalGain(), first.finalGain(), order));
  }

  private static LayerSymmetry layer(LayerSymmetry next, LayerSymmetry first, int[] order) {
    int[] units = next.units();
    int[] before = first.units();
    double[] scales = next.unitScales();
    double[] scalesBefore = first.unitScales();
    for (int i = 0; i < units.length; i++) {
      scales[i] *= scalesBefore[units[i]];
      units[i] = before[units[i]];
    }
    return new LayerSymmetry(
        units,
        scales,
        next.heads().stream().map(head -> head(head, first.heads().get(head.source()))).toList(),
        gain(next.attentionGain(), first.attentionGain(), order),
        gain(next.mlpGain(), first.mlpGain(), order),
        times(next.gateScales(), gathered(first.gateScales(), next.units())),
        times(next.queryKeyGain(), first.queryKeyGain()));
  }

  /** Element by element; empty is all 1. */
  private static double[] times(double[] a, double[] b) {
    if (a.length == 0 || b.length == 0) {
      return a.length == 0 ? b : a;
    }
    for (int i = 0; i < a.length; i++) {
      a[i] *= b[i];
    }
    return a;
  }

  private static double[] gathered(double[] factors, int[] order) {
    return factors.length == 0
        ? factors
        : Arrays.stream(order).mapToDouble(i -> factors[i]).toArray();
  }

  private static HeadSymmetry head(HeadSymmetry next, HeadSymmetry first) {
    int[] queries = next.queries();
    int[] before = first.queries();
    for (int i = 0; i < queries.length; i++) {
      queries[i] = before[queries[i]];
    }
    return new HeadSymmetry(
        first.source(),
        queries,
        Squares.multiply(next.value(), first.value()),
        Squares.multiply(first.valueInverse(), next.valueInverse()),
        queryKey(next.queryKey(), first.queryKey()),
        shift(next, first));
  }

  /** A (V + c) + c'. */
  private static double[] shift(HeadSymmetry next, HeadSymmetry first) {
    double[] moved = Squares.times(next.value(), first.shift());
    double[] added = next.shift();
    if (moved.length == 0 || added.length == 0) {
      return moved.length == 0 ? added : moved;
    }
    for (int i = 0; i < added.length; i++) {
      added[i] += moved[i];
    }
    return added;
  }

  private static QueryKey queryKey(QueryKey next, QueryKey first) {
    if (next instanceof Dense dense) {
      Dense before = (Dense) first;
      return new Dense(
          Squares.multiply(dense.key(), before.key()),
          Squares.multiply(dense.query(), before.query()));
    }
    double[] phase = ((Rotary) next).phase();
    double[] ratio = ((Rotary) next).ratio();
    double[] phaseBefore = ((Rotary) first).phase();
    double[] ratioBefore = ((Rotary) first).ratio();
    for (int i = 0; i < phase.length; i++) {
      phase[i] = Math.IEEEremainder(phase[i] + phaseBefore[i], 2 * Math.PI);
      ratio[i] *= ratioBefore[i];
    }
    return new Rotary(phase, ratio);
  }

  /** Factors before the map of the first: s_i s'_j of the channel i that becomes j. */
  private static double[] gain(double[] next, double[] first, int[] order) {
    if (next.length == 0) {
      return first;
    }
    double[] result = new double[next.length];
    for (int i = 0; i < next.length; i++) {
      int from = order.length == 0 ? i : order[i];
      result[from] = next[i] * (first.length == 0 ? 1 : first[from]);
    }
    return result;
  }

  private static Residual residual(Residual next, Residual first, Workspace ws) {
    if (next instanceof None || first instanceof None) {
      return next instanceof None ? first : next;
    }
    if (next instanceof SignedPermutation a && first instanceof SignedPermutation b) {
      int[] order = a.permutation();
      int[] signs = a.signs();
      int[] before = b.permutation();
      int[] signsBefore = b.signs();
      for (int i = 0; i < order.length; i++) {
        signs[i] *= signsBefore[order[i]];
        order[i] = before[order[i]];
      }
      return new SignedPermutation(order, signs);
    }
    Matrix left = matrix(next);
    Matrix right = matrix(first);
    try (Matrix product = LinAlg.multiply(left, right, ws)) {
      return new Orthogonal(Rotations.orthogonal(product, ws));
    }
  }

  private static Matrix matrix(Residual residual) {
    if (residual instanceof Orthogonal turned) {
      return turned.matrix();
    }
    SignedPermutation moved = (SignedPermutation) residual;
    int[] order = moved.permutation();
    int[] signs = moved.signs();
    Matrix matrix = Matrix.zeros(order.length, order.length);
    for (int i = 0; i < order.length; i++) {
      matrix.set(i, order[i], signs[i]);
    }
    return matrix;
  }

  static SymmetryElement inverse(SymmetryElement element) {
    int[] order =
        element.residual() instanceof SignedPermutation moved ? moved.permutation() : new int[0];
    return new SymmetryElement(
        element.config(),
        inverse(element.residual()),
        element.layers().stream().map(layer -> inverse(layer, order)).toList(),
        inverseGain(element.finalGain(), order));
  }

  private static Residual inverse(Residual residual) {
    if (residual instanceof Orthogonal turned) {
      return new Orthogonal(turned.matrix().transpose());
    }
    if (residual instanceof SignedPermutation moved) {
      int[] signs = moved.signs();
      int[] back = inverse(moved.permutation());
      return new SignedPermutation(back, Arrays.stream(back).map(i -> signs[i]).toArray());
    }
    return residual;
  }

  private static LayerSymmetry inverse(LayerSymmetry layer, int[] order) {
    int[] back = inverse(layer.units());
    double[] scales = layer.unitScales();
    HeadSymmetry[] heads = new HeadSymmetry[layer.heads().size()];
    for (int k = 0; k < heads.length; k++) {
      HeadSymmetry head = layer.heads().get(k);
      double[] shift = Squares.times(head.valueInverse(), head.shift());
      heads[head.source()] =
          new HeadSymmetry(
              k,
              inverse(head.queries()),
              head.valueInverse(),
              head.value(),
              inverse(head.queryKey()),
              Arrays.stream(shift).map(each -> -each).toArray());
    }
    return new LayerSymmetry(
        back,
        Arrays.stream(back).mapToDouble(i -> 1 / scales[i]).toArray(),
        List.of(heads),
        inverseGain(layer.attentionGain(), order),
        inverseGain(layer.mlpGain(), order),
        gathered(SymmetryPlans.inverse(layer.gateScales()), back),
        SymmetryPlans.inverse(layer.queryKeyGain()));
  }

  private static QueryKey inverse(QueryKey queryKey) {
    if (queryKey instanceof Rotary rotary) {
      return new Rotary(
          Arrays.stream(rotary.phase()).map(each -> -each).toArray(),
          SymmetryPlans.inverse(rotary.ratio()));
    }
    Dense dense = (Dense) queryKey;
    return new Dense(Squares.transpose(dense.query()), Squares.transpose(dense.key()));
  }

  private static double[] inverseGain(double[] factors, int[] order) {
    double[] result = new double[factors.length];
    for (int i = 0; i < factors.length; i++) {
      result[i] = 1 / factors[order.length == 0 ? i : order[i]];
    }
    return result;
  }

  private static int[] inverse(int[] permutation) {
    int[] back = new int[permutation.length];
    for (int i = 0; i < back.length; i++) {
      back[permutation[i]] = i;
    }
    return back;
  }
}
