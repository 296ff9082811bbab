// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;

class FeatureMapTest {
  private static final double[][] T = Oracle.mixing(4, 1);

  @Test
  void compositionIsTheProductInEveryCombination() {
    double[][] q = Oracle.orthogonal(4, 2);
    List<FeatureMap> maps =
        List.of(
            FeatureMap.identity(4),
            ScaledPermutation.of(2, 0, 3, 1),
            ScaledPermutation.of(new int[] {1, 3, 2, 0}, new double[] {2, -0.5, 1, 3}),
            LinearMap.orthogonal(Matrix.of(q)),
            LinearMap.of(Matrix.of(T), Matrix.of(Oracle.inverse(T))));
    for (FeatureMap first : maps) {
      for (FeatureMap second : maps) {
        FeatureMap both = first.then(second, WS);
        double[][] product =
            Oracle.multiply(second.toMatrix(WS).toArray(), first.toMatrix(WS).toArray());
        String what = first + " then " + second;
        Close.absolute(what, both.toMatrix(WS), product, 1e-14);
        Close.absolute(
            what + " inverse", both.inverse().toMatrix(WS), Oracle.inverse(product), 1e-12);
        // A product may be smaller than the families say, as that of scales 2 and 1/2 is.
        assertThat(family(first).join(family(second)).contains(family(both)))
            .as("family %s of %s", both.family(), what)
            .isTrue();
      }
    }
  }

