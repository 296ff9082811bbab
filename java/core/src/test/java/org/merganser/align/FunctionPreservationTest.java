// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.model.FeatureSpace;
import org.merganser.stats.Moments;
import org.merganser.testing.Close;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

/** Mapped networks compute what they computed before, judged by a forward pass in plain Java. */
class FunctionPreservationTest {

  static Stream<JavaNetwork> rectified() {
    return Stream.of(
        JavaNetwork.mlp(Activation.RELU, 6, 17, 9, 13, 4), JavaNetwork.branches(Activation.RELU));
  }

  static Stream<JavaNetwork> linear() {
    return Stream.of(
        JavaNetwork.mlp(Activation.NONE, 6, 17, 9, 13, 4), JavaNetwork.branches(Activation.NONE));
  }

  @ParameterizedTest
  @MethodSource("rectified")
  void anyPermutationKeepsTheOutput(JavaNetwork network) throws IOException {
    MemoryCheckpoint model = network.random(DType.F32, 1, WS);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    Models.orders(network.architecture(), 5)
        .forEach((space, order) -> maps.put(space, ScaledPermutation.of(order)));
    assertSameOutputs(network, model, maps, 1e-5);
  }

  /** The gather agrees with moving the bytes by hand, through flatten and offsets. */
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "F16", "BF16"})
  void permutationsMoveBits(DType dtype) throws IOException {
    JavaNetwork network = JavaNetwork.branches(Activation.RELU);
    MemoryCheckpoint model = network.random(dtype, 1, WS);
    Map<String, int[]> orders = Models.orders(network.architecture(), 6);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    orders.forEach((space, order) -> maps.put(space, ScaledPermutation.of(order)));
    Alignment alignment = Alignment.of("test", network.architecture(), maps);
    Models.assertSameBits(
        "permuted",
        alignment.apply(model),
        Models.permute(model, network.architecture(), orders, WS),
        WS);
  }

  @ParameterizedTest
  @MethodSource("rectified")
  void positiveScalesPassThroughARelu(JavaNetwork network) throws IOException {
    MemoryCheckpoint model = network.random(DType.F32, 1, WS);
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    for (FeatureSpace space : network.architecture().spaces()) {
      int n = (int) space.width();
      double[] scales = new double[n];
      for (int i = 0; i < n; i++) {
        scales[i] = 0.25 + i;
      }
      maps.put(space.id(), ScaledPermutation.of(Oracle.permutation(n, 9), scales));
    }
    assertSameOutputs(network, model, maps, 1e-5);
  }

  @ParameterizedTest
  @MethodSource("linear")
  void denseMapsKeepTheOutputOfALinearNetwork(JavaNetwork network) throws IOException {
    Map<String, FeatureMap> maps = denseMaps(network);
    assertSameOutputs(network, network.random(DType.F32, 2, WS), maps, 1e-5);
    assertSameOutputs(network, network.random(DType.F64, 2, WS), maps, 1e-12);
  }

  /** So that the tests above could fail: a ReLU does not commute with a dense map. */
  @ParameterizedTest
  @MethodSource("rectified")
  void denseMapsChangeARectifiedNetworkAndSaySo(JavaNetwork network) throws IOException {
    MemoryCheckpoint model = network.random(DType.F64, 2, WS);
    Alignment alignment = Alignment.of("test", network.architecture(), denseMaps(network));
    assertThat(alignment.isExact()).isFalse();
    Verification verification =
        alignment.verify(
            network, model, JavaNetwork.inputs(Oracle.gaussian(20, network.inputs(), 3), 7), WS);
    assertThat(verification.outputChange().orElseThrow()).isGreaterThan(0.01);
    assertThat(verification.residual()).isLessThan(1e-12);
  }

  @ParameterizedTest
  @MethodSource("rectified")
  void aPlantedPermutationIsUndoneBitForBit(JavaNetwork network) throws IOException {
    MemoryCheckpoint a = network.random(DType.F32, 21, WS);
    Map<String, int[]> orders = Models.orders(network.architecture(), 22);
    MemoryCheckpoint b = Models.permute(a, network.architecture(), orders, WS);
    double[][] inputs = Oracle.gaussian(400, network.inputs(), 23);
    Aligner aligner = PermutationAligner.byCorrelation();
    Moments moments =
        network.moments(List.of(a, b), inputs, aligner.request(network.architecture()), WS);
    Alignment found = aligner.align(AlignmentProblem.of(network.architecture(), moments), WS).of(1);
    assertThat(found.isExact()).isTrue();
    Models.assertSameBits("aligned", found.apply(b), a, WS);
    Verification verification = found.verify(network, b, JavaNetwork.inputs(inputs, 50), WS);
    assertThat(verification.outputChange().orElseThrow()).isLessThan(1e-6);
  }

  /** W = [[1,2],[3,4]], V = [[5,6]], T = [[1,1],[0,1]] gives [[4,6],[3,4]] and [[5,1]]. */
  @Test
  void workedExample() throws IOException {
    MemoryCheckpoint model =
        MemoryCheckpoint.of(
            Map.of(
                "in.weight",
                Matrix.of(new double[][] {{1, 2}, {3, 4}}).asTensor(),
                "out.weight",
                Matrix.of(new double[][] {{5, 6}}).asTensor()));
    LinearMap t =
        LinearMap.of(
            Matrix.of(new double[][] {{1, 1}, {0, 1}}),
            Matrix.of(new double[][] {{1, -1}, {0, 1}}));
    Alignment alignment =
        Alignment.of(
            "test",
            org.merganser.testing.Activations.oneSpace(2, org.merganser.model.MapFamily.ANY_LINEAR),
            Map.of("s", t));
    Checkpoint mapped = alignment.apply(model);
    assertThat(mapped.read("in.weight", WS).toDoubleArray()).containsExactly(4, 6, 3, 4);
    assertThat(mapped.read("out.weight", WS).toDoubleArray()).containsExactly(5, 1);
    assertThat(alignment.isExact()).isTrue();
  }

  private static Map<String, FeatureMap> denseMaps(JavaNetwork network) {
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    for (FeatureSpace space : network.architecture().spaces()) {
      double[][] t = Oracle.mixing((int) space.width(), 31 + maps.size());
      maps.put(space.id(), LinearMap.of(Matrix.of(t), Matrix.of(Oracle.inverse(t))));
    }
    return maps;
  }

  private static void assertSameOutputs(
      JavaNetwork network, Checkpoint model, Map<String, FeatureMap> maps, double tolerance)
      throws IOException {
    double[][] inputs = Oracle.gaussian(50, network.inputs(), 77);
    Checkpoint mapped = Alignment.of("test", network.architecture(), maps).apply(model);
    double[][] before = network.outputs(model, inputs, WS);
    Close.relative("outputs", network.outputs(mapped, inputs, WS), before, tolerance);
  }
}
