// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;

/**
 * How far the CKA map of a network is from a target, {@code weight * mean_ij log cosh(M_ij -
 * T_ij)}, and its gradient in the activations: what is added to a loss to move a map (Davari et al.
 * 2023). Entries of dead layers are left out of the sum. Immutable.
 */
public final class CkaMapLoss {
  /** What a difference costs. */
  public enum Distance {
    /** {@code log cosh d}: a square where small, |d| where large. */
    LOG_COSH,
    /** {@code d^2}. */
    SQUARED;

    double value(double difference) {
      double size = Math.abs(difference);
      return this == SQUARED ? size * size : size + Math.log1p(Math.exp(-2 * size)) - Math.log(2);
    }

    double slope(double difference) {
      return this == SQUARED ? 2 * difference : Math.tanh(difference);
    }
  }

  private final double[][] target;
  private final double weight;
  private final Distance distance;

  private CkaMapLoss(double[][] target, double weight, Distance distance) {
    this.target = target;
    this.weight = weight;
    this.distance = distance;
  }

  /**
   * With {@link Distance#LOG_COSH}.
   *
   * @param target T, [layers x layers], such as {@link CkaTargets} has them
   * @param weight of it in a loss
   */
  public static CkaMapLoss to(double[][] target, double weight) {
    double[][] copy = Arrays.stream(target).map(double[]::clone).toArray(double[][]::new);
    for (int i = 0; i < copy.length; i++) {
      if (copy[i].length != copy.length) {
        throw new ShapeException(
            "row %d of the target has %d entries for %d layers"
                .formatted(i, copy[i].length, copy.length));
      }
      for (int j = 0; j < copy.length; j++) {
        if (!(Math.abs(copy[i][j]) <= 1)) {
          throw new IllegalArgumentException(
              "entry (%d, %d) of the target is %s; CKA lies in -1..1".formatted(i, j, copy[i][j]));
        }
      }
    }
    return new CkaMapLoss(copy, weight, Distance.LOG_COSH).withWeight(weight);
  }

  /** The same with another weight. */
  public CkaMapLoss withWeight(double value) {
    if (!(value >= 0) || Double.isInfinite(value)) {
      throw new IllegalArgumentException(
          String.format(Locale.ROOT, "the weight is %s; give a finite number from 0", value));
    }
    return new CkaMapLoss(target, value, distance);
  }

  public CkaMapLoss withDistance(Distance value) {
    return new CkaMapLoss(target, weight, value);
  }

  public double weight() {
    return weight;
  }

  /** A copy. */
  public double[][] target() {
    return Arrays.stream(target).map(double[]::clone).toArray(double[][]::new);
  }

  /** The loss. */
  public double value(CkaMap map) {
    require(map);
    double sum = 0;
    for (int i = 0; i < target.length; i++) {
      for (int j = 0; j < target.length; j++) {
        double entry = map.get(i, j);
        sum += Double.isNaN(entry) ? 0 : distance.value(entry - target[i][j]);
      }
    }
    return weight * sum / (target.length * target.length);
  }

  /** The mean of {@code |M_ij - T_ij|} over the entries of layers that are not dead. */
  public double error(CkaMap map) {
    require(map);
    double sum = 0;
    int entries = 0;
    for (int i = 0; i < target.length; i++) {
      for (int j = 0; j < target.length; j++) {
        double entry = map.get(i, j);
        sum += Double.isNaN(entry) ? 0 : Math.abs(entry - target[i][j]);
        entries += Double.isNaN(entry) ? 0 : 1;
      }
    }
    return entries == 0 ? Double.NaN : sum / entries;
  }

  /**
   * The gradient of the loss in the activations of each layer, to be fed as upstream gradient into
   * the backward pass of the network.
   *
   * @return [b x p] for each layer, F64, new, on the Workspace; 0 for dead layers
   */
  public List<Matrix> gradients(CkaMap map, Workspace ws) {
    require(map);
    int count = target.length;
    double[][] slopes = new double[count][count];
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < count; j++) {
        slopes[i][j] =
            weight * distance.slope(map.get(i, j) - target[i][j]) / ((double) count * count);
      }
    }
    return map.gradients(slopes, ws);
  }

  private void require(CkaMap map) {
    if (map.layers() != target.length) {
      throw new ShapeException(
          "the target has %d layers and the map %d".formatted(target.length, map.layers()));
    }
  }

  @Override
  public String toString() {
    return "CkaMapLoss of " + target.length + " layers, weight " + weight;
  }
}
