// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.TransformerConfig;

/**
 * Moments of the activations of two transformers on the same tokens, which {@link SymmetryAligner}
 * aligns by: what a forward pass hands over batch by batch, added up in F64. One pass suffices,
 * since activations move with the symmetry.
 *
 * <p>Tokens for which any activation of either model is not finite are left out and counted; more
 * than one in a hundred is an error when the moments are used.
 *
 * <p>Memory: {@code 8 (m^2 + 2 (H dh)^2 + 2 (K dh)^2 + 4 (H + K) dh^2)} bytes a layer, and {@code 8
 * d^2} for the residual stream.
 */
public final class SymmetryMoments implements AutoCloseable {
  /** What the residual stream counts as. */
  public enum Tokens {
    /**
     * Each token's vector divided by its root mean square: channels of great size do not decide.
     */
    UNIT,
    AS_THEY_ARE
  }

  /** Most tokens that may be left out, of all. */
  private static final double MOST_DROPPED = 0.01;

  /**
   * Activations of one layer, each [tokens x width], F64 or F32 on the host.
   *
   * @param queries after their norm, where there is one, and before the rotary embedding, H dh
   * @param keys likewise, K dh
   * @param values K dh
   * @param outputs of the heads: what the output projection reads, H dh
   * @param hidden units: what the down projection reads, m
   * @param residual after the layer, d
   */
  public record Taps(
      Matrix queries, Matrix keys, Matrix values, Matrix outputs, Matrix hidden, Matrix residual) {
    List<Matrix> all() {
      return List.of(queries, keys, values, outputs, hidden, residual);
    }
  }

  /** Of one layer. */
  record Layer(
      MomentBlock queries,
      MomentBlock keys,
      MomentBlock values,
      MomentBlock outputs,
      MomentBlock hidden) {
    List<MomentBlock> all() {
      return List.of(queries, keys, values, outputs, hidden);
    }
  }

  private final TransformerConfig config;
  private final Tokens tokens;
  private final List<Layer> layers = new ArrayList<>();
  private final MomentBlock residual;
  private long seen;
  private long dropped;

  private SymmetryMoments(TransformerConfig config, Tokens tokens) {
    this.config = config;
    this.tokens = tokens;
    int size = config.headSize();
    for (int layer = 0; layer < config.layers(); layer++) {
      layers.add(
          new Layer(
              MomentBlock.ofHeads(config.heads(), size),
              MomentBlock.ofHeads(config.keyValueHeads(), size),
              MomentBlock.ofHeads(config.keyValueHeads(), size),
              MomentBlock.ofHeads(config.heads(), size),
              new MomentBlock(config.intermediate())));
    }
    residual = new MomentBlock(config.hidden());
  }

  /** Nothing yet, with tokens of unit size in the residual stream. */
  public static SymmetryMoments of(TransformerConfig config) {
    return of(config, Tokens.UNIT);
  }

  public static SymmetryMoments of(TransformerConfig config, Tokens tokens) {
    return new SymmetryMoments(config, tokens);
  }

  /**
   * Adds a batch.
   *
   * @param source what the layers of the model that is to move gave, in order
   * @param target the same of the other model, on the same tokens
   * @throws ShapeException when something is missing or of another size
   */
  public void add(List<Taps> source, List<Taps> target, Workspace ws) {
    long rows = check(source, target);
    boolean[] bad = new boolean[Math.toIntExact(rows)];
    int left = 0;
    for (List<Taps> model : List.of(source, target)) {
      for (Taps taps : model) {
        taps.all().forEach(each -> mark(each, bad));
      }
    }
    for (boolean each : bad) {
      left += each ? 1 : 0;
    }
    seen += rows;
    dropped += left;
    for (int k = 0; k < layers.size(); k++) {
      List<Matrix> from = source.get(k).all();
      List<Matrix> to = target.get(k).all();
      List<MomentBlock> blocks = new ArrayList<>(layers.get(k).all());
      blocks.add(residual);
      for (int b = 0; b < blocks.size(); b++) {
        boolean unit = b == blocks.size() - 1 && tokens == Tokens.UNIT;
        try (Matrix x = kept(to.get(b), bad, left, unit);
            Matrix y = kept(from.get(b), bad, left, unit)) {
          blocks.get(b).add(x, y, ws);
        }
      }
    }
  }

