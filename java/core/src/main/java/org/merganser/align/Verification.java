// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.PairedActivations;

/**
 * What was measured about an alignment. Maps of the right family keep the function of a network
 * only if the architecture is right; with a network, or activations of neighbouring spaces, that is
 * measured.
 *
 * @param spaces by id
 * @param layers what activations of neighbouring spaces say; empty without them
 * @param outputChange {@code |f(theta) - f(mapped theta)|_F / |f(theta)|_F} over the inputs given;
 *     empty without a network
 * @param warnings what makes the maps doubtful, each in one line with its numbers
 */
public record Verification(
    Map<String, SpaceCheck> spaces,
    List<LayerFit> layers,
    OptionalDouble outputChange,
    List<String> warnings) {
  /** A map that stretches some directions so much more than others multiplies noise. */
  private static final double ILL_CONDITIONED = 1e3;

  /** Rounding of 16-bit weights and activations stays below. */
  static final double ROUNDING = 0.02;

  public Verification {
    layers = List.copyOf(layers);
    warnings = List.copyOf(warnings);
  }

  /**
   * One space.
   *
   * @param residual {@code max |T T^-1 - I|}; of a pair {@code max |T S - I|}, which is no error
   *     but says how far reading is from undoing writing
   * @param condition condition number of T in the 1-norm; NaN for a pair, which has none
   * @param exact whether the map keeps the function by its family
   */
  public record SpaceCheck(double residual, double condition, boolean exact) {}

  /**
   * One linear layer between two spaces, recomputed from activations h of the first: f is the
   * common nonlinearity that fits best.
   *
   * @param from id of the space it reads
   * @param to id of the space it writes
   * @param nonlinearity f by name; {@code identity} for none
   * @param beforeNonlinearity whether h fits only through f, as {@code W f(h) + b}: taken before it
   * @param error {@code |f(W h + b) - h_to|_F / |h_to|_F}, h_to the activations stored
   * @param disorder from 0 where {@code h_to} is any function of {@code W h + b}, entry by entry,
   *     to about 1 where they have nothing to do with each other (half the mean square of steps
   *     between neighbours in the order of {@code W h + b}, over the variance)
   * @param change {@code |f(W' T h + b') - T_to h_to|_F / |T_to h_to|_F} with the mapped weights
   */
  public record LayerFit(
      String from,
      String to,
      String nonlinearity,
      boolean beforeNonlinearity,
      double error,
      double disorder,
      double change) {
    /** Whether the layer gives the activations stored, up to rounding. */
    public boolean fits() {
      return error <= ROUNDING;
    }

    /** Whether the activations cannot be those of this layer, whatever follows it. */
    public boolean contradicts() {
      return !fits() && disorder > 0.5;
    }
  }

  /** Largest residual of all spaces whose maps are invertible. */
  public double residual() {
    return spaces.values().stream().mapToDouble(SpaceCheck::residual).max().orElse(0);
  }

  /** The layer that writes a space and was recomputed up to rounding, with a nonlinearity. */
  public Optional<LayerFit> measured(String space) {
    return layers.stream()
        .filter(fit -> fit.to().equals(space) && fit.fits() && !fit.beforeNonlinearity())
        .filter(fit -> !fit.nonlinearity().equals("identity"))
        .findFirst();
  }

  /** Layers that cannot give the activations stored, each in one line with its numbers. */
  public List<String> contradictions() {
    String problem =
        "%s.weight and the activations of '%s' do not give those of '%s': off by %.2g of their size";
    return layers.stream()
        .filter(LayerFit::contradicts)
        .map(
            fit -> String.format(Locale.ROOT, problem, fit.to(), fit.from(), fit.to(), fit.error()))
        .toList();
  }

  /** The same with further warnings. */
  public Verification withWarnings(List<String> more) {
    List<String> all = new ArrayList<>(warnings);
    all.addAll(more);
    return new Verification(spaces, layers, outputChange, all);
  }

  static Verification ofMaps(Alignment alignment, Workspace ws) {
    Map<String, SpaceCheck> checks = new LinkedHashMap<>();
    List<String> warnings = new ArrayList<>();
    for (FeatureSpace space : alignment.architecture().spaces()) {
      SpaceAlignment found = alignment.spaces().get(space.id());
      double condition = found.map().isInvertible() ? found.map().condition(ws) : Double.NaN;
      checks.put(
          space.id(), new SpaceCheck(residual(found.map(), ws), condition, found.isExact(space)));
      warn(space, found, condition, warnings);
    }
    return new Verification(
        Collections.unmodifiableMap(checks), List.of(), OptionalDouble.empty(), warnings);
  }

  private static void warn(
      FeatureSpace space, SpaceAlignment found, double condition, List<String> warnings) {
    SpaceAlignment.Evidence evidence = found.evidence();
    String where = "space '" + space.id() + "': ";
    if (evidence.samples() > 0 && evidence.samples() < space.width()) {
      warnings.add(
          where
              + evidence.samples()
              + " samples for "
              + space.width()
              + " features; give more samples than features, better 30 times as many");
    }
    if (evidence.isNoise()) {
      warnings.add(
          where
              + String.format(
                  Locale.ROOT,
                  "matched features correlate by %.4f, and unrelated activations of %d samples and"
                      + " %d features would by up to %.4f; the models may not have seen the same"
                      + " samples in the same order",
                  evidence.fit(),
                  evidence.samples(),
                  space.width(),
                  evidence.chance()));
    }
    if (found.map().isInvertible() && !(condition <= ILL_CONDITIONED)) {
      warnings.add(
          where
              + String.format(
                  Locale.ROOT,
                  "the condition number of the map is %.3g; it multiplies noise in the weights;"
                      + " raise gamma or give more samples",
                  condition));
    }
  }

  static Verification ofActivations(
      Alignment alignment, Checkpoint model, Path activations, Workspace ws) throws IOException {
    Verification maps = ofMaps(alignment, ws);
    List<LayerFit> layers = LayerFits.of(alignment, model, activations, ws);
    List<String> warnings = new ArrayList<>(maps.warnings());
    for (LayerFit fit : layers) {
      String where = "spaces '" + fit.from() + "' and '" + fit.to() + "': ";
      if (!fit.fits() && fit.disorder() > 0.1) {
        warnings.add(
            where
                + String.format(
                    Locale.ROOT,
                    "%s(W h + b), the closest of the common nonlinearities, is off the activations"
                        + " of '%s' by %.2g of their size (disorder %.2g of 1); the order of the"
                        + " layers, the places where activations were taken, or the model they"
                        + " come from is not what is assumed",
                    fit.nonlinearity(),
                    fit.to(),
                    fit.error(),
                    fit.disorder()));
      } else if (fit.fits() && fit.beforeNonlinearity()) {
        warnings.add(
            where
                + "the activations of '"
                + fit.from()
                + "' were taken before the nonlinearity ("
                + fit.nonlinearity()
                + "); take them after it");
      } else if (fit.fits() && fit.nonlinearity().equals("identity")) {
        warnings.add(
            where
                + "the activations of '"
                + fit.to()
                + "' are W h + b with no nonlinearity: taken before it, or there is none");
      }
    }
    return new Verification(maps.spaces(), layers, OptionalDouble.empty(), warnings);
  }

  static Verification ofModel(
      Alignment alignment, Network network, Checkpoint model, Inputs inputs, Workspace ws)
      throws IOException {
    double[] sums = new double[2];
    List<Checkpoint> thetas = List.of(model, alignment.apply(model));
    try (PairedActivations models =
        PairedActivations.of(PairedActivations.Model.of(network, thetas), inputs, Mode.EVAL, ws)) {
      models.each(
          Set.of(Network.OUTPUT),
          batch -> {
            try (Tensor before = batch.of(0, Network.OUTPUT).toHost(ws);
                Tensor after = batch.of(1, Network.OUTPUT).toHost(ws)) {
              for (long i = 0; i < before.size(); i++) {
                double reference = before.get(i);
                double change = after.get(i) - reference;
                sums[0] += change * change;
                sums[1] += reference * reference;
              }
            }
          },
          ws);
    }
    double change = sums[0] == 0 ? 0 : Math.sqrt(sums[0] / sums[1]);
    Verification maps = ofMaps(alignment, ws);
    List<String> warnings = new ArrayList<>(maps.warnings());
    if (alignment.isExact() && !(change <= ROUNDING)) {
      warnings.add(
          String.format(
              Locale.ROOT,
              "all maps keep the function by their family, but the outputs change by %.2g of their"
                  + " size; a binding is missing or wrong",
              change));
    }
    return new Verification(maps.spaces(), List.of(), OptionalDouble.of(change), warnings);
  }

  private static double residual(FeatureMap map, Workspace ws) {
    if (!Side.isDense(map)) {
      return 0;
    }
    Matrix out = Side.OUT.of(map).orElseThrow();
    try (Matrix product = LinAlg.multiply(out, Side.IN.of(map).orElseThrow(), ws)) {
      return LinAlg.distanceToIdentity(product, ws);
    }
  }
}
