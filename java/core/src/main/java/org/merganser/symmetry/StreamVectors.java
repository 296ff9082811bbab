// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;

/** Vectors of the residual stream: gains and biases of norms, biases of what writes to it. */
final class StreamVectors {
  /** Pairs, the target's first. */
  private final List<double[][]> gains = new ArrayList<>();

  private final List<double[][]> biases = new ArrayList<>();

  /** Gain and bias of a norm, those that there are. */
  StreamVectors norm(WeightPair models, String name, Workspace ws) throws IOException {
    if (models.has(name + ".weight")) {
      gains.add(models.vectors(name + ".weight", ws));
    }
    return bias(models, name + ".bias", ws);
  }

  /** A bias, if there is one. */
  StreamVectors bias(WeightPair models, String name, Workspace ws) throws IOException {
    if (models.has(name)) {
      biases.add(models.vectors(name, ws));
    }
    return this;
  }

  void move(Stream stream) {
    for (double[][] each : gains) {
      each[1] = stream.gain(each[1]);
    }
    for (double[][] each : biases) {
      each[1] = stream.vector(each[1]);
    }
  }

  double squaredDistance() {
    double sum = 0;
    for (double[][] each : gains) {
      sum += WeightPair.squaredDistance(each);
    }
    for (double[][] each : biases) {
      sum += WeightPair.squaredDistance(each);
    }
    return sum;
  }

  void addCross(Crosses sums, Workspace ws) {
    for (double[][] each : biases) {
      sums.addVector(each, ws);
    }
    for (double[][] each : gains) {
      sums.addGain(each, ws);
    }
  }
}
