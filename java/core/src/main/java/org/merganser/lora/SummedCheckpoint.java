// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * The factors of a sum of adapters. Both of a module are made at once, and those of the last one
 * are kept: who writes a file asks for them one after the other.
 */
final class SummedCheckpoint extends CheckpointView {
  private final Map<String, SummedLayer> layers;
  private final Way way;
  private final Map<String, String> metadata;
  private Made last;

  private record Made(SummedLayer of, Factors factors) {}

  /** A [r x in] and B [out x r] of a module. */
  record Factors(Tensor a, Tensor b) implements AutoCloseable {
    @Override
    public void close() {
      a.close();
      b.close();
    }
  }

  /** How those of several adapters become one pair. */
  interface Way {
    Factors make(SummedLayer layer, Workspace ws) throws IOException;

    /** Of the largest pair of matrices that is made on the way. */
    default long elements(SummedLayer layer) {
      return layer.stackedRank() * (layer.first().in() + layer.first().out());
    }
  }

  private SummedCheckpoint(
      Map<String, TensorInfo> tensors,
      List<LoraAdapter> adapters,
      Map<String, SummedLayer> layers,
      Way way) {
    super(tensors, adapters.stream().map(LoraAdapter::tensors).toList());
    this.layers = layers;
    this.way = way;
    this.metadata = LoraSum.known(adapters).tensors().metadata();
  }

