// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;

/**
 * Two maps found apart: T [n_ref x n] for what writes the features, S [n x n_ref] for what reads
 * them; {@code S T} is not I in general, and widths may differ. So no family contains it, no
 * network keeps its function by it, and it has no inverse. {@link #close} frees both matrices.
 */
public final class MapPair implements FeatureMap {
  private final Matrix out;
  private final Matrix in;

  private MapPair(Matrix out, Matrix in) {
    this.out = out;
    this.in = in;
  }

  /**
   * Takes both matrices as they are, and owns them from then on.
   *
   * @param out T [n_ref x n], F64
   * @param in S [n x n_ref], F64
   * @throws ShapeException when S is not of the shape of T transposed
   */
  public static MapPair of(Matrix out, Matrix in) {
    out.require("writing side", out.rows(), out.columns());
    in.require("reading side", out.columns(), out.rows());
    return new MapPair(out, in);
  }

  /** T itself, which the pair owns; not to be changed. */
  public Matrix out() {
    return out;
  }

  /** S itself, which the pair owns; not to be changed. */
  public Matrix in() {
    return in;
  }

  @Override
  public long width() {
    return out.columns();
  }

  @Override
  public long referenceWidth() {
    return out.rows();
  }

  @Override
  public Optional<MapFamily> family() {
    return Optional.empty();
  }

  @Override
  public boolean isInvertible() {
    return false;
  }

  @Override
  public FeatureMap inverse() {
    throw refused("inverse");
  }

  @Override
  public double condition(Workspace ws) {
    throw refused("condition number");
  }

  @Override
  public MapPair otherWay() {
    return new MapPair(LinearMap.view(in), LinearMap.view(out));
  }

  private NumericalException refused(String what) {
    return new NumericalException(
        "a pair of maps has no "
            + what
            + ": its writing side ("
            + out.rows()
            + " x "
            + out.columns()
            + ") and its reading side ("
            + in.rows()
            + " x "
            + in.columns()
            + ") were found apart; align the models the other way round, or with a method whose"
            + " maps are invertible");
  }

  @Override
  public FeatureMap then(FeatureMap next, Workspace ws) {
    return product(this, next, ws);
  }

  /** Of maps of which one at least is a pair. */
  static MapPair product(FeatureMap first, FeatureMap next, Workspace ws) {
    requireFit(first, next);
    try (Opened opened = new Opened()) {
      Matrix t = opened.add(copy(first, Side.OUT, ws));
      Matrix nextT = opened.add(copy(next, Side.OUT, ws));
      Matrix s = opened.add(copy(first, Side.IN, ws));
      Matrix nextS = opened.add(copy(next, Side.IN, ws));
      try (Opened results = new Opened()) {
        Matrix out = results.add(LinAlg.multiply(nextT, t, ws));
        Matrix in = LinAlg.multiply(s, nextS, ws);
        results.release();
        return new MapPair(out, in);
      }
    }
  }

  static void requireFit(FeatureMap first, FeatureMap next) {
    if (next.width() != first.referenceWidth()) {
      throw new ShapeException(
          "cannot compose maps of " + first.referenceWidth() + " and " + next.width());
    }
  }

  private static Matrix copy(FeatureMap map, Side side, Workspace ws) {
    Optional<Matrix> dense = side.of(map);
    if (dense.isPresent()) {
      return dense.get().on(ws);
    }
    try (FeatureMap back = map.inverse()) {
      return (side == Side.OUT ? map : back).toMatrix(ws);
    }
  }

  /** A pair with matrices of its own, where the Workspace computes. */
  MapPair copy(Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix ours = opened.add(out.on(ws));
      Matrix other = in.on(ws);
      opened.release();
      return new MapPair(ours, other);
    }
  }

  @Override
  public Matrix toMatrix(Workspace ws) {
    return out.toHost(ws);
  }

  @Override
  public void close() {
    out.close();
    in.close();
  }

  @Override
  public String toString() {
    return "MapPair " + out.rows() + " x " + out.columns();
  }
}
