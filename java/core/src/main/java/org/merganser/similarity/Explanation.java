// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;
import org.merganser.similarity.SimilarityMeasure.Invariance;
import org.merganser.similarity.SimilarityMeasure.Kind;
import org.merganser.similarity.SimilarityMeasure.Side;
import org.merganser.similarity.SimilarityMeasure.Trait;

/** Sentences from what a measure declares. */
final class Explanation {
  private Explanation() {}

  static String of(SimilarityMeasure measure) {
    Set<Trait> traits = measure.traits();
    Set<Invariance> ofX = measure.invariances(Side.X);
    Set<Invariance> ofY = measure.invariances(Side.Y);
    boolean similar = measure.kind() == Kind.SIMILARITY;
    StringBuilder text = new StringBuilder(measure.id());
    text.append(": ").append(measure.summary()).append(".\n");
    text.append(similar ? "A similarity" : "A distance")
        .append(" from " + number(measure.least()) + " to " + number(measure.greatest()));
    if (traits.contains(Trait.NORMALISED)) {
      text.append(", " + (similar ? 1 : 0) + " of a representation with itself");
    }
    text.append(traits.contains(Trait.SYMMETRIC) ? "; symmetric" : "; X and Y are not alike");
    text.append(traits.contains(Trait.METRIC) ? "; a metric.\n" : ".\n");
    if (ofX.equals(ofY)) {
      text.append(side("Either side", ofX));
    } else {
      text.append(side("X", ofX)).append(side("Y", ofY));
    }
    if (!traits.contains(Trait.IGNORES_ORDER)) {
      text.append("The order of the samples matters.\n");
    }
    return text.append("At least " + measure.minimumSamples() + " samples.").toString();
  }

  private static String side(String name, Set<Invariance> kept) {
    Set<Invariance> others = EnumSet.allOf(Invariance.class);
    others.removeAll(kept);
    return name + ": not changed by " + list(kept) + "; changed by " + list(others) + ".\n";
  }

  private static String list(Set<Invariance> changes) {
    return changes.isEmpty()
        ? "nothing"
        : changes.stream().map(Invariance::toString).collect(Collectors.joining(", "));
  }

  private static String number(double bound) {
    if (Double.isInfinite(bound)) {
      return bound > 0 ? "infinity" : "-infinity";
    }
    return bound == Math.PI ? "pi" : bound == Math.PI / 2 ? "pi/2" : String.valueOf((int) bound);
  }
}
