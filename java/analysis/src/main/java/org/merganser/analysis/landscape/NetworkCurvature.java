// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.internal.Opened;
import org.merganser.internal.Threads;
import org.merganser.io.Checkpoint;
import org.merganser.model.Mode;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;

/**
 * The Hessian of the mean cross-entropy of a network at a model, in evaluation mode, times vectors,
 * in F64: the gradient of {@code <gradient, v>}, or differences of gradients
 *
 * <pre>
 *   H v = (g(theta + h v) - g(theta - h v)) / 2h,   h = 1e-3 |theta| / |v|
 * </pre>
 *
 * <p>Where activations have kinks (rectifiers, maxima) the two differ: differences count the kinks
 * that samples cross within the step, derivatives are those between kinks.
 *
 * <p>Batches are computed side by side, each by one libtorch thread, and summed in their order, so
 * a product does not depend on the number of threads. On the CPU, wherever the Workspace computes.
 */
public final class NetworkCurvature implements Curvature, AutoCloseable {
  private static final double RELATIVE_STEP = 1e-3;

  /** How products come about. */
  public enum Products {
    /** Twice through libtorch's derivatives: exact, where it has the second. */
    DOUBLE_BACKWARD,
    /** Differences of gradients. */
    DIFFERENCES,
    /** The first where it works, else the other; {@link #products()} says which. */
    AUTO
  }

  private final TorchNetwork network;
  private final Examples data;
  private final ParamLayout layout;
  private final Workspace ws;
  private final double[] theta;
  private final Map<String, org.merganser.linalg.Tensor> owned = new LinkedHashMap<>();
  private final Shared parameters;
  private final Second second;
  private Products products;
  private String reason = "";

  /** What is computed for a batch; in libtorch. */
  @FunctionalInterface
  private interface OfBatch {
    TensorVector of(Tensor loss, TensorVector leaves);
  }

  /** The gradient of {@code <gradient, v>}, v in parts as the leaves; in libtorch. */
  @FunctionalInterface
  interface Second {
    TensorVector of(Tensor loss, TensorVector leaves, List<Tensor> v);
  }

  /**
   * @param model its running statistics stay as they are
   * @param data stays the caller's, open as long as this
   */
  public NetworkCurvature(
      TorchNetwork network, Checkpoint model, Examples data, Products products, Workspace ws)
      throws IOException {
    this(network, model, data, products, NetworkCurvature::second, ws);
  }

  /** With another way to second derivatives. */
  NetworkCurvature(
      TorchNetwork network,
      Checkpoint model,
      Examples data,
      Products products,
      Second second,
      Workspace ws)
      throws IOException {
    // Says what does not fit.
    new NetworkLoss(network, model, data);
    this.network = network;
    this.data = data;
    this.layout = ParamLayout.of(network);
    this.ws = ws;
    this.products = products;
    this.second = second;
    this.theta = layout.read(model, ws);
    try (Opened opened = new Opened()) {
      Map<String, org.merganser.linalg.Tensor> loaded = network.load(model, Device.HOST, ws);
      loaded.values().forEach(opened::add);
      for (Map.Entry<String, org.merganser.linalg.Tensor> each : loaded.entrySet()) {
        org.merganser.linalg.Tensor narrow = each.getValue();
        boolean counter = narrow.dtype() == DType.I64;
        owned.put(each.getKey(), counter ? narrow.copy() : narrow.to(DType.F64, ws));
      }
      parameters = Libtorch.call(1, () -> new Shared(owned));
    } catch (IOException | RuntimeException e) {
      owned.values().forEach(org.merganser.linalg.Tensor::close);
      throw e;
    }
    for (ParamLayout.Part part : layout.tensors()) {
      parameters.all().get(part.name()).set_requires_grad(true);
    }
  }

  @Override
  public int size() {
    return layout.size();
  }

  /** How products come about; {@link Products#AUTO} until there was one. */
  public synchronized Products products() {
    return products;
  }

  /** Why products are {@link Products#DIFFERENCES} that were to be {@link Products#AUTO}; or "". */
  public synchronized String reason() {
    return reason;
  }

  /** The gradient at the model; a new array. */
  public synchronized double[] gradient() throws IOException {
    return sum(
        (loss, leaves) ->
            torch.grad(
                new TensorVector(loss),
                leaves,
                new TensorVector(),
                new BoolOptional(false),
                false,
                true));
  }

  @Override
  public synchronized double[] times(double[] v) throws IOException {
    layout.require("the vector", v);
    if (products == Products.DIFFERENCES) {
      return differences(v);
    }
    if (products == Products.DOUBLE_BACKWARD) {
      return doubleBackward(v);
    }
    try {
      double[] product = doubleBackward(v);
      products = Products.DOUBLE_BACKWARD;
      return product;
    } catch (MerganserException e) {
      // Of libtorch: some operation has no second derivative there.
      if (!String.valueOf(e.getMessage()).contains("derivative")
          || !e.getMessage().contains("not implemented")) {
        throw e;
      }
      double[] product = differences(v);
      reason = e.getMessage();
      products = Products.DIFFERENCES;
      return product;
    }
  }

