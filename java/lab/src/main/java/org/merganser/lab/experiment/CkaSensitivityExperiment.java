// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.merganser.cka.CkaSensitivity;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.report.Section;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.similarity.LinearCka;
import org.merganser.torch.TorchNetwork;

/**
 * What changes CKA that changes nothing else (Davari et al. 2023): one of two cubes of samples
 * moved far away, an invertible map, a single outlier, and a class of images moved where the
 * classifier of a trained network does not see it.
 */
public final class CkaSensitivityExperiment extends NetworkExperiment {
  static final String ID = "cka-sensitivity";

  private static final List<Double> DISTANCES = List.of(1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1e6);

  /** In radii of the cloud of samples. */
  private static final List<Double> RADII = List.of(0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0);

  private static final List<Double> RATIOS = List.of(0.01, 0.1, 0.2, 0.4, 0.5, 1.0, 5.0, 100.0);
  private static final List<Double> BANDWIDTHS = List.of(1.0, 0.5, 0.2);

  /** Settings. */
  public record Options(
      ExperimentOptions common,
      @Setting(value = "samples of each cube", min = 10) int cubeSamples,
      @Setting(value = "features of the cubes", min = 2) int features,
      @Setting(value = "features of the cubes that are mapped", min = 2) int mapFeatures,
      @Setting(
              value =
                  "samples of each cube where kernels need all pairs of them, and for an outlier",
              min = 10)
          int fewSamples,
      @Setting(value = "test images of which classes are moved", min = 100) int images) {

    /** As published, on a perceptron of two layers of 64. */
    public static Options defaults() {
      ExperimentOptions common =
          Settings.of(ExperimentOptions.defaults()).parse("", Map.of("hidden", "64"));
      return new Options(common, 10_000, 1000, 500, 1000, 2000);
    }
  }

  private final Options options;

  public CkaSensitivityExperiment(Options options) {
    super(ID, options, options.common());
    this.options = options;
  }

  @Override
  String title() {
    return "What CKA is sensitive to";
  }

  @Override
  void check(DataSet data, TorchNetwork network) {
    if (options().choice().readsImages()) {
      throw new IllegalArgumentException(
          "classes are moved where a linear classifier reads them without pooling; use network"
              + " mlp");
    }
  }

  @Override
  void run(Pair pair) throws IOException {
    pair.watch().run("cubes", () -> cubes(pair));
    pair.watch().run("kernels", () -> kernels(pair));
    pair.watch().run("maps", () -> maps(pair));
    pair.watch().run("classes", () -> new MovedClasses(pair, options.images()).run(RADII));
  }

  private void cubes(Pair pair) {
    Cubes cubes = new Cubes(options.cubeSamples(), options.features(), pair.seed());
    try (Matrix x = cubes.draw();
        FeatureProducts products = new FeatureProducts(x, pair.ws())) {
      for (double c : DISTANCES) {
        put(pair, "cubes", c, products.moved(cubes.second(), cubes.direction(), c));
      }
    }
  }

  private void kernels(Pair pair) {
    Cubes cubes = new Cubes(options.fewSamples(), options.features(), pair.seed());
    double[] v = cubes.direction();
    try (Matrix x = cubes.draw()) {
      for (double t : BANDWIDTHS) {
        for (boolean frozen : new boolean[] {true, false}) {
          double limit = CkaSensitivity.rbfLimit(x, cubes.second(), t, frozen, pair.ws()).value();
          put(pair, frozen ? "rbf" : "rbfGrowing", t, limit);
        }
      }
      int[] one = {0};
      CkaSensitivity outlier = CkaSensitivity.of(x, one, v, pair.ws());
      for (double radii : RADII) {
        put(pair, "outlier", radii, outlier.at(radii * outlier.radius()));
      }
      put(pair, "outlier", Double.POSITIVE_INFINITY, outlier.limit());
      double far = RADII.get(RADII.size() - 1) * outlier.radius();
      try (Matrix y = Cubes.moved(x, one, v, far)) {
        double difference = Math.abs(cka(x, y, pair.ws()) - outlier.at(far));
        pair.findings().data().put("closedForm", difference);
      }
    }
  }

  private void maps(Pair pair) {
    Cubes cubes = new Cubes(options.cubeSamples(), options.mapFeatures(), pair.seed());
    try (Matrix x = cubes.draw();
        FeatureProducts products = new FeatureProducts(x, pair.ws())) {
      for (double ratio : RATIOS) {
        try (Matrix map = cubes.map(ratio)) {
          put(pair, "maps", ratio, products.mapped(map, pair.ws()));
        }
      }
    }
  }

  private static double cka(Matrix x, Matrix y, Workspace ws) {
    return LinearCka.biased().between(x, y, ws).value();
  }

  static void put(Pair pair, String what, double at, double value) {
    pair.findings().map(what).put(String.valueOf(at), value);
  }

  @Override
  List<Map.Entry<String, String>> comparisons(Architecture architecture, Findings first) {
    return List.of();
  }

  @Override
  List<Section<?>> sections(List<Findings> pairs) {
    boolean usual = options.cubeSamples() == 10_000;
    return CkaSensitivityCharts.sections(
        pairs,
        options.features(),
        usual && options.features() == 1000,
        usual && options.mapFeatures() == 500);
  }
}
