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
      Optional<Matrix> before = samples(folder, layer.from());
      Optional<Matrix> after = samples(folder, layer.to());
      if (before.isPresent() && after.isPresent() && before.get().rows() == after.get().rows()) {
        fits.add(fit(layer, before.get(), after.get(), alignment, model, ws));
      }
      before.ifPresent(Matrix::close);
      after.ifPresent(Matrix::close);
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

  /** The first samples [n x d]; empty for activations with positions. */
  private static Optional<Matrix> samples(Path folder, FeatureSpace space) throws IOException {
    try (Npy file = Npy.open(folder.resolve(space.id() + ".npy"))) {
      if (file.info().rank() != 2 || file.info().dim(1) != space.width()) {
        return Optional.empty();
      }
      long rows = Math.min(SAMPLES, file.info().dim(0));
      try (Tensor tensor = Tensor.allocate(file.info().dtype(), rows, space.width())) {
        file.readRows(0, rows, tensor);
        Matrix matrix = Matrix.allocate(rows, space.width());
        for (long i = 0; i < tensor.size(); i++) {
          matrix.set(i / space.width(), i % space.width(), tensor.get(i));
        }
        return Optional.of(matrix);
      }
    }
  }

  private static LayerFit fit(
      Layer layer, Matrix before, Matrix after, Alignment alignment, Checkpoint model, Workspace ws)
      throws IOException {
    Form best;
    double disorder;
    try (Affine affine = Affine.of(layer, model, ws)) {
      try (Matrix sums = affine.apply(before, ws)) {
        disorder = disorder(sums, after);
        best = best(Nonlinearity.IDENTITY, sums, after);
      }
      for (Nonlinearity f : Nonlinearity.values()) {
        if (best.error() > Verification.ROUNDING && f != Nonlinearity.IDENTITY) {
          try (Matrix passed = map(before, f);
              Matrix sums = affine.apply(passed, ws)) {
            Form found = best(f, sums, after);
            best = found.error() <= Verification.ROUNDING ? found : best;
          }
        }
      }
    }
    double change;
    try (Matrix mappedBefore = mapped(before, alignment.map(layer.from().id()), ws);
        Matrix mappedAfter = mapped(after, alignment.map(layer.to().id()), ws);
        Matrix passed = map(mappedBefore, best.inner());
        Affine affine = Affine.of(layer, alignment.apply(model), ws);
        Matrix sums = affine.apply(passed, ws)) {
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

  private static Form best(Nonlinearity inner, Matrix sums, Matrix after) {
    Form best = new Form(inner, Nonlinearity.IDENTITY, Double.POSITIVE_INFINITY);
    for (Nonlinearity outer : Nonlinearity.values()) {
      double error = distance(sums, outer, after);
      best = error < best.error() ? new Form(inner, outer, error) : best;
    }
    return best;
  }

  /** A layer's parameters in F64. */
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
    Matrix apply(Matrix h, Workspace ws) {
      Matrix sums = onHost(LinAlg.multiplyTransposed(h, weight, ws), ws);
      for (long i = 0; i < sums.rows(); i++) {
        for (int j = 0; j < bias.length; j++) {
          sums.set(i, j, sums.get(i, j) + bias[j]);
        }
      }
      return sums;
    }

    @Override
    public void close() {
      weight.close();
    }
  }

  /** {@code T h} for every row h. */
  private static Matrix mapped(Matrix h, FeatureMap map, Workspace ws) {
    try (Matrix dense = map.toMatrix(ws)) {
      return onHost(LinAlg.multiplyTransposed(h, dense, ws), ws);
    }
  }

  private static Matrix onHost(Matrix product, Workspace ws) {
    try (product) {
      return product.toHost(ws);
    }
  }

  private static Matrix map(Matrix h, Nonlinearity f) {
    Matrix result = Matrix.allocate(h.rows(), h.columns());
    for (long i = 0; i < h.rows(); i++) {
      for (long j = 0; j < h.columns(); j++) {
        result.set(i, j, f.function.applyAsDouble(h.get(i, j)));
      }
    }
    return result;
  }

  /** {@code |f(z) - h|_F / |h|_F} over finite values. */
  private static double distance(Matrix z, Nonlinearity f, Matrix h) {
    double apart = 0;
    double size = 0;
    for (long i = 0; i < h.rows(); i++) {
      for (long j = 0; j < h.columns(); j++) {
        double wanted = h.get(i, j);
        double found = f.function.applyAsDouble(z.get(i, j));
        if (Double.isFinite(wanted) && Double.isFinite(found)) {
          apart += (found - wanted) * (found - wanted);
          size += wanted * wanted;
        }
      }
    }
    return apart == 0 ? 0 : Math.sqrt(apart / size);
  }

  /**
   * Von Neumann's ratio of h in the order of z, halved: mean square step over twice the variance.
   */
  private static double disorder(Matrix z, Matrix h) {
    double[][] pairs = new double[Math.toIntExact(z.rows() * z.columns())][2];
    int count = 0;
    for (long i = 0; i < z.rows(); i++) {
      for (long j = 0; j < z.columns(); j++) {
        pairs[count][0] = z.get(i, j);
        pairs[count][1] = h.get(i, j);
        count += Double.isFinite(pairs[count][0]) && Double.isFinite(pairs[count][1]) ? 1 : 0;
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
