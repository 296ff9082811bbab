// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.WeightPair.Both;

/** The MLP of one layer of two models. */
final class MlpPart implements LayerPart<MlpPart.Units> {
  /**
   * What becomes the hidden units.
   *
   * @param units of the source
   * @param scales of the new units
   * @param duals to start the next matching from; null for none
   * @param ties units that might as well be another
   */
  record Units(int[] units, double[] scales, double[] duals, int ties) {
    static Units identity(int count) {
      double[] ones = new double[count];
      Arrays.fill(ones, 1);
      return new Units(IntStream.range(0, count).toArray(), ones, null, 0);
    }
  }

  /** What may change: factors of units, besides their order. */
  enum Freedom {
    NONE,
    ORDER,
    SIGN,
    POSITIVE,
    FACTOR;

    boolean signed() {
      return this == SIGN || this == FACTOR;
    }

    boolean scaled() {
      return this == POSITIVE || this == FACTOR;
    }
  }

  private final Freedom freedom;
  private final Opened opened = new Opened();
  private final StreamVectors vectors = new StreamVectors();

  /** Null where there is none. */
  private Both gate;

  private Both up;
  private Both down;

  private MlpPart(Freedom freedom) {
    this.freedom = freedom;
  }

  static MlpPart read(WeightPair models, int layer, Freedom freedom, Workspace ws)
      throws IOException {
    MlpPart part = new MlpPart(freedom);
    try {
      String prefix = "model.layers." + layer + ".";
      if (models.config().gated()) {
        part.gate = part.opened.add(models.reading(prefix + "mlp.gate_proj", ws));
      }
      part.up = part.opened.add(models.reading(prefix + "mlp.up_proj", ws));
      part.down = part.opened.add(models.writing(prefix + "mlp.down_proj", ws));
      String at = models.config().postNorm() ? "post_feedforward" : "post_attention";
      part.vectors.norm(models, prefix + at + "_layernorm", ws);
      part.vectors.bias(models, prefix + "mlp.down_proj.bias", ws);
      return part;
    } catch (IOException | RuntimeException e) {
      part.close();
      throw e;
    }
  }

  @Override
  public void move(Stream stream, Workspace ws) {
    if (!stream.moves()) {
      return;
    }
    gate = gate == null ? null : moved(gate, stream, ws);
    up = moved(up, stream, ws);
    down = moved(down, stream, ws);
    vectors.move(stream);
  }

  private Both moved(Both rows, Stream stream, Workspace ws) {
    Both result = rows.moved(stream, ws);
    rows.source().close();
    return opened.add(result);
  }

  @Override
  public Units match(Units previous, Workspace ws) {
    if (freedom == Freedom.NONE) {
      return Units.identity(Math.toIntExact(up.target().rows()));
    }
    double[] start = previous == null ? null : previous.duals();
    try (Opened scaled = new Opened()) {
      Matrix[] ups = up.pair();
      Matrix[] downs = down.pair();
      if (freedom.scaled() && previous != null) {
        double[] sizes = new double[previous.units().length];
        for (int i = 0; i < sizes.length; i++) {
          sizes[previous.units()[i]] = Math.abs(previous.scales()[i]);
        }
        ups[1] = scaled.add(scaledRows(ups[1], sizes, ws));
        downs[1] =
            scaled.add(scaledRows(downs[1], Arrays.stream(sizes).map(s -> 1 / s).toArray(), ws));
      }
      Matrix[] gates = gate == null ? null : gate.pair();
      MlpMatching.Found found = MlpMatching.match(gates, ups, downs, freedom.signed(), start, ws);
      return new Units(found.units(), scales(found.units()), found.duals(), found.ties());
    }
  }

  @Override
  public Units kept(Units symmetry, Units found) {
    return new Units(symmetry.units(), symmetry.scales(), found.duals(), found.ties());
  }

  private static Matrix scaledRows(Matrix rows, double[] scales, Workspace ws) {
    try (Tensor scaled = rows.asTensor().scaledRows(scales, ws)) {
      return Matrix.of(scaled.toHost(ws));
    }
  }

  private double[] scales(int[] units) {
    double[] scales = new double[units.length];
    Arrays.fill(scales, 1);
    if (!freedom.signed() && !freedom.scaled()) {
      return scales;
    }
    Rows ups = gathered(up, units, scales);
    Rows downs = gathered(down, units, scales);
    double[] upProducts = Rows.of(up.target()).products(ups);
    double[] downProducts = Rows.of(down.target()).products(downs);
    if (!freedom.scaled()) {
      Arrays.setAll(scales, i -> upProducts[i] + downProducts[i] < 0 ? -1 : 1);
      return scales;
    }
    double[] upSquares = ups.squares();
    double[] downSquares = downs.squares();
    double[] best = new double[units.length];
    Arrays.setAll(
        best,
        i ->
            PairedScale.best(
                upSquares[i], upProducts[i], downSquares[i], downProducts[i], freedom.signed()));
    return best;
  }

  private static Rows gathered(Both rows, int[] units, double[] scales) {
    return Rows.gathered(Rows.of(rows.source()), units, scales);
  }

  private static double[] inverse(double[] scales) {
    return Arrays.stream(scales).map(s -> 1 / s).toArray();
  }

  private Rows movedGate(Units found) {
    double[] ones = new double[found.units().length];
    Arrays.fill(ones, 1);
    return gathered(gate, found.units(), ones);
  }

  @Override
  public Fit fit(Units found) {
    Fit fit = new Fit(found.units().length);
    if (gate != null) {
      fit.rows("gate", Rows.of(gate.target()), movedGate(found));
    }
    Rows ups = gathered(up, found.units(), found.scales());
    Rows downs = gathered(down, found.units(), inverse(found.scales()));
    fit.rows("up", Rows.of(up.target()), ups).rows("down", Rows.of(down.target()), downs);
    return fit.distance("norm", vectors.squaredDistance());
  }

  @Override
  public void addCross(Units found, Crosses sums, Workspace ws) {
    if (gate != null) {
      sums.addRows(Rows.of(gate.target()), movedGate(found), ws);
    }
    Rows ups = gathered(up, found.units(), found.scales());
    Rows downs = gathered(down, found.units(), inverse(found.scales()));
    sums.addRows(Rows.of(up.target()), ups, ws);
    sums.addRows(Rows.of(down.target()), downs, ws);
    vectors.addCross(sums, ws);
  }

  @Override
  public void close() {
    opened.close();
  }
}
