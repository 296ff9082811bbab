// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.util.EnumSet;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.NormAbsorption;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.TransformerConfig;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Two layers of 1.5 billion parameters' size and an embedding of 8192 tokens in BF16, in memory,
 * read through an element: what moves and changes signs should cost little more than a copy, what
 * mixes heads the products of them, an orthogonal map of the residual stream 2 d operations a
 * parameter.
 */
public class SymmetryBenchmark extends KernelBenchmark {
  private static final long TILE = 1 << 21;
  private static final TransformerConfig CONFIG =
      TransformerConfig.llama(8192, 1536, 2, 24, 8, 64, 8960).with("tied", true);

  @Param({"copy", "order", "residual", "scales", "heads", "absorbed", "rotation"})
  String element;

  private MemoryCheckpoint model;
  private Checkpoint moved;
  private Tensor part;

  @Setup
  public void setUp() throws IOException {
    open();
    model = MemoryCheckpoint.copyOf(new LlamaModel(2, 1536, 8960, 8192, 0), ws);
    part = Tensor.allocate(DType.BF16, 1536L * 8960);
    moved =
        switch (element) {
          case "copy" -> model;
          case "order" -> moved(EnumSet.of(Kind.UNITS, Kind.HEADS));
          case "residual" -> moved(EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.RESIDUAL));
          case "scales" -> moved(EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.UNIT_SCALES));
          case "heads" ->
              moved(EnumSet.of(Kind.UNITS, Kind.HEADS, Kind.VALUE_OUTPUT, Kind.QUERY_KEY));
          case "absorbed" -> NormAbsorption.of(model, CONFIG, true, ws).checkpoint();
          default -> {
            NormAbsorption even = NormAbsorption.of(model, CONFIG, true, ws);
            Checkpoint stored = MemoryCheckpoint.copyOf(even.checkpoint(), ws);
            yield SymmetryElement.random(even.config(), EnumSet.of(Kind.ROTATION), 1).apply(stored);
          }
        };
    read();
  }

  private Checkpoint moved(Set<Kind> kinds) {
    return SymmetryElement.random(CONFIG, kinds, 1).apply(model);
  }

  @TearDown
  public void tearDown() {
    part.close();
    model.close();
    ws.close();
  }

  @Benchmark
  public void read() throws IOException {
    long bytes = 0;
    for (String name : moved.tensors().keySet()) {
      TensorInfo info = moved.info(name);
      long tile = moved.tile(name, TILE);
      for (long from = 0; from < info.size(); from += tile) {
        long to = Math.min(info.size(), from + tile);
        try (Tensor into =
            Tensor.over(part.memory().slice(0, 2 * (to - from)), DType.BF16, to - from)) {
          moved.readRange(name, from, to, into, ws);
        }
      }
      bytes += 2 * info.bytes();
    }
    Work.bytes(bytes);
  }
}
