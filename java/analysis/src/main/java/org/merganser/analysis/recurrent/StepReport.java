// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.List;

/**
 * What the states of one step are like; of test samples, accuracies in [0, 1].
 *
 * @param step from 1
 * @param readout accuracy of the trained output layer
 * @param probe accuracy of a fresh linear classifier, fitted on training states of this step
 * @param participationRatio effective dimension; 0 without variance
 * @param components principal components with 90 % of the variance
 * @param within Sw, the mean squared distance from the mean of the class
 * @param between Sb, that of these means from the mean of all
 * @param ratio Sb / Sw
 * @param fisher {@code tr((W + e I)^-1 B)} of their matrices
 * @param distanceWithin mean distance of two samples of a class
 * @param distanceBetween mean distance of two of different classes
 * @param silhouette of the classes
 * @param adjustedRand index of k-means clusters and classes
 * @param information normalised mutual information of these
 * @param radius mean over classes of {@code sqrt(tr C) / |mu_c - mu|}
 * @param dimension mean over classes of the participation ratio of C
 * @param centreCorrelation mean {@code |cos|} of two centres of classes
 * @param picture points of the kept samples in the plane ({@link Picture}), turned to those of the
 *     step before
 * @param warnings of the picture: of groups that no walk of PHATE connects, of samples that
 *     coincide
 */
public record StepReport(
    int step,
    double readout,
    double probe,
    double participationRatio,
    int components,
    double within,
    double between,
    double ratio,
    double fisher,
    double distanceWithin,
    double distanceBetween,
    double silhouette,
    double adjustedRand,
    double information,
    double radius,
    double dimension,
    double centreCorrelation,
    List<List<Double>> picture,
    List<String> warnings) {
  public StepReport {
    warnings = List.copyOf(warnings);
    picture = picture.stream().map(List::copyOf).toList();
  }
}