  /** T as the product of the second and the first, S the other way, pairs among them. */
  @Test
  void pairsComposeWithEverything() {
    double[][] t = Oracle.gaussian(3, 4, 5);
    double[][] s = Oracle.gaussian(4, 3, 6);
    MapPair pair = MapPair.of(Matrix.of(t), Matrix.of(s));
    assertThat(pair.width()).isEqualTo(4);
    assertThat(pair.referenceWidth()).isEqualTo(3);
    for (FeatureMap before : maps(4)) {
      assertPair(before.then(pair, WS), product(before, t), Oracle.multiply(back(before), s));
    }
    for (FeatureMap after : maps(3)) {
      assertPair(
          pair.then(after, WS),
          Oracle.multiply(after.toMatrix(WS).toArray(), t),
          Oracle.multiply(s, back(after)));
    }
    MapPair round = (MapPair) pair.then(pair.otherWay(), WS);
    assertPair(round, Oracle.multiply(s, t), Oracle.multiply(s, t));
    assertThatThrownBy(() -> pair.then(pair, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("cannot compose maps of 3 and 4");
  }

  private static List<FeatureMap> maps(int n) {
    double[][] t = Oracle.mixing(n, 8);
    return List.of(
        FeatureMap.identity(n),
        ScaledPermutation.of(
            Oracle.permutation(n, 9),
            n == 3 ? new double[] {2, -1, 3} : new double[] {1, 2, -1, 3}),
        LinearMap.of(Matrix.of(t), Matrix.of(Oracle.inverse(t))));
  }

  private static double[][] product(FeatureMap first, double[][] next) {
    return Oracle.multiply(next, first.toMatrix(WS).toArray());
  }

  private static double[][] back(FeatureMap map) {
    return map.inverse().toMatrix(WS).toArray();
  }

  private static void assertPair(FeatureMap map, double[][] out, double[][] in) {
    MapPair pair = (MapPair) map;
    Close.absolute("T", array(pair.out()), out, 1e-13);
    Close.absolute("S", array(pair.in()), in, 1e-13);
  }

  @Test
  void pairsHaveNoInverseAndSayWhy() {
    MapPair pair = MapPair.of(Matrix.zeros(3, 4), Matrix.zeros(4, 3));
    String why =
        ": its writing side (3 x 4) and its reading side (4 x 3) were found apart; align the models"
            + " the other way round, or with a method whose maps are invertible";
    assertThat(pair.isInvertible()).isFalse();
    assertThat(pair.family()).isEmpty();
    assertThatThrownBy(pair::inverse)
        .isInstanceOf(NumericalException.class)
        .hasMessage("a pair of maps has no inverse" + why);
    assertThatThrownBy(() -> pair.condition(WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage("a pair of maps has no condition number" + why);
    assertThatThrownBy(() -> MapPair.of(Matrix.zeros(3, 4), Matrix.zeros(3, 4)))
        .isInstanceOf(ShapeException.class);
    MapPair turned = pair.otherWay();
    turned.close();
    assertThat(array(pair.out())).isDeepEqualTo(new double[3][4]);
    pair.close();
    assertThatThrownBy(() -> pair.toMatrix(WS)).isInstanceOf(IllegalStateException.class);
  }

  private static MapFamily family(FeatureMap map) {
    return map.family().orElseThrow();
  }

  @Test
  void familiesAndConditionsAreThoseOfTheMatrix() {
    assertThat(FeatureMap.identity(3).family()).contains(MapFamily.FIXED);
    assertThat(ScaledPermutation.of(1, 0).family()).contains(MapFamily.PERMUTATION);
    ScaledPermutation scaled = ScaledPermutation.of(new int[] {1, 0}, new double[] {2, 0.5});
    assertThat(scaled.family()).contains(MapFamily.SCALED_PERMUTATION);
    assertThat(scaled.condition(WS)).isEqualTo(4);
    assertThat(ScaledPermutation.of(new int[] {0}, new double[] {-1}).family())
        .contains(MapFamily.SIGNED_PERMUTATION);
    assertThat(ScaledPermutation.of(new int[] {0}, new double[] {-2}).family())
        .contains(MapFamily.MONOMIAL);
    assertThat(LinearMap.orthogonal(Matrix.identity(2)).family()).contains(MapFamily.ORTHOGONAL);
    LinearMap diagonal =
        LinearMap.of(
            Matrix.of(new double[][] {{4, 0}, {0, 1}}),
            Matrix.of(new double[][] {{.25, 0}, {0, 1}}));
    assertThat(diagonal.condition(WS)).isEqualTo(4);
  }

  @Test
  void whatIsNoMapIsRefused() {
    assertThatThrownBy(() -> ScaledPermutation.of(0, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no permutation: entry 1 is 2, which is out of 0..1 or taken before");
    assertThatThrownBy(() -> ScaledPermutation.of(1, 1))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> ScaledPermutation.of(new int[] {0}, new double[] {0}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("scale 0 is 0.0; it and its inverse must be finite");
    assertThatThrownBy(() -> ScaledPermutation.of(new int[] {0, 1}, new double[] {-1, 1e-310}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("scale 1 is 1.0E-310; it and its inverse must be finite");
    assertThatThrownBy(() -> ScaledPermutation.of(new int[] {0}, new double[] {1, 1}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("2 scales for a permutation of 1");
    assertThatThrownBy(() -> LinearMap.of(Matrix.zeros(2, 3), Matrix.zeros(3, 2)))
        .isInstanceOf(ShapeException.class);
    FeatureMap two = ScaledPermutation.of(1, 0);
    FeatureMap three = LinearMap.orthogonal(Matrix.identity(3));
    assertThatThrownBy(() -> two.then(three, WS))
        .isInstanceOf(ShapeException.class)
        .hasMessage("cannot compose maps of 2 and 3");
    assertThatThrownBy(() -> three.then(two, WS)).isInstanceOf(ShapeException.class);
    assertThatThrownBy(() -> FeatureMap.identity(2).then(three, WS))
        .isInstanceOf(ShapeException.class);
  }

  @Test
  void mapsCannotBeChangedThroughTheirArrays() {
    int[] order = {1, 0};
    ScaledPermutation map = ScaledPermutation.of(order);
    order[0] = 0;
    map.permutation()[0] = 7;
    map.scales()[0] = 7;
    assertThat(map.permutation()).containsExactly(1, 0);
    assertThat(map.isPlain()).isTrue();
  }
}
