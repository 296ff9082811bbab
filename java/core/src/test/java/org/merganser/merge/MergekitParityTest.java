// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger.Normalise;
import org.merganser.testing.Close;

/** What mergekit 0.1.4 made of four small models at float32. */
class MergekitParityTest {
  /** Roundings of F32, of the largest element of a tensor. */
  private static final double ELEMENTWISE = 3e-7;

  /** The same, where norms in F32 are in it. */
  private static final double NORMS = 1e-5;

  @Test
  void linear() throws IOException {
    compare("linear", LinearMerger.weights(.6, .3, .4), ELEMENTWISE, false, "a", "b", "c");
    LinearMerger.Options options =
        LinearMerger.Options.defaults()
            .withNormalise(Normalise.AS_GIVEN)
            .withWeights(List.of(0.6, -0.3, 0.4));
    compare("linear-unnormalized", LinearMerger.of(options), ELEMENTWISE, false, "a", "b", "c");
  }

  @Test
  void taskArithmetic() throws IOException {
    TaskArithmeticMerger.Options options =
        TaskArithmeticMerger.Options.defaults().withWeights(List.of(0.6, 0.4, -0.5)).withLambda(.8);
    compare("task-arithmetic", TaskArithmeticMerger.of(options), ELEMENTWISE, true, "a", "b", "c");
  }

  @Test
  void ties() throws IOException {
    TiesMerger.Options options = TiesMerger.Options.defaults();
    TiesMerger three =
        TiesMerger.of(
            options.withWeights(List.of(0.6, 0.4, 0.7)).withDensity(List.of(0.5, 0.3, 0.9)));
    compare("ties", three, ELEMENTWISE, true, "a", "b", "c");
    TiesMerger two =
        TiesMerger.of(
            options
                .withWeights(List.of(0.6, 0.4))
                .withDensity(List.of(0.5, 0.3))
                .withNormalise(false)
                .withLambda(1.3));
    compare("ties-unnormalized", two, ELEMENTWISE, true, "a", "b");
  }

  /** t along the layers in perceptrons, 0.4 elsewhere. */
  @Test
  void slerpWithOptionsOfEachTensor() throws IOException {
    Pattern layer = Pattern.compile("layers\\.(\\d)\\.mlp");
    double[] along = {0, .3, .9};
    TensorMerger merger =
        TensorMerger.perTensor(
            name -> {
              Matcher found = layer.matcher(name);
              double t = found.find() ? along[Integer.parseInt(found.group(1))] : .4;
              return SlerpMerger.of(new SlerpMerger.Options(t));
            });
    compare("slerp", merger, 1e-6, false, "a", "b");
  }

  /** mergekit drops all of a tensor none of whose elements are dropped as the largest. */
  @Test
  void breadcrumbs() throws IOException {
    BreadcrumbsMerger.Options options = BreadcrumbsMerger.Options.defaults();
    BreadcrumbsMerger two =
        BreadcrumbsMerger.linear(
            options
                .withWeights(List.of(0.6, 0.4))
                .withDensity(List.of(0.6, 0.7))
                .withGamma(List.of(0.1, 0.05)));
    Predicate<TensorInfo> large = info -> info.size() >= 1 / .05;
    compare("breadcrumbs", two, ELEMENTWISE, true, large, "a", "b");
    BreadcrumbsMerger three =
        BreadcrumbsMerger.ties(
            options
                .withWeights(List.of(0.6, 0.4, 0.5))
                .withDensity(List.of(0.6, 0.7, 0.5))
                .withGamma(List.of(0.1, 0.05, 0.1)));
    compare("breadcrumbs-ties", three, ELEMENTWISE, true, large, "a", "b", "c");
  }

  @Test
  void karcher() throws IOException {
    KarcherMerger.Options options = new KarcherMerger.Options(50, 1e-7);
    compare("karcher", KarcherMerger.of(options), NORMS, false, "a", "b", "c");
  }

  /** A weight of 3 and 1 is t = 1/4 along the arc from a to c. */
  @Test
  void nuslerp() throws IOException {
    NuSlerpMerger.Options options = NuSlerpMerger.Options.defaults().withWeights(List.of(3.0, 1.0));
    compare("nuslerp", NuSlerpMerger.of(options), NORMS, false, "a", "b");
    compare(
        "nuslerp-base-rowwise",
        NuSlerpMerger.of(options.withTaskVectors(true).withFlatten(false).withRowWise(true)),
        NORMS,
        true,
        "a",
        "b");
  }

