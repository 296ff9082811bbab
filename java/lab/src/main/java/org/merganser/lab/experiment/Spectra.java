// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.merganser.align.AlignmentSet;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.similarity.CanonicalCorrelation;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;

/**
 * Sorted correlations of features, means over models rank by rank, in the findings by space.
 *
 * @param gamma relative regulariser of the canonical correlations that have one
 */
record Spectra(double gamma) {
  static final String SPECTRA = "spectra";

  private static List<FeatureSpace> spaces(Pair pair) {
    return pair.network().architecture().spaces().stream()
        .filter(space -> space.symmetry() != MapFamily.FIXED)
        .toList();
  }

  /** Canonical correlations of every model with the reference. */
  void canonical(Pair pair, Moments moments) {
    for (FeatureSpace space : spaces(pair)) {
      SpaceMoments of = moments.space(space.id());
      Map<String, Object> kinds = pair.findings().map(SPECTRA, space.id());
      kinds.put("space", space.id());
      kinds.put(
          "regularised",
          mean(of.models(), k -> CanonicalCorrelation.correlations(of, 0, k, gamma, pair.ws())));
      int models = of.samples() > space.width() ? of.models() : 0;
      kinds.put(
          "canonical",
          mean(models, k -> CanonicalCorrelation.correlations(of, 0, k, 0, pair.ws())));
    }
  }

  /** Correlations of matched features under the maps of an aligner. */
  void matched(Pair pair, String aligner, Moments moments, AlignmentSet maps) {
    for (FeatureSpace space : spaces(pair)) {
      SpaceMoments of = moments.space(space.id());
      pair.findings()
          .map(SPECTRA, space.id(), "matched")
          .put(
              aligner,
              mean(
                  maps.size(),
                  k -> maps.of(k).map(space.id()).matchedCorrelations(of, k, pair.ws())));
    }
  }

  /** Of every model but the reference, the largest first. */
  private static List<Double> mean(int models, IntFunction<double[]> of) {
    return Summary.means(
        IntStream.range(1, models)
            .mapToObj(of)
            .map(values -> Arrays.stream(values).boxed().sorted(Comparator.reverseOrder()).toList())
            .toList());
  }
}
