// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.lora.SummedCheckpoint.Factors;

/**
 * Factors merged in the common singular vectors of what adapters do: {@code [d_1 | ... | d_n] = U S
 * [V_1 | ... | V_n]^T}, {@code B = scale U sqrt(S)}, {@code A = sqrt(S) V^T}, V merged of the V_k.
 * The d_k are products of factors, {@code [s_1 B_1 | ... | s_n B_n] diag(A_1, ..., A_n)}, which are
 * decomposed as such. Singular values that are dropped leave rows and columns of 0.
 */
record AlignedFactors(int adapters, LoraSum.RightMerger how, double smallest, double scale)
    implements SummedCheckpoint.Way {

  @Override
  public long elements(SummedLayer layer) {
    return layer.stackedRank() * (adapters * layer.first().in() + layer.first().out());
  }

  @Override
  public Factors make(SummedLayer layer, Workspace ws) throws IOException {
    long in = layer.first().in();
    long out = layer.first().out();
    try (Opened opened = new Opened();
        Opened made = new Opened()) {
      Tensor b = opened.add(SummedCheckpoint.stacked(layer, true, DType.F64, ws));
      Tensor a = opened.add(blocks(layer, ws));
      LowRank found = opened.add(LowRank.of(Matrix.of(b), Matrix.of(a), ws));
      double[] values = Arrays.stream(found.values()).filter(s -> s > smallest).toArray();
      Tensor right = opened.add(zeros(layer.rank(), in, ws));
      Tensor left = opened.add(zeros(layer.rank(), out, ws));
      if (values.length > 0) {
        fill(found, values, active(layer, a, b, ws), right, left, ws);
      }
      Tensor across = opened.add(LinAlg.transpose(Matrix.of(left), ws).asTensor());
      Tensor ofA = made.add(right.to(layer.type(), ws));
      Tensor ofB = made.add(across.to(layer.type(), ws));
      made.release();
      return new Factors(ofA, ofB);
    }
  }

  /** Which adapters change the module. */
  private static BitSet active(SummedLayer layer, Tensor a, Tensor b, Workspace ws) {
    BitSet active = new BitSet();
    long row = 0;
    for (SummedLayer.Term term : layer.terms()) {
      long end = row + term.layer().rank();
      try (Tensor ofA = a.rows(row, end);
          Tensor ofB = b.rows(row, end)) {
        active.set(
            term.index(),
            LinAlg.norm1(Matrix.of(ofA), ws) != 0 && LinAlg.norm1(Matrix.of(ofB), ws) != 0);
      }
      row = end;
    }
    return active;
  }

  /** The leading rows of {@code sqrt(S) V^T} and {@code scale sqrt(S) U^T}. */
  private void fill(
      LowRank found, double[] values, BitSet active, Tensor right, Tensor left, Workspace ws) {
    double[] roots = Arrays.stream(values).map(Math::sqrt).toArray();
    double[] scaled = Arrays.stream(roots).map(root -> scale * root).toArray();
    try (Opened opened = new Opened()) {
      Tensor leading = opened.add(found.rightTransposed().asTensor().rows(0, values.length));
      Tensor stacked = opened.add(LinAlg.transpose(Matrix.of(leading), ws).asTensor());
      long in = right.dim(1);
      List<Matrix> parts = new ArrayList<>();
      for (int k = 0; k < adapters; k++) {
        Tensor part =
            active.get(k) ? stacked.rows(k * in, (k + 1) * in) : zeros(in, values.length, ws);
        parts.add(Matrix.of(opened.add(part)));
      }
      Matrix merged = opened.add(how.merge(parts, ws));
      Tensor across = opened.add(LinAlg.transpose(merged, ws).asTensor());
      copy(opened.add(across.scaledRows(roots, ws)), right, ws);
      Tensor vectors = opened.add(found.leftTransposed().asTensor().rows(0, values.length));
      copy(opened.add(vectors.scaledRows(scaled, ws)), left, ws);
    }
  }

  private static void copy(Tensor rows, Tensor into, Workspace ws) {
    try (Tensor place = into.rows(0, rows.dim(0))) {
      place.copyFrom(rows, ws);
    }
  }

  private static Tensor zeros(long rows, long columns, Workspace ws) {
    try (Tensor zeros = Tensor.zeros(DType.F64, rows, columns)) {
      return zeros.on(ws);
    }
  }

  /** Each A where its adapter's columns are: [sum r x n in]. */
  private Tensor blocks(SummedLayer layer, Workspace ws) throws IOException {
    long in = layer.first().in();
    long width = adapters * in;
    try (Opened opened = new Opened()) {
      Tensor all = opened.add(zeros(layer.stackedRank(), width, ws));
      try (Tensor flat = all.reshape(all.size())) {
        long row = 0;
        for (SummedLayer.Term term : layer.terms()) {
          long rank = term.layer().rank();
          long column = term.index() * in;
          try (Tensor own = Tensor.allocate(DType.F64, new long[] {rank * in}, ws)) {
            SummedCheckpoint.read(term, term.layer().a(), own, ws);
            for (long i = 0; i < rank; i++) {
              long begin = (row + i) * width + column;
              try (Tensor from = own.rows(i * in, (i + 1) * in);
                  Tensor place = flat.rows(begin, begin + in)) {
                place.copyFrom(from, ws);
              }
            }
          }
          row += rank;
        }
      }
      opened.release();
      return all;
    }
  }
}