  @Test
  void modelStock() throws IOException {
    ModelStockMerger.Options options = ModelStockMerger.Options.defaults().withClamp(false);
    compare("model-stock", ModelStockMerger.of(options), NORMS, true, "a", "b", "c");
    compare(
        "model-stock-filterwise",
        ModelStockMerger.of(options.withFilterWise(true)),
        NORMS,
        true,
        "a",
        "b",
        "c");
  }

  @Test
  void multiSlerp() throws IOException {
    MultiSlerpMerger.Options options =
        MultiSlerpMerger.Options.defaults().withWeights(List.of(2.0, 1.0, 1.0));
    compare("multislerp", MultiSlerpMerger.of(options), NORMS, false, "a", "b", "c");
    compare(
        "multislerp-base",
        MultiSlerpMerger.of(options.withTaskVectors(true)),
        NORMS,
        true,
        "a",
        "b",
        "c");
  }

  @Test
  void nearSwap() throws IOException {
    NearSwapMerger merger = NearSwapMerger.of(new NearSwapMerger.Options(.01));
    compare("nearswap", merger, ELEMENTWISE, true, "a");
  }

  @Test
  void ram() throws IOException {
    RamMerger ram = RamMerger.of(RamMerger.Options.defaults());
    compare("ram", ram, ELEMENTWISE, true, "a", "b", "c");
    RamPlusMerger plus = RamPlusMerger.of(RamPlusMerger.Options.defaults());
    compare("ramplus-tl", plus, ELEMENTWISE, true, "a", "b", "c");
  }

  @Test
  void sce() throws IOException {
    SceMerger.Options options = SceMerger.Options.defaults();
    compare("sce", SceMerger.of(options), NORMS, true, "a", "b", "c");
    SceMerger selecting = SceMerger.of(options.withSelectTopk(.4));
    compare("sce-topk", selecting, NORMS, true, "a", "b", "c");
  }

  @Test
  void arceeFusion() throws IOException {
    compare("arcee-fusion", new ArceeFusionMerger(), ELEMENTWISE, true, "b");
  }

  /** Layers 0 and 1 of a, then 1 and 2 of b, whose output projections are halved. */
  @Test
  void passthrough() throws IOException {
    TensorMerger merger =
        TensorMerger.perTensor(
            name ->
                PassthroughMerger.of(
                    PassthroughMerger.Options.defaults()
                        .withScale(name.contains("o_proj") ? .5 : 1)));
    try (Checkpoint wanted = open("expected/passthrough-stack");
        Checkpoint a = open("models/a");
        Checkpoint b = open("models/b")) {
      Checkpoint scaled = merger.merge(MergeProblem.of(b), WS);
      int compared = 0;
      for (String name : wanted.tensors().keySet()) {
        Matcher layer = Pattern.compile("layers\\.(\\d)\\.").matcher(name);
        if (layer.find()) {
          int at = Integer.parseInt(layer.group(1));
          Checkpoint from = at < 2 ? a : scaled;
          String source = layer.replaceFirst("layers." + (at < 2 ? at : at - 1) + ".");
          try (Tensor found = from.read(source, WS);
              Tensor right = wanted.read(name, WS)) {
            Close.bitwise(name, found, right);
          }
          compared++;
        }
      }
      assertThat(compared).isEqualTo(36);
    }
  }

  private static void compare(
      String expected, TensorMerger merger, double tolerance, boolean base, String... names)
      throws IOException {
    compare(expected, merger, tolerance, base, info -> true, names);
  }

  private static void compare(
      String expected,
      TensorMerger merger,
      double tolerance,
      boolean base,
      Predicate<TensorInfo> which,
      String... names)
      throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (String name : names) {
      models.add(open("models/" + name));
    }
    try (Checkpoint wanted = open("expected/" + expected);
        Checkpoint origin = open("models/base")) {
      MergeProblem problem = MergeProblem.of(models);
      Checkpoint merged = merger.merge(base ? problem.withBase(origin) : problem, WS);
      List<String> compared =
          wanted.tensors().keySet().stream().filter(n -> which.test(wanted.info(n))).toList();
      assertThat(compared).hasSizeGreaterThan(20);
      for (String name : compared) {
        try (Tensor found = merged.read(name, WS);
            Tensor right = wanted.read(name, WS)) {
          Close.relative(
              expected + " " + name, found.toDoubleArray(), right.toDoubleArray(), tolerance);
        }
      }
    } finally {
      models.forEach(Checkpoint::close);
    }
  }

  private static Checkpoint open(String name) throws IOException {
    try {
      return Safetensors.open(
          Path.of(
              MergekitParityTest.class
                  .getResource("/fixtures/mergekit/" + name + ".safetensors")
                  .toURI()));
    } catch (URISyntaxException e) {
      throw new IOException(e);
    }
  }
}
