// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.merganser.compute.Workspace;

/**
 * What is known of one layer after some samples: their number and mean, {@code sum |u|^2} of the
 * deviations u, and {@link PairSums} with itself.
 */
final class LayerSums implements AutoCloseable {
  private final PairSums own;
  private final double[] mean;
  private long samples;
  private double sumOfNorms;

  LayerSums(long width, Workspace ws) {
    this(0, new double[Math.toIntExact(width)], 0, new PairSums(width, width, ws));
  }

  /** As saved; takes the sums. */
  LayerSums(long samples, double[] mean, double sumOfNorms, PairSums own) {
    this.samples = samples;
    this.mean = mean;
    this.sumOfNorms = sumOfNorms;
    this.own = own;
  }

  long samples() {
    return samples;
  }

  double[] mean() {
    return mean;
  }

  double sumOfNorms() {
    return sumOfNorms;
  }

  PairSums own() {
    return own;
  }

  /** Whether all samples are the same, up to the rounding of their mean. */
  boolean isConstant() {
    double rounding = samples * Math.ulp(1.0);
    double square = 0;
    for (double each : mean) {
      square += each * each;
    }
    return !(sumOfNorms > rounding * rounding * square);
  }

  /** Takes in a batch, after the pairs have done so. */
  void add(CentredBatch x, Workspace ws) {
    own.add(x, x, this, this, ws);
    move(x.samples(), x.mean(), x.sumOfNorms());
  }

  /** Takes in other samples, after the pairs have done so; the other is no use afterwards. */
  void merge(LayerSums other, Workspace ws) {
    own.merge(other.own, this, this, other, other, ws);
    move(other.samples, other.mean, other.sumOfNorms);
  }

  private void move(long m, double[] otherMean, double otherNorms) {
    double share = (double) m / (samples + m);
    double apart = 0;
    for (int f = 0; f < mean.length; f++) {
      double difference = otherMean[f] - mean[f];
      apart += difference * difference;
      mean[f] = samples == 0 ? otherMean[f] : mean[f] + share * difference;
    }
    sumOfNorms += otherNorms + share * samples * apart;
    samples += m;
  }

  @Override
  public void close() {
    own.close();
  }
}
