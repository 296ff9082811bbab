// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;
import org.merganser.align.Verification.LayerFit;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Npy;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Role;

/**
 * Recomputes activations of one space from those of the space before, for the first samples of a
 * file. Only where one linear layer alone stands between two spaces: one matrix (of up to 2^26
 * elements) writes the second, whole, and reads the first, whole.
 *
 * <p>Weights and their products are where the Workspace computes. The samples are on the heap: what
 * is done with them, scalar functions, a sort and sums, is a report of a few numbers from at most
 * 256 samples, and the same whatever the backend.
 */
final class LayerFits {
  private static final long SAMPLES = 256;

  /** Elements of a weight, which is held in F64. */
  private static final long LARGEST = 1L << 26;

  /** Common nonlinearities; GELU by its tanh form, which is within rounding of 16-bit types. */
  private enum Nonlinearity {
    RELU(z -> Math.max(z, 0)),
    LEAKY_RELU(z -> z > 0 ? z : 0.01 * z),
    ELU(z -> z > 0 ? z : Math.expm1(z)),
    GELU(z -> z / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z * z * z)))),
    SILU(z -> z / (1 + Math.exp(-z))),
    TANH(Math::tanh),
    SIGMOID(z -> 1 / (1 + Math.exp(-z))),
    IDENTITY(z -> z);

    private final DoubleUnaryOperator function;

    Nonlinearity(DoubleUnaryOperator function) {
      this.function = function;
    }

    String id() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The layer between two spaces. */
  private record Layer(FeatureSpace from, FeatureSpace to, String weight, Optional<String> bias) {}

  private LayerFits() {}

  static List<LayerFit> of(Alignment alignment, Checkpoint model, Path folder, Workspace ws)
      throws IOException {
    List<LayerFit> fits = new ArrayList<>();
    for (Layer layer : layers(alignment.architecture(), model)) {
      ws.cancellation().check();
      double[] before = samples(folder, layer.from());
      double[] after = samples(folder, layer.to());
      if (before.length * layer.to().width() == after.length * layer.from().width()
          && after.length > 0) {
        fits.add(fit(layer, before, after, alignment, model, ws));
      }
    }
    return fits;
  }

  private static List<Layer> layers(Architecture architecture, Checkpoint model) {
    List<Layer> layers = new ArrayList<>();
    for (FeatureSpace to : architecture.spaces()) {
      List<Binding> weights = with(to, Role.WEIGHT_OUT);
      List<Binding> biases = with(to, Role.BIAS);
      boolean plain =
          to.bindings().stream()
              .allMatch(
                  b ->
                      b.block().equals(Block.WHOLE)
                              && (b.role() == Role.WEIGHT_OUT || b.role() == Role.BIAS)
                          || b.role() == Role.WEIGHT_IN);
      if (!plain || weights.size() != 1 || biases.size() > 1 || weights.get(0).axis() != 0) {
        continue;
      }
      String weight = weights.get(0).tensor();
      List<Architecture.BoundAxis> reads =
          architecture.bindings(weight).stream()
              .filter(axis -> axis.binding().equals(Binding.of(weight, 1, Role.WEIGHT_IN)))
              .toList();
      if (model.info(weight).rank() == 2
          && model.info(weight).size() <= LARGEST
          && architecture.bindings(weight).size() == 2
          && reads.size() == 1) {
        layers.add(
            new Layer(
                reads.get(0).space(),
                to,
                weight,
                biases.stream().findFirst().map(Binding::tensor)));
      }
    }
    return layers;
  }

  private static List<Binding> with(FeatureSpace space, Role role) {
    return space.bindings().stream().filter(b -> b.role() == role).toList();
  }

  /** The first samples [n x d], row-major; none for activations with positions. */
  private static double[] samples(Path folder, FeatureSpace space) throws IOException {
    try (Npy file = Npy.open(folder.resolve(space.id() + ".npy"))) {
      if (file.info().rank() != 2 || file.info().dim(1) != space.width()) {
        return new double[0];
      }
      long rows = Math.min(SAMPLES, file.info().dim(0));
      try (Tensor tensor = Tensor.allocate(file.info().dtype(), rows, space.width())) {
        file.readRows(0, rows, tensor);
        return tensor.toDoubleArray();
      }
    }
  }

  private static LayerFit fit(
      Layer layer,
      double[] before,
      double[] after,
      Alignment alignment,
      Checkpoint model,
      Workspace ws)
      throws IOException {
    Form best;
    double disorder;
    try (Affine affine = Affine.of(layer, model, ws)) {
      double[] sums = affine.apply(before, ws);
      disorder = disorder(sums, after);
      best = best(Nonlinearity.IDENTITY, sums, after);
      for (Nonlinearity f : Nonlinearity.values()) {
        if (best.error() > Verification.ROUNDING && f != Nonlinearity.IDENTITY) {
          Form found = best(f, affine.apply(map(before, f), ws), after);
          best = found.error() <= Verification.ROUNDING ? found : best;
        }
      }
    }
    double[] mappedBefore = mapped(before, alignment.map(layer.from().id()), ws);
    double[] mappedAfter = mapped(after, alignment.map(layer.to().id()), ws);
    double change;
    try (Affine affine = Affine.of(layer, alignment.apply(model), ws)) {
      double[] sums = affine.apply(map(mappedBefore, best.inner()), ws);
      change = distance(sums, best.outer(), mappedAfter);
    }
    boolean early = best.inner() != Nonlinearity.IDENTITY;
    return new LayerFit(
        layer.from().id(),
        layer.to().id(),
        (early ? best.inner() : best.outer()).id(),
        early,
        best.error(),
        disorder,
        change);
  }

  /** {@code outer(W inner(h) + b)}, and how far it is from the activations. */
  private record Form(Nonlinearity inner, Nonlinearity outer, double error) {}

  private static Form best(Nonlinearity inner, double[] sums, double[] after) {
    Form best = new Form(inner, Nonlinearity.IDENTITY, Double.POSITIVE_INFINITY);
    for (Nonlinearity outer : Nonlinearity.values()) {
      double error = distance(sums, outer, after);
      best = error < best.error() ? new Form(inner, outer, error) : best;
    }
    return best;
  }

  /** A layer's parameters in F64, the weight where the Workspace computes. */
  private record Affine(Matrix weight, double[] bias) implements AutoCloseable {
    static Affine of(Layer layer, Checkpoint model, Workspace ws) throws IOException {
      double[] bias = new double[Math.toIntExact(layer.to().width())];
      if (layer.bias().isPresent()) {
        try (Tensor stored = model.read(layer.bias().get(), ws)) {
          bias = stored.toDoubleArray();
        }
      }
      try (Tensor stored = model.read(layer.weight(), ws)) {
        return new Affine(Matrix.of(stored.to(DType.F64, ws)), bias);
      }
    }

    /** {@code W h + b} for every row h. */
    double[] apply(double[] h, Workspace ws) {
      double[] sums = products(weight, h, ws);
      for (int i = 0; i < sums.length; i++) {
        sums[i] += bias[i % bias.length];
      }
      return sums;
    }

    @Override
    public void close() {
      weight.close();
    }
  }

  /** {@code T h} for every row h. */
  private static double[] mapped(double[] h, FeatureMap map, Workspace ws) {
    try (Matrix dense = map.toMatrix(ws)) {
      return products(dense, h, ws);
    }
  }

  /** {@code A h} for every row h. */
  private static double[] products(Matrix a, double[] h, Workspace ws) {
    try (Tensor rows = Tensor.of(h, h.length / a.columns(), a.columns());
        Matrix products = LinAlg.multiplyTransposed(Matrix.of(rows), a, ws);
        Matrix host = products.toHost(ws)) {
      return host.asTensor().toDoubleArray();
    }
  }

  private static double[] map(double[] h, Nonlinearity f) {
    return Arrays.stream(h).map(f.function).toArray();
  }

  /** {@code |f(z) - h|_F / |h|_F} over finite values. */
  private static double distance(double[] z, Nonlinearity f, double[] h) {
    double apart = 0;
    double size = 0;
    for (int i = 0; i < h.length; i++) {
      double found = f.function.applyAsDouble(z[i]);
      if (Double.isFinite(h[i]) && Double.isFinite(found)) {
        apart += (found - h[i]) * (found - h[i]);
        size += h[i] * h[i];
      }
    }
    return apart == 0 ? 0 : Math.sqrt(apart / size);
  }

  /**
   * Von Neumann's ratio of h in the order of z, halved: mean square step over twice the variance.
   */
  private static double disorder(double[] z, double[] h) {
    double[][] pairs = new double[z.length][2];
    int count = 0;
    for (int i = 0; i < z.length; i++) {
      if (Double.isFinite(z[i]) && Double.isFinite(h[i])) {
        pairs[count][0] = z[i];
        pairs[count++][1] = h[i];
      }
    }
    Arrays.sort(pairs, 0, count, Comparator.comparingDouble(pair -> pair[0]));
    double mean = Arrays.stream(pairs, 0, count).mapToDouble(pair -> pair[1]).average().orElse(0);
    double steps = 0;
    double variance = 0;
    for (int i = 0; i < count; i++) {
      variance += (pairs[i][1] - mean) * (pairs[i][1] - mean);
      double step = i == 0 ? 0 : pairs[i][1] - pairs[i - 1][1];
      steps += step * step;
    }
    return variance == 0 ? 0 : steps / (2 * variance);
  }
}