  private long check(List<Taps> source, List<Taps> target) {
    if (source.size() != layers.size() || target.size() != layers.size()) {
      throw new ShapeException(
          "activations of %d layers of the source and %d of the target, of models of %d"
              .formatted(source.size(), target.size(), layers.size()));
    }
    long rows = source.get(0).residual().rows();
    int queries = config.heads() * config.headSize();
    int keys = config.keyValueHeads() * config.headSize();
    int[] widths = {queries, keys, keys, queries, config.intermediate(), config.hidden()};
    String[] names = {"queries", "keys", "values", "outputs", "hidden", "residual"};
    for (List<Taps> model : List.of(source, target)) {
      for (int k = 0; k < model.size(); k++) {
        List<Matrix> taps = model.get(k).all();
        for (int b = 0; b < widths.length; b++) {
          Matrix tap = taps.get(b);
          if (tap.rows() != rows || tap.columns() != widths[b]) {
            throw new ShapeException(
                "%s of layer %d of the %s: a %s, needed %d x %d"
                    .formatted(
                        names[b], k, model == source ? "source" : "target", tap, rows, widths[b]));
          }
        }
      }
    }
    return rows;
  }

  private static void mark(Matrix tap, boolean[] bad) {
    Rows rows = Rows.of(tap);
    double[] x = new double[rows.width()];
    for (int i = 0; i < bad.length; i++) {
      rows.read(i, x);
      for (int j = 0; j < x.length && !bad[i]; j++) {
        bad[i] = !Double.isFinite(x[j]);
      }
    }
  }

  private static Matrix kept(Matrix tap, boolean[] bad, int dropped, boolean unit) {
    Rows rows = Rows.of(tap);
    Matrix kept = Matrix.of(Tensor.allocate(DType.F64, tap.rows() - dropped, tap.columns()));
    double[] x = new double[rows.width()];
    int at = 0;
    for (int i = 0; i < bad.length; i++) {
      if (bad[i]) {
        continue;
      }
      rows.read(i, x);
      double norm = unit ? Math.sqrt(Rows.dot(x, x) / x.length) : 1;
      if (norm > 0) {
        Arrays.setAll(x, j -> x[j] / norm);
      }
      Rows.write(kept, at++, x);
    }
    return kept;
  }

  TransformerConfig config() {
    return config;
  }

  List<Layer> layers() {
    return layers;
  }

  /** Of the stream after all layers together. */
  MomentBlock residual() {
    return residual;
  }

  /** Tokens that count. */
  public long tokens() {
    return seen - dropped;
  }

  /** Tokens that were left out, since something was not finite. */
  public long dropped() {
    return dropped;
  }

  /**
   * What to warn of.
   *
   * @throws NumericalException when there is too little to align by
   */
  List<String> check(boolean residualMoves) {
    if (tokens() == 0 || dropped > MOST_DROPPED * seen) {
      throw new NumericalException(
          "%d of %d tokens have activations that are not finite; at most one in a hundred may, and"
                  .formatted(dropped, seen)
              + " some must be left: look at the models, or compute them in F32");
    }
    if (residualMoves && tokens() < config.hidden()) {
      throw new NumericalException(
          "residual: %d tokens say nothing of most of the %d channels of the residual stream; give"
                  .formatted(tokens(), config.hidden())
              + " at least as many, or set residual=none");
    }
    List<String> warnings = new ArrayList<>();
    long wanted = 4L * Math.max(config.intermediate(), config.headSize());
    if (tokens() < wanted) {
      warnings.add(
          "%d tokens are few for %d hidden units; %d or more are wanted"
              .formatted(tokens(), config.intermediate(), wanted));
    }
    if (dropped > 0) {
      warnings.add("%d of %d tokens were not finite and left out".formatted(dropped, seen));
    }
    return warnings;
  }

  @Override
  public void close() {
    try (Opened opened = new Opened()) {
      opened.add(residual);
      layers.forEach(layer -> layer.all().forEach(opened::add));
    }
  }
}
