// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.symmetry.SymmetryAligner.Options;

/** What balances each of two models. */
record Balances(SymmetryElement source, SymmetryElement target) {
  static Balances of(WeightPair pair, Options options, Workspace ws) throws IOException {
    return new Balances(
        Balance.of(pair.source(), pair.config(), options, ws),
        Balance.of(pair.target(), pair.config(), options, ws));
  }

  /** Balanced models. */
  WeightPair apply(WeightPair pair) {
    return WeightPair.of(
        source.apply(pair.source().weights()),
        target.apply(pair.target().weights()),
        pair.config());
  }

  /** Of what was found between balanced models, the same between the models as they are. */
  SymmetryElement composed(SymmetryElement found, Workspace ws) {
    return target.inverse().after(found.after(source, ws), ws);
  }
}
