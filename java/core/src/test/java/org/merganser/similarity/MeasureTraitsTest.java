// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.plan.Catalogue;

/** Traits follow the options: the settings that the catalogue does not have. */
class MeasureTraitsTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "svcca:dims=5",
        "svcca:share=0.8",
        "linreg-r2:lambda=0.5",
        "linreg-r2:folds=5",
        "linreg-r2:lambda=0.5,folds=4",
        "rsa:rdm=correlation,compare=pearson",
        "rsa:rdm=cosine,compare=cosine",
        "rsa:rdm=squared,compare=kendall",
      })
  void traitsAreThoseOfTheOptions(String measure) {
    MeasureTraits.check(Catalogue.measures().method(measure));
  }
}
