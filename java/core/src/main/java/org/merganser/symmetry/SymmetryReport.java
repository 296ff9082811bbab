// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How an alignment went. Distances are squared, summed over all tensors, of the weights of the
 * {@linkplain SymmetryAligner.Result result's models}: gains absorbed where the residual map is
 * orthogonal. They say how alike weights are, not how good a model is.
 *
 * @param before of the models as they are
 * @param started before the first sweep, with the residual map that embeddings and head give; of
 *     balanced models, where factors are balanced
 * @param sweeps after each sweep, likewise: never rising, up to rounding; empty where activations
 *     decide
 * @param after of the result
 * @param familiesBefore of {@code embedding}, {@code query}, {@code key}, {@code value}, {@code
 *     output}, {@code gate}, {@code up}, {@code down}, {@code norm}, {@code head}
 * @param familiesAfter likewise
 * @param movedUnits share of the hidden units that another one becomes
 * @param movedHeads share of the query heads likewise
 * @param unitCosine mean cosine of the weights of a unit and of what becomes it
 * @param headCosine the same of KV heads with their query heads
 * @param orthogonalityError {@code max |R^T R - I|} of the residual map
 * @param ties hidden units that another one fits as well as what becomes them: duplicates and dead
 *     ones
 * @param warnings what to know of the result
 */
public record SymmetryReport(
    double before,
    double started,
    List<Double> sweeps,
    double after,
    Map<String, Double> familiesBefore,
    Map<String, Double> familiesAfter,
    double movedUnits,
    double movedHeads,
    double unitCosine,
    double headCosine,
    double orthogonalityError,
    long ties,
    List<String> warnings) {
  public SymmetryReport {
    sweeps = List.copyOf(sweeps);
    familiesBefore = Collections.unmodifiableMap(new LinkedHashMap<>(familiesBefore));
    familiesAfter = Collections.unmodifiableMap(new LinkedHashMap<>(familiesAfter));
    warnings = List.copyOf(warnings);
  }

  /** A few lines for people. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    line(text, "squared distance %.6g, aligned %.6g", before, after);
    familiesAfter.forEach(
        (family, distance) ->
            line(text, "  %-9s %12.6g %12.6g", family, familiesBefore.get(family), distance));
    for (int k = 0; k < sweeps.size(); k++) {
      line(text, "sweep %d: %.6g", k + 1, sweeps.get(k));
    }
    line(
        text,
        "moved: %.1f %% of the hidden units, %.1f %% of the heads",
        100 * movedUnits,
        100 * movedHeads);
    line(text, "mean cosine: hidden units %.4f, heads %.4f", unitCosine, headCosine);
    line(text, "orthogonality error %.2g, ties %d", orthogonalityError, ties);
    warnings.forEach(warning -> line(text, "warning: %s", warning));
    return text.toString();
  }

  private static void line(StringBuilder text, String format, Object... values) {
    text.append(String.format(Locale.ROOT, format, values)).append('\n');
  }
}
