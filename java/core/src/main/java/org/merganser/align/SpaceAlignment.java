// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Arrays;
import java.util.Objects;
import org.merganser.linalg.Polar.Completion;
import org.merganser.model.FeatureSpace;

/**
 * What an aligner found for one space of one model.
 *
 * @param map into the reference's features
 * @param score the method's own measure of fit, 1 for a perfect one, in [-1, 1] up to rounding
 * @param spectrum the numbers behind the score, decreasing: matched correlations, canonical
 *     correlations, or normalised singular values
 * @param completion how the map was chosen where the data say nothing
 * @param evidence how far the fit is from chance
 */
public record SpaceAlignment(
    FeatureMap map, double score, double[] spectrum, Completion completion, Evidence evidence) {

  /**
   * What a map rests on. A method fits noise too: activations that have nothing to do with each
   * other are matched with a correlation that falls with the number of samples.
   *
   * @param samples samples the map was found from; 0 when not known
   * @param fit correlation of matched features (cosine for rotations), 1 for a perfect fit
   * @param chance about the largest fit that independent activations of as many samples give on
   *     average: {@code sqrt(2 ln d / n)} for one to one maps (mean of the largest of d normal
   *     correlations with variance 1/n), {@code 8/(3 pi) sqrt(d/n)} for dense ones (mean singular
   *     value of such a matrix, by the quarter-circle law), {@code sqrt(d/n)} for predictions (d/n
   *     of the variance is explained by chance), at most 1
   */
  public record Evidence(long samples, double fit, double chance) {
    /** Nothing is known. */
    public static final Evidence NONE = new Evidence(0, Double.NaN, Double.NaN);

    static Evidence oneToOne(long samples, long width, double fit) {
      // One feature has no choice; what is left is the spread of a single correlation.
      double largest = Math.max(1, Math.sqrt(2 * Math.log(width)));
      return new Evidence(samples, fit, Math.min(1, largest / Math.sqrt(samples)));
    }

    static Evidence dense(long samples, long width, double fit) {
      double mean = 8 / (3 * Math.PI) * Math.sqrt((double) width / samples);
      return new Evidence(samples, fit, Math.min(1, mean));
    }

    static Evidence regression(long samples, long width, double fit) {
      return new Evidence(samples, fit, Math.min(1, Math.sqrt((double) width / samples)));
    }

    /** Whether the fit is known and below one and a half times chance. */
    public boolean isNoise() {
      return samples > 0 && !(fit >= 1.5 * chance);
    }
  }

  /** Numbers for a spectrum. */
  static double[] decreasing(double[] values) {
    return Arrays.stream(values).map(value -> -value).sorted().map(value -> -value).toArray();
  }

  public SpaceAlignment {
    spectrum = spectrum.clone();
  }

  /** With nothing known about chance. */
  public SpaceAlignment(FeatureMap map, double score, double[] spectrum, Completion completion) {
    this(map, score, spectrum, completion, Evidence.NONE);
  }

  /** A map with nothing measured. */
  static SpaceAlignment identity(long width) {
    return new SpaceAlignment(new IdentityMap(width), Double.NaN, new double[0], Completion.NONE);
  }

  /** A copy of the numbers behind the score, decreasing. */
  @Override
  public double[] spectrum() {
    return spectrum.clone();
  }

  /** By value; dense maps are equal only to themselves. */
  @Override
  public boolean equals(Object other) {
    return other instanceof SpaceAlignment that
        && map.equals(that.map)
        && Double.compare(score, that.score) == 0
        && Arrays.equals(spectrum, that.spectrum)
        && completion == that.completion
        && evidence.equals(that.evidence);
  }

  @Override
  public int hashCode() {
    return Objects.hash(map, score, Arrays.hashCode(spectrum), completion, evidence);
  }

  /** Whether the map leaves the function of the network unchanged. */
  public boolean isExact(FeatureSpace space) {
    return map.family().filter(space.symmetry()::contains).isPresent();
  }
}
