// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.linalg.Matrix;

/**
 * An element of the symmetry group of a transformer: a change of all its weights that leaves its
 * function unchanged. One map of the residual stream for the whole model, and one {@link
 * LayerSymmetry} for each layer; they act on different sides of every matrix.
 */
public final class SymmetryElement {
  private final TransformerConfig config;
  private final Residual residual;
  private final List<LayerSymmetry> layers;
  private final double[] finalGain;

  /** R: what x, a vector of the residual stream, becomes. */
  public sealed interface Residual {}

  /** x' = x. */
  public record None() implements Residual {}

  /**
   * x'_i = signs[i] x_{permutation[i]}: exact in any type. Gains move along, without signs. Layer
   * norms centre, so they need signs that are all equal.
   */
  public record SignedPermutation(int[] permutation, int[] signs) implements Residual {
    public SignedPermutation {
      permutation = Arrays.copyOf(permutation, permutation.length);
      signs = Arrays.copyOf(signs, signs.length);
      LayerSymmetry.requirePermutation("residual", permutation);
      if (signs.length != permutation.length) {
        throw new IllegalArgumentException(
            "residual: %d entries and %d signs".formatted(permutation.length, signs.length));
      }
      for (int i = 0; i < signs.length; i++) {
        if (Math.abs(signs[i]) != 1) {
          throw new IllegalArgumentException("residual: sign " + i + " is " + signs[i]);
        }
      }
    }

    @Override
    public int[] permutation() {
      return permutation.clone();
    }

    @Override
    public int[] signs() {
      return signs.clone();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof SignedPermutation that
          && Arrays.equals(permutation, that.permutation)
          && Arrays.equals(signs, that.signs);
    }

    @Override
    public int hashCode() {
      return 31 * Arrays.hashCode(permutation) + Arrays.hashCode(signs);
    }
  }

  /**
   * x' = R x with an orthogonal matrix. Every norm must have one gain for all channels (after
   * absorption); layer norms need R 1 = 1 or -1 as well.
   *
   * @param matrix R, d x d, F64 on the host; not copied, and not to be changed or closed
   */
  public record Orthogonal(Matrix matrix) implements Residual {
    public Orthogonal {
      Rotations.requireOrthogonal(matrix);
    }
  }

  /**
   * @param residual the map of the residual stream
   * @param layers as many as the model has
   * @param finalGain factors of the gain before the head, as in {@link LayerSymmetry}; empty for
   *     all 1
   * @throws IllegalArgumentException when something is no symmetry of such a model, saying what
   */
  public SymmetryElement(
      TransformerConfig config, Residual residual, List<LayerSymmetry> layers, double[] finalGain) {
    this.config = config;
    this.residual = residual;
    this.layers = List.copyOf(layers);
    this.finalGain = finalGain.clone();
    SymmetryCheck.check(this);
  }

  /** The element that changes nothing. */
  public static SymmetryElement identity(TransformerConfig config) {
    return new SymmetryElement(
        config,
        new None(),
        IntStream.range(0, config.layers())
            .mapToObj(layer -> LayerSymmetry.identity(config))
            .toList(),
        new double[0]);
  }

  /** Of the models that it acts on. */
  public TransformerConfig config() {
    return config;
  }

  /** The map of the residual stream. */
  public Residual residual() {
    return residual;
  }

  /** In order; unmodifiable. */
  public List<LayerSymmetry> layers() {
    return layers;
  }

  /** Factors of the gain before the head; empty for all 1. */
  public double[] finalGain() {
    return finalGain.clone();
  }

  /** The same with another map of the residual stream. */
  public SymmetryElement withResidual(Residual other) {
    return new SymmetryElement(config, other, layers, finalGain);
  }

  /** The same with another layer. */
  public SymmetryElement withLayer(int layer, LayerSymmetry other) {
    List<LayerSymmetry> changed = new ArrayList<>(layers);
    changed.set(layer, other);
    return new SymmetryElement(config, residual, changed, finalGain);
  }

  @Override
  public String toString() {
    return "symmetry of a %s of %d layers, residual %s"
        .formatted(config.modelType(), config.layers(), residual.getClass().getSimpleName());
  }
}
