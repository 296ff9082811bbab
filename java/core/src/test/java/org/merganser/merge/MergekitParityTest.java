// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.merge.LinearMerger.Normalise;
import org.merganser.testing.Close;

/** What mergekit 0.1.4 made of four small models at float32. */
class MergekitParityTest {
  /** Roundings of F32, of the largest element of a tensor. */
  private static final double ELEMENTWISE = 3e-7;

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

  private static void compare(
      String expected, TensorMerger merger, double tolerance, boolean base, String... names)
      throws IOException {
    List<Checkpoint> models = new ArrayList<>();
    for (String name : names) {
      models.add(open("models/" + name));
    }
    try (Checkpoint wanted = open("expected/" + expected);
        Checkpoint origin = open("models/base")) {
      MergeProblem problem = MergeProblem.of(models);
      Checkpoint merged = merger.merge(base ? problem.withBase(origin) : problem, WS);
      for (String name : wanted.tensors().keySet()) {
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
