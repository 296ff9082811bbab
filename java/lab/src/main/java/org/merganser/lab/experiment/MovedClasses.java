// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.merganser.cka.CkaSensitivity;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.lab.report.Section;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.Mode;
import org.merganser.model.PairedActivations;
import org.merganser.similarity.LinearCka;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.similarity.CkaMapOptimizer;

/**
 * The last hidden layer of the first model of a group on test images, each class moved in turn
 * where the classifier does not see it: what its logits, its accuracy and CKA become.
 */
final class MovedClasses {
  static final String CKA = "classes";

  private final Pair pair;
  private final Examples images;
  private final Workspace ws;

  MovedClasses(Pair pair, int most) {
    this.pair = pair;
    Examples test = pair.data().test();
    this.images = test.first(Math.min(most, test.size()));
    this.ws = pair.ws();
  }

  /**
   * @param radii distances, in radii of the cloud of samples
   */
  void run(List<Double> radii) throws IOException {
    TorchNetwork network = pair.network();
    List<AffineLayer> layers = network.affineLayers();
    AffineLayer readout = layers.get(layers.size() - 1);
    Checkpoint model = pair.models().get(0);
    try (Matrix x = activations();
        Matrix w = wide(model.read(readout.weight(), ws));
        Matrix b = wide(model.read(readout.bias().orElseThrow(), ws).reshape(1, readout.width()))) {
      double[] v = CkaSensitivity.unseenBy(w, pair.seed(), ws);
      double[] sums = new double[radii.size() + 1];
      double half = 0;
      double[][] before = logits(x, w, b.row(0));
      double direct = 0;
      double change = 0;
      int[] right = {0, 0};
      int classes = images.classes();
      for (int k = 0; k < classes; k++) {
        int[] members = members(k);
        CkaSensitivity sensitivity = CkaSensitivity.of(x, members, v, ws);
        for (int i = 0; i < radii.size(); i++) {
          sums[i] += sensitivity.at(radii.get(i) * sensitivity.radius()) / classes;
        }
        sums[radii.size()] += sensitivity.limit() / classes;
        half += sensitivity.halfDistance() / sensitivity.radius() / classes;
        double far = radii.get(radii.size() - 1) * sensitivity.radius();
        try (Matrix y = Cubes.moved(x, members, v, far)) {
          double cka = LinearCka.biased().between(x, y, ws).value();
          direct = Math.max(direct, Math.abs(cka - sensitivity.at(far)));
          double[][] after = logits(y, w, b.row(0));
          change = Math.max(change, largestChange(before, after));
          right[0] += right(before);
          right[1] += right(after);
        }
      }
      for (int i = 0; i < radii.size(); i++) {
        CkaSensitivityExperiment.put(pair, CKA, radii.get(i), sums[i]);
      }
      CkaSensitivityExperiment.put(pair, CKA, Double.POSITIVE_INFINITY, sums[radii.size()]);
      Map<String, Object> found = pair.findings().map("behaviour");
      double all = (double) classes * images.size();
      found.put("accuracy before", right[0] / all);
      found.put("accuracy after", right[1] / all);
      found.put("largest change of a logit", change);
      found.put("radii at which CKA has fallen halfway", half);
      found.put("closed form less direct value", direct);
    }
  }

  private Matrix activations() throws IOException {
    TorchNetwork network = pair.network();
    List<String> layers = CkaMapOptimizer.layers(network);
    String last = layers.get(layers.size() - 1);
    long width = network.architecture().space(last).width();
    Tensor all = Tensor.allocate(DType.F64, images.size(), width);
    List<PairedActivations.Model> model =
        PairedActivations.Model.of(network, pair.models().subList(0, 1));
    try (PairedActivations passes = PairedActivations.of(model, images, Mode.EVAL, ws)) {
      passes.each(
          Set.of(last),
          batch ->
              all.rows(batch.first(), batch.first() + batch.samples())
                  .convertFrom(batch.of(0, last), ws),
          ws);
    }
    return Matrix.of(all);
  }

  private Matrix wide(Tensor stored) {
    try (stored) {
      return Matrix.of(stored.to(DType.F64, ws));
    }
  }

  private int[] members(int label) {
    return IntStream.range(0, images.size()).filter(i -> images.label(i) == label).toArray();
  }

  private double[][] logits(Matrix x, Matrix w, double... bias) {
    try (Matrix product = LinAlg.multiplyTransposed(x, w, ws)) {
      double[][] logits = product.toArray();
      for (double[] row : logits) {
        for (int c = 0; c < bias.length; c++) {
          row[c] += bias[c];
        }
      }
      return logits;
    }
  }

  private static double largestChange(double[][] before, double[][] after) {
    double largest = 0;
    for (int i = 0; i < before.length; i++) {
      for (int c = 0; c < before[i].length; c++) {
        largest = Math.max(largest, Math.abs(before[i][c] - after[i][c]));
      }
    }
    return largest;
  }

  private int right(double[][] logits) {
    return (int)
        IntStream.range(0, logits.length)
            .filter(
                i ->
                    IntStream.range(0, logits[i].length)
                            .reduce(0, (a, c) -> logits[i][c] > logits[i][a] ? c : a)
                        == images.label(i))
            .count();
  }

  /** What the classifier makes of it. */
  static Section<Map.Entry<String, Measured>> behaviour(List<Findings> pairs) {
    List<Map.Entry<String, Measured>> rows =
        pairs.get(0).map("behaviour").keySet().stream()
            .map(what -> Map.entry(what, Measured.of(pairs, "behaviour", what)))
            .toList();
    return new Section<>(
            "behaviour",
            "What the classifier says of a class that was moved",
            "By 100 radii, in double precision.",
            rows)
        .text("", 40, Map.Entry::getKey)
        .number("mean", 12, row -> row.getValue().text("%.4g"));
  }
}