  static SummedCheckpoint of(List<LoraAdapter> adapters, Map<String, SummedLayer> layers, Way way) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    Map<String, SummedLayer> byName = new LinkedHashMap<>();
    for (SummedLayer layer : layers.values()) {
      tensors.put(layer.named().a(), layer.aInfo());
      tensors.put(layer.named().b(), layer.bInfo());
      byName.put(layer.named().a(), layer);
      byName.put(layer.named().b(), layer);
    }
    return new SummedCheckpoint(tensors, adapters, byName, way);
  }

  @Override
  public Map<String, String> metadata() {
    return metadata;
  }

  @Override
  public long block(String name) {
    return Math.max(1, info(name).size());
  }

  @Override
  public TensorCost cost(String name) {
    SummedLayer layer = layers.get(name);
    long reads =
        layer.terms().stream()
            .mapToLong(term -> term.layer().aInfo().bytes() + term.layer().bInfo().bytes())
            .sum();
    // Factors side by side, their decompositions, the result.
    long held = DType.F64.bytes(6 * way.elements(layer));
    return TensorCost.stored(reads).plus(TensorCost.stored(0), held);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    SummedLayer layer = layers.get(name);
    // Another thread may ask for another module, which ends what is copied here.
    synchronized (this) {
      Factors made = made(layer, ws);
      Tensor whole = name.equals(layer.named().a()) ? made.a() : made.b();
      try (Tensor flat = whole.reshape(whole.size())) {
        into.copyFrom(flat, ws);
      }
    }
  }

  private Factors made(SummedLayer layer, Workspace ws) throws IOException {
    if (last == null || last.of() != layer) {
      Made made = new Made(layer, way.make(layer, ws));
      release();
      last = made;
    }
    return last.factors();
  }

  /** Ends the factors that are kept; those that are asked for later are made again. */
  synchronized void release() {
    if (last != null) {
      last.factors().close();
      last = null;
    }
  }

  /** The sum of products as one product: all of its rank, or the leading part. */
  static Factors product(SummedLayer layer, Workspace ws) throws IOException {
    DType type = layer.type();
    if (layer.rank() == layer.stackedRank()) {
      try (Tensor b = stacked(layer, true, type, ws)) {
        return both(
            () -> stacked(layer, false, type, ws),
            () -> LinAlg.transpose(Matrix.of(b), ws).asTensor());
      }
    }
    try (Tensor b = stacked(layer, true, DType.F64, ws);
        Tensor a = stacked(layer, false, DType.F64, ws);
        LowRank found = LowRank.of(Matrix.of(b), Matrix.of(a), ws);
        Matrix left = found.left(layer.rank(), ws);
        Matrix across = LinAlg.transpose(left, ws);
        Matrix right = found.right(layer.rank(), ws)) {
      return both(() -> right.asTensor().to(type, ws), () -> across.asTensor().to(type, ws));
    }
  }

  private interface Maker {
    Tensor make() throws IOException;
  }

  /** One after the other; of a failure nothing is left. */
  private static Factors both(Maker ofA, Maker ofB) throws IOException {
    try (Opened opened = new Opened()) {
      Factors made = new Factors(opened.add(ofA.make()), opened.add(ofB.make()));
      opened.release();
      return made;
    }
  }

  /** Factors one below the other: A, or B transposed and scaled. */
  static Tensor stacked(SummedLayer layer, boolean ofB, DType type, Workspace ws)
      throws IOException {
    long width = ofB ? layer.first().out() : layer.first().in();
    try (Opened opened = new Opened()) {
      Tensor all = opened.add(Tensor.allocate(type, new long[] {layer.stackedRank(), width}, ws));
      long row = 0;
      for (SummedLayer.Term term : layer.terms()) {
        long rank = term.layer().rank();
        try (Tensor place = all.rows(row, row + rank)) {
          if (ofB) {
            scaledB(term, place, ws);
          } else {
            read(term, term.layer().a(), place, ws);
          }
        }
        row += rank;
      }
      opened.release();
      return all;
    }
  }

  private static void scaledB(SummedLayer.Term term, Tensor into, Workspace ws) throws IOException {
    double[] scales = new double[(int) term.layer().rank()];
    Arrays.fill(scales, term.weight() * term.layer().scale());
    long[] shape = {term.layer().out(), scales.length};
    try (Tensor b = Tensor.allocate(into.dtype(), shape, ws)) {
      read(term, term.layer().b(), b, ws);
      try (Matrix across = LinAlg.transpose(Matrix.of(b), ws);
          Tensor scaled = across.asTensor().scaledRows(scales, ws)) {
        into.copyFrom(scaled, ws);
      }
    }
  }

  static void read(SummedLayer.Term term, String name, Tensor into, Workspace ws)
      throws IOException {
    term.adapter().tensors().as(into.dtype()).readRange(name, 0, into.size(), into, ws);
    long found = FoldedCheckpoint.nonFinite(into, ws);
    if (found > 0) {
      throw new NumericalException(
          "adapter %s: %d values of %s are not finite"
              .formatted(term.adapter(), found, Names.quote(name)));
    }
  }

  /** Factors added up, each by itself. */
  static Factors summed(SummedLayer layer, Workspace ws) throws IOException {
    double[] ofA = layer.terms().stream().mapToDouble(SummedLayer.Term::weight).toArray();
    double[] ofB =
        layer.terms().stream().mapToDouble(term -> term.weight() * term.layer().scale()).toArray();
    return both(
        () -> sum(layer, layer.first().in() * layer.rank(), false, ofA, ws),
        () -> sum(layer, layer.first().out() * layer.rank(), true, ofB, ws));
  }

  private static Tensor sum(
      SummedLayer layer, long size, boolean ofB, double[] weights, Workspace ws)
      throws IOException {
    try (Opened parts = new Opened();
        Opened opened = new Opened()) {
      Block[] blocks = new Block[weights.length];
      for (int i = 0; i < blocks.length; i++) {
        SummedLayer.Term term = layer.terms().get(i);
        Tensor part = parts.add(Tensor.allocate(layer.type(), new long[] {size}, ws));
        read(term, ofB ? term.layer().b() : term.layer().a(), part, ws);
        blocks[i] = Block.of(part);
      }
      Tensor sum = opened.add(Tensor.allocate(layer.type(), new long[] {size}, ws));
      Kernels.of(ws).merge().weightedSum(layer.type().code(), size, blocks, weights, Block.of(sum));
      opened.release();
      return sum;
    }
  }

  @Override
  public String toString() {
    return "sum of " + sources();
  }
}
