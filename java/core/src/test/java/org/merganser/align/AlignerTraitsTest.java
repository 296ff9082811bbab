// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Traits follow the options: the settings that the catalogue does not have. */
class AlignerTraitsTest {
  static Stream<Aligner> settings() {
    return Stream.of(
        CcaAligner.relativeGamma(0),
        CcaAligner.relativeGamma(10),
        CcaAligner.absoluteGamma(0),
        CcaAligner.absoluteGamma(0.5),
        PermutationAligner.of(new PermutationAligner.Options(PermutationAligner.Kind.COVARIANCE)),
        RidgeAligner.absoluteLambda(0.5),
        RidgeAligner.relativeLambda(0));
  }

  @ParameterizedTest
  @MethodSource("settings")
  void traitsAreThoseOfTheOptions(Aligner aligner) {
    AlignerTraits.check(aligner);
  }
}
