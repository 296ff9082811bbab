// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;

/**
 * What was measured about an alignment.
 *
 * @param spaces by id
 * @param outputChange {@code |f(theta) - f(mapped theta)|_F / |f(theta)|_F} over the inputs given;
 *     empty without a network
 */
public record Verification(Map<String, SpaceCheck> spaces, OptionalDouble outputChange) {

  /**
   * One space.
   *
   * @param residual {@code max |T T^-1 - I|}
   * @param condition condition number of T in the 1-norm
   * @param exact whether the map keeps the function by its family
   */
  public record SpaceCheck(double residual, double condition, boolean exact) {}

  /** Largest residual of all spaces. */
  public double residual() {
    return spaces.values().stream().mapToDouble(SpaceCheck::residual).max().orElse(0);
  }

  static Verification ofMaps(Alignment alignment, Workspace ws) {
    Map<String, SpaceCheck> checks = new LinkedHashMap<>();
    for (FeatureSpace space : alignment.architecture().spaces()) {
      SpaceAlignment found = alignment.spaces().get(space.id());
      checks.put(
          space.id(),
          new SpaceCheck(residual(found.map(), ws), found.map().condition(), found.isExact(space)));
    }
    return new Verification(Collections.unmodifiableMap(checks), OptionalDouble.empty());
  }

  static Verification ofModel(
      Alignment alignment, Network network, Checkpoint model, Inputs inputs, Workspace ws)
      throws IOException {
    double[] sums = new double[2];
    try (Network.Session before = network.open(model, ws);
        Network.Session after = network.open(alignment.apply(model), ws)) {
      for (Iterator<Tensor> batches = inputs.open(ws.seed()); batches.hasNext(); ) {
        Tensor batch = batches.next();
        Tensor[] outputs = new Tensor[2];
        Set<String> tap = Set.of(Network.OUTPUT);
        before.run(batch, Mode.EVAL, tap, (id, output) -> outputs[0] = output);
        after.run(batch, Mode.EVAL, tap, (id, output) -> outputs[1] = output);
        for (long i = 0; i < outputs[0].size(); i++) {
          double reference = outputs[0].get(i);
          double change = outputs[1].get(i) - reference;
          sums[0] += change * change;
          sums[1] += reference * reference;
        }
      }
    }
    double change = sums[0] == 0 ? 0 : Math.sqrt(sums[0] / sums[1]);
    return new Verification(ofMaps(alignment, ws).spaces(), OptionalDouble.of(change));
  }

  private static double residual(FeatureMap map, Workspace ws) {
    if (!(map instanceof LinearMap linear)) {
      return 0;
    }
    try (Matrix product = LinAlg.multiply(linear.matrix(), linear.inverseMatrix(), ws)) {
      return LinAlg.distanceToIdentity(product);
    }
  }
}
