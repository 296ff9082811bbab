// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;
import org.merganser.transformer.TransformerConfig.Rope;

/** What holds for any structure and any element. */
class SymmetryPropertiesTest {
  @TempDir private Path folder;

  static LongStream seeds() {
    return LongStream.rangeClosed(1, 60);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void anyElementOfAnyStructure(long seed) throws IOException {
    SplittableRandom random = new SplittableRandom(seed);
    TransformerConfig config = config(random);
    Set<Kind> kinds = EnumSet.noneOf(Kind.class);
    for (Kind kind : Kind.values()) {
      if (random.nextInt(3) > 0) {
        kinds.add(kind);
      }
    }
    Checkpoint weights = GoldenModel.weights(config, seed);
    if (kinds.contains(Kind.ROTATION)) {
      NormAbsorption absorbed = NormAbsorption.of(weights, config, true, WS);
      weights = absorbed.checkpoint();
      config = absorbed.config();
    }
    int[] ids = random.ints(9, 0, config.vocabulary()).toArray();
    SymmetryElement element = SymmetryElement.random(config, kinds, seed);
    Checkpoint moved = element.apply(weights);
    double[][] wanted = ReferenceForward.logits(config, weights, ids, WS);
    double size = 1;
    for (double[] row : wanted) {
      for (double each : row) {
        size = Math.max(size, Math.abs(each));
      }
    }
    double[][] found = ReferenceForward.logits(config, moved, ids, WS);
    assertThat(ReferenceForward.difference(wanted, found))
        .describedAs(config + " " + kinds)
        .isLessThan(1e-10 * size);
    Path file = folder.resolve("g.mgsymmetry");
    element.save(file, WS);
    Checkpoint again = SymmetryElement.load(file, config, WS).apply(weights);
    for (String name : moved.tensors().keySet()) {
      assertThat(again.read(name, WS).sameBytes(moved.read(name, WS))).describedAs(name).isTrue();
    }
  }

  private static TransformerConfig config(SplittableRandom random) {
    int groups = 1 + random.nextInt(3);
    int size = 2 * (1 + random.nextInt(4));
    TransformerConfig config =
        TransformerConfig.llama(
                5 + random.nextInt(20),
                3 + random.nextInt(18),
                1 + random.nextInt(3),
                groups * (1 + random.nextInt(3)),
                groups,
                size,
                1 + random.nextInt(30))
            .with("tied", random.nextBoolean())
            .with("attentionBias", random.nextBoolean())
            .with("outputBias", random.nextBoolean())
            .with("mlpBias", random.nextBoolean())
            .with("gated", random.nextBoolean())
            .with("positions", 9);
    boolean layer = random.nextInt(3) == 0;
    Activation[] activations = Activation.values();
    return config
        .with("activation", activations[random.nextInt(activations.length)])
        .with("norm", layer ? Norm.LAYER : Norm.RMS)
        .with("queryKeyNorm", !layer && random.nextInt(3) == 0)
        .with("rope", random.nextInt(3) == 0 ? Optional.empty() : Optional.of(Rope.of(1e4)));
  }

  /**
   * Large enough to be gone through in parts: the bytes are those of F64 rounded once, but for the
   * few whose last bit depends on the order of a sum.
   */
  @Test
  void largeTensorsAreRoundedOnce() throws IOException {
    TransformerConfig config = TransformerConfig.llama(64, 512, 1, 8, 4, 64, 4800);
    MemoryCheckpoint weights = GoldenModel.weights(config, 1);
    for (String name : weights.tensors().keySet()) {
      for (int i = 0; i < 512 && name.endsWith("norm.weight"); i++) {
        weights.tensor(name).set(i, 1);
      }
    }
    MemoryCheckpoint stored = MemoryCheckpoint.copyOf(weights.as(DType.BF16), WS);
    for (Kind residual : List.of(Kind.RESIDUAL, Kind.ROTATION)) {
      Set<Kind> kinds =
          EnumSet.of(
              Kind.UNITS,
              Kind.UNIT_SCALES,
              Kind.HEADS,
              Kind.VALUE_OUTPUT,
              Kind.QUERY_KEY,
              residual);
      SymmetryElement element = SymmetryElement.random(config, kinds, 3);
      Checkpoint found = element.apply(stored);
      Checkpoint wanted = element.apply(stored.as(DType.F64)).as(DType.BF16);
      for (String name : config.tensors(DType.BF16).keySet()) {
        try (Tensor a = found.read(name, WS);
            Tensor b = wanted.read(name, WS)) {
          double[] xs = a.toDoubleArray();
          double[] ys = b.toDoubleArray();
          int different = 0;
          double worst = 0;
          for (int i = 0; i < xs.length; i++) {
            different += xs[i] != ys[i] ? 1 : 0;
            worst = Math.max(worst, Math.abs(xs[i] - ys[i]) - Math.abs(ys[i]) / 128);
          }
          assertThat(worst).describedAs(name).isLessThan(1e-9);
          assertThat(different).describedAs(name).isLessThanOrEqualTo((int) (a.size() / 10_000));
        }
      }
      // Written by several threads in parts, the bytes are those that are read at once.
      Path out = folder.resolve(residual.name());
      try (ShardedWriter writer =
          ShardedWriter.open(
              ShardPlan.of(found, 8 << 20), out, ShardedWriter.Options.defaults().withThreads(3))) {
        writer.write(found, WS);
      }
      try (Checkpoint written = Safetensors.open(out)) {
        for (String name : written.tensors().keySet()) {
          assertThat(written.read(name, WS).sameBytes(found.read(name, WS)))
              .describedAs(name)
              .isTrue();
        }
      }
    }
  }
}
