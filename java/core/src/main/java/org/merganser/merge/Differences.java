// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * Sums over the coordinates of differences to a base, from which {@link Interference} follows.
 * Those of a piece of a tensor are formed before they are added, so that errors of rounding do not
 * grow with its size.
 */
final class Differences {
  /** Elements that are read at once. */
  private static final long TILE = 1 << 16;

  private static final int PIECE = 1 << 10;

  private final double[][] products;
  private long size;
  private long conflicts;
  private long shared;
  private double kept;
  private double mass;

  Differences(int models) {
    this.products = new double[models][models];
  }

  /** Those of a tensor. */
  void add(MergeProblem problem, String name, Workspace ws) throws IOException {
    List<Checkpoint> wide = new ArrayList<>();
    long tile = TILE;
    for (Checkpoint input : problem.all()) {
      wide.add(input.where(name::equals).as(DType.F64));
      tile = Math.max(tile, input.tile(name, TILE));
    }
    long elements = problem.base().orElseThrow().info(name).size();
    for (long from = 0; from < elements; from += tile) {
      ws.cancellation().check();
      long to = Math.min(elements, from + tile);
      double[][] values = new double[wide.size()][];
      for (int k = 0; k < values.length; k++) {
        values[k] = values(wide.get(k), name, from, to, ws);
      }
      subtract(values, name, from);
      double[][] differences = Arrays.copyOf(values, values.length - 1);
      for (int first = 0; first < to - from; first += PIECE) {
        Differences piece = new Differences(differences.length);
        piece.add(differences, first, (int) Math.min(to - from, first + PIECE));
        add(piece);
      }
    }
  }

  private static double[] values(Checkpoint input, String name, long from, long to, Workspace ws)
      throws IOException {
    try (Tensor part = Tensor.allocate(DType.F64, new long[] {to - from}, ws)) {
      input.readRange(name, from, to, part, ws);
      try (Tensor host = part.toHost(ws)) {
        return host.toDoubleArray();
      }
    }
  }

  /** Takes the last from all others. */
  private static void subtract(double[][] values, String name, long from) {
    double[] base = values[values.length - 1];
    for (int k = 0; k < values.length - 1; k++) {
      double[] model = values[k];
      for (int i = 0; i < base.length; i++) {
        double difference = model[i] == base[i] ? 0 : model[i] - base[i];
        if (!Double.isFinite(difference)) {
          throw new NumericalException(
              "%s at index %d: model %d has %s, the base %s, whose difference is not finite"
                  .formatted(Names.quote(name), from + i, k, model[i], base[i]));
        }
        model[i] = difference;
      }
    }
  }

  private void add(double[][] differences, int from, int to) {
    size = to - from;
    for (int k = 0; k < products.length; k++) {
      for (int j = 0; j <= k; j++) {
        double sum = 0;
        for (int i = from; i < to; i++) {
          sum += differences[k][i] * differences[j][i];
        }
        products[k][j] = sum;
        products[j][k] = sum;
      }
    }
    for (int i = from; i < to; i++) {
      long above = 0;
      long below = 0;
      double plus = 0;
      double minus = 0;
      double sum = 0;
      for (double[] model : differences) {
        double d = model[i];
        sum += d;
        if (d > 0) {
          above++;
          plus += d;
        } else if (d < 0) {
          below++;
          minus -= d;
        }
      }
      conflicts += above * below;
      shared += (above + below) * (above + below - 1) / 2;
      kept += sum >= 0 ? plus : minus;
      mass += plus + minus;
    }
  }

  /** Those of other coordinates. */
  void add(Differences other) {
    for (int k = 0; k < products.length; k++) {
      for (int j = 0; j < products.length; j++) {
        products[k][j] += other.products[k][j];
      }
    }
    size += other.size;
    conflicts += other.conflicts;
    shared += other.shared;
    kept += other.kept;
    mass += other.mass;
  }

  /**
   * What they are.
   *
   * @throws NumericalException when squares are beyond the range of F64
   */
  Interference.Of summary() {
    for (int k = 0; k < products.length; k++) {
      if (!Double.isFinite(products[k][k])) {
        throw new NumericalException(
            "the squares of the differences of model %d to the base are beyond the range of F64"
                .formatted(k));
      }
    }
    return new Interference.Of(
        size,
        Interference.list(products),
        Optional.of(new Interference.Signs(conflicts, shared, kept, mass)));
  }
}
