// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.transformer.MovedStream;
import org.merganser.transformer.TransformerConfig;

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

  /** What {@link #random} draws; what a model does not allow stays as it is. */
  public enum Kind {
    /** Order of the hidden units of MLPs. */
    UNITS,
    /** Factors of them, with signs where the MLP is gated, and of gates through ReLU. */
    UNIT_SCALES,
    /** Order of the groups, and of the query heads in each. */
    HEADS,
    /** Any invertible A between values and output. */
    VALUE_OUTPUT,
    /** Phases and ratios, signs under norms of queries and keys, or any invertible B. */
    QUERY_KEY,
    /** Shifts of values. */
    SHIFT,
    /** A signed permutation of the residual stream. */
    RESIDUAL,
    /** An orthogonal map of it instead, which excludes factors of gains. */
    ROTATION,
    /** Factors of gains, those of norms of queries and keys among them. */
    GAINS
  }

  /**
   * An element drawn from a seed: orders of all kinds, angles from -pi to pi, factors from 1/2 to
   * 2. The same on every machine.
   */
  public static SymmetryElement random(TransformerConfig config, Set<Kind> kinds, long seed) {
    return new RandomSymmetry(config, kinds, seed).element();
  }

  /**
   * A view of a model with the same function and other weights. Tensors are moved when they are
   * read: a row or a head at once, the whole where R mixes rows. Permutations and signs copy bits
   * in every type; other results are computed in F64 and rounded once to the tensor's type, so that
   * a model in BF16 that is turned is best read as F32 ({@link Checkpoint#as}) first.
   *
   * <p>Reading throws {@link org.merganser.error.NumericalException} for weights that are not
   * finite, naming tensor and element, and where a result is beyond the range of its type; {@link
   * IncompatibleModelsException} where R is orthogonal and a norm has different gains, and where
   * normed queries and keys turn by other angles than 0 and pi in a pair with different gains.
   *
   * @param canonical with the tensors of {@link #config}
   * @throws IncompatibleModelsException when it has others, naming each
   */
  public Checkpoint apply(Checkpoint canonical) {
    List<String> problems = config.problems(canonical);
    boolean movesStream = !(residual instanceof None) || finalGain.length > 0;
    if (movesStream) {
      problems.addAll(MovedStream.refusals(canonical));
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          canonical + " is not of the model of this " + this, problems);
    }
    SymmetryPlans plans = new SymmetryPlans(this, canonical);
    return new MappedCheckpoint(
        canonical, canonical.tensors(), plans::of, movesStream, plans::requireEvenGains);
  }

  /**
   * What {@code first} and then this do.
   *
   * <p>Elements with factors of gains and those with an orthogonal map of the residual stream are
   * two groups, which have only those with neither in common.
   *
   * @throws IncompatibleModelsException when they are of different models
   * @throws IllegalArgumentException when one has factors of gains and the other an orthogonal map
   */
  public SymmetryElement after(SymmetryElement first, Workspace ws) {
    config.requireSame("the second symmetry", first.config, "the first");
    return Composition.of(this, first, ws);
  }

  /** What undoes this. */
  public SymmetryElement inverse() {
    return Composition.inverse(this);
  }

  /**
   * Writes it to a file {@code *.mgsymmetry}, to a name of its own first, renamed when complete. It
   * holds the structure of the model.
   */
  public void save(Path path, Workspace ws) throws IOException {
    SymmetryFile.save(this, path, ws);
  }

  /**
   * Reads what {@link #save} wrote.
   *
   * @param config of the models that it acts on: where it turns the residual stream of tied models,
   *     that of {@link NormAbsorption}, which is not tied
   * @throws IncompatibleModelsException when it is of a model of another structure, with both
   *     values of each difference
   * @throws org.merganser.error.FormatException when it is no such file, or is damaged
   */
  public static SymmetryElement load(Path path, TransformerConfig config, Workspace ws)
      throws IOException {
    return SymmetryFile.load(path, config, ws);
  }

  /** The same of models with more or fewer tokens, on which nothing depends. */
  public SymmetryElement withVocabulary(int vocabulary) {
    return new SymmetryElement(config.with("vocabulary", vocabulary), residual, layers, finalGain);
  }

  /** Whether it changes nothing. */
  public boolean isIdentity() {
    boolean stays =
        residual instanceof None
            || residual instanceof SignedPermutation moved
                && AxisMap.gather(
                        moved.permutation(),
                        Arrays.stream(moved.signs()).asDoubleStream().toArray())
                    .isIdentity()
            || residual instanceof Orthogonal turned && Rotations.isIdentity(turned.matrix());
    return stays
        && AxisMap.scale(finalGain).isIdentity()
        && new SymmetryPlans(this, null).keepsLayers();
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