  private double[] doubleBackward(double[] v) throws IOException {
    Map<String, org.merganser.linalg.Tensor> direction = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      for (ParamLayout.Part part : layout.tensors()) {
        double[] own = Arrays.copyOfRange(v, part.offset(), part.offset() + part.size());
        direction.put(
            part.name(), opened.add(org.merganser.linalg.Tensor.of(own, part.info().dims())));
      }
      Shared shared = opened.add(Libtorch.call(1, () -> new Shared(direction)));
      return sum((loss, leaves) -> second.of(loss, leaves, List.copyOf(shared.all().values())));
    }
  }

  private static TensorVector second(Tensor loss, TensorVector leaves, List<Tensor> v) {
    TensorVector first =
        torch.grad(
            new TensorVector(loss), leaves, new TensorVector(), new BoolOptional(true), true, true);
    Tensor along = null;
    for (int p = 0; p < v.size(); p++) {
      Tensor gradient = first.get(p);
      // What the loss is linear in has no second derivative.
      if (gradient.defined() && gradient.requires_grad()) {
        Tensor part = gradient.mul(v.get(p)).sum();
        along = along == null ? part : along.add(part);
      }
    }
    if (along == null) {
      return new TensorVector();
    }
    return torch.grad(
        new TensorVector(along), leaves, new TensorVector(), new BoolOptional(false), false, true);
  }

  private double[] differences(double[] v) throws IOException {
    double length = Vectors.length(v);
    double scale = Vectors.length(theta);
    if (length == 0) {
      return new double[v.length];
    }
    double h = RELATIVE_STEP * (scale > 0 ? scale : 1) / length;
    try {
      write(Vectors.moved(theta, h, v, 0, v));
      double[] ahead = gradient();
      write(Vectors.moved(theta, -h, v, 0, v));
      double[] behind = gradient();
      for (int i = 0; i < ahead.length; i++) {
        ahead[i] = (ahead[i] - behind[i]) / (2 * h);
      }
      return ahead;
    } finally {
      write(theta);
    }
  }

  private void write(double[] point) {
    for (ParamLayout.Part part : layout.tensors()) {
      org.merganser.linalg.Tensor into = owned.get(part.name());
      for (int i = 0; i < part.size(); i++) {
        into.set(i, point[part.offset() + i]);
      }
    }
  }

  /** Mean over the samples: of all batches, as many at once as there are threads. */
  private double[] sum(OfBatch what) throws IOException {
    int n = data.size();
    int size = data.batchSize();
    int batches = (n + size - 1) / size;
    double[] sum = new double[layout.size()];
    try (Threads threads = new Threads(Math.min(ws.threads(), batches))) {
      for (int first = 0; first < batches; first += ws.threads()) {
        ws.cancellation().check();
        List<Callable<double[]>> calls = new ArrayList<>();
        List<Integer> sizes = new ArrayList<>();
        for (int b = first; b < Math.min(batches, first + ws.threads()); b++) {
          int from = b * size;
          int to = Math.min(n, from + size);
          calls.add(() -> Libtorch.call(1, () -> ofBatch(from, to, what)));
          sizes.add(to - from);
        }
        List<double[]> found = threads.all(calls);
        for (int c = 0; c < found.size(); c++) {
          double weight = (double) sizes.get(c) / n;
          double[] part = found.get(c);
          for (int i = 0; i < sum.length; i++) {
            sum[i] += weight * part[i];
          }
        }
      }
    }
    return sum;
  }

  @SuppressWarnings("try")
  private double[] ofBatch(int from, int to, OfBatch what) {
    double[] flat = new double[layout.size()];
    try (Shared inputs = new Shared(data.inputs());
        PointerScope scope = new PointerScope()) {
      int[] samples = IntStream.range(from, to).toArray();
      Tensor x = Bridge.rows(inputs.only(), samples).to(ScalarType.Double);
      Tensor outputs = network.graph().forward(x, parameters.all(), Mode.EVAL, false);
      long[] labels = IntStream.of(samples).mapToLong(data::label).toArray();
      Tensor loss = torch.cross_entropy_loss(outputs, Bridge.beside(outputs, labels));
      TensorVector leaves = new TensorVector();
      layout.tensors().forEach(part -> leaves.push_back(parameters.all().get(part.name())));
      TensorVector found = what.of(loss, leaves);
      for (int p = 0; p < found.size(); p++) {
        Tensor tensor = found.get(p);
        if (tensor.defined()) {
          try (Tensor dense = tensor.detach().contiguous();
              org.merganser.linalg.Tensor view = Bridge.view(dense)) {
            double[] values = view.toDoubleArray();
            System.arraycopy(values, 0, flat, layout.tensors().get(p).offset(), values.length);
          }
        }
      }
      return flat;
    }
  }

  @Override
  public synchronized void close() {
    parameters.close();
    owned.values().forEach(org.merganser.linalg.Tensor::close);
  }
}
