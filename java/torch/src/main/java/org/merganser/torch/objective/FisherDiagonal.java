// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.objective;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.method.Settings;
import org.merganser.model.Mode;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Placement;
import org.merganser.torch.internal.Shared;

/**
 * How much each parameter of a classifier matters to it, for {@link
 * org.merganser.merge.FisherMerger}: the diagonal of the Fisher information,
 *
 * <pre>
 *   F = 1/n sum_i sum_y q_i(y) (d log p(y | x_i) / d theta)^2
 * </pre>
 *
 * <p>with p the softmax of the outputs and q as {@link Labels} say. Each sample by itself: one
 * forward pass, and a backward pass for each y with a part in it. Normalisations use their running
 * statistics. Sums in F64.
 */
public final class FisherDiagonal {
  /** Which classes a sample stands for. */
  public enum Labels {
    /** All, with their probabilities: the Fisher information itself; classes times the passes. */
    EXPECTED,
    /** One drawn from them: the same in expectation. */
    DRAWN,
    /** Its own label: the "empirical" Fisher information, small where a model fits its data. */
    TRUE
  }

  /**
   * How it is measured.
   *
   * @param samples at most, drawn without replacement by the seed of the Workspace
   * @param threads of libtorch
   */
  public record Options(int samples, Labels labels, int threads) {
    public Options {
      if (samples < 1 || threads < 1) {
        throw new IllegalArgumentException(
            "samples and threads must be at least 1, not " + samples + " and " + threads);
      }
    }

    /** 256 samples, expected labels, one thread. */
    public static Options defaults() {
      return new Options(256, Labels.EXPECTED, 1);
    }

    public Options withSamples(int value) {
      return Settings.with(this, "samples", value);
    }

    public Options withLabels(Labels value) {
      return Settings.with(this, "labels", value);
    }

    public Options withThreads(int value) {
      return Settings.with(this, "threads", value);
    }
  }

  private final TorchNetwork network;
  private final Options options;
  private final Workspace ws;
  private final Map<String, org.merganser.linalg.Tensor> sums = new LinkedHashMap<>();

  private FisherDiagonal(TorchNetwork network, Options options, Workspace ws) {
    this.network = network;
    this.options = options;
    this.ws = ws;
  }

  /**
   * The diagonal for the learned parameters of a network, in F32 under their names; new tensors on
   * the host. Running statistics have none.
   *
   * @throws org.merganser.error.IncompatibleModelsException when the model does not fit the network
   * @throws NumericalException when outputs or sums are not finite
   */
  public static MemoryCheckpoint of(
      TorchNetwork network, Checkpoint model, Examples data, Options options, Workspace ws)
      throws IOException {
    network.require(model);
    network.checkInputs(data.inputs());
    if (data.classes() != network.outputs()) {
      throw new IllegalArgumentException(
          "the network has %d outputs, the data %d classes"
              .formatted(network.outputs(), data.classes()));
    }
    return new FisherDiagonal(network, options, ws).measure(model, data);
  }

  private MemoryCheckpoint measure(Checkpoint model, Examples data) throws IOException {
    int[] order = Seeds.order(data.size(), ws.seed(), "fisher");
    int[] samples = Arrays.copyOf(order, Math.min(options.samples(), order.length));
    Device device = Placement.of(ws);
    try (Opened opened = new Opened()) {
      Map<String, org.merganser.linalg.Tensor> theta = network.load(model, device, ws);
      theta.values().forEach(opened::add);
      for (String name : network.learned()) {
        long[] shape = network.parameters().get(name).dims();
        org.merganser.linalg.Tensor zeros =
            opened.add(org.merganser.linalg.Tensor.zeros(DType.F64, shape));
        sums.put(name, device == Device.HOST ? zeros : opened.add(zeros.on(ws)));
      }
      for (int i = 0; i < samples.length; i++) {
        ws.cancellation().check();
        int sample = samples[i];
        double draw = Seeds.stream(ws.seed(), "fisher/" + sample).nextDouble();
        Libtorch.call(options.threads(), () -> add(theta, data, sample, draw, device));
        ws.progress().report("Fisher information", i + 1, samples.length);
      }
      return means(samples.length);
    }
  }

  @SuppressWarnings("try")
  private Void add(
      Map<String, org.merganser.linalg.Tensor> theta,
      Examples data,
      int sample,
      double draw,
      Device device) {
    try (Shared parameters = new Shared(theta);
        Shared totals = new Shared(sums);
        Shared inputs = new Shared(data.inputs());
        PointerScope scope = new PointerScope()) {
      TensorVector leaves = new TensorVector();
      for (String name : sums.keySet()) {
        Tensor leaf = parameters.all().get(name);
        leaf.set_requires_grad(true);
        leaves.push_back(leaf);
      }
      Tensor x = Bridge.on(device, Bridge.rows(inputs.only(), sample));
      Tensor outputs = network.graph().forward(x, parameters.all(), Mode.EVAL, false);
      Tensor logs = torch.log_softmax(outputs, 1);
      double[] parts = parts(logs, sample, data.label(sample), draw);
      List<Tensor> into = List.copyOf(totals.all().values());
      for (int y = 0; y < parts.length; y++) {
        if (parts[y] > 0) {
          addSquares(logs.select(1, y).select(0, 0), leaves, parts[y], into);
        }
      }
      return null;
    }
  }

  /** How much each class counts for a sample. */
  private double[] parts(Tensor logs, int sample, int label, double draw) {
    double[] parts = new double[Math.toIntExact(logs.size(1))];
    double[] probabilities = new double[parts.length];
    for (int y = 0; y < parts.length; y++) {
      float log = logs.select(1, y).select(0, 0).item_float();
      if (Float.isNaN(log)) {
        // Of no class there would be a part, and it would pass for a sample of no information.
        throw new NumericalException(
            "outputs of the model are not finite for sample %d of the data".formatted(sample));
      }
      probabilities[y] = Math.exp(log);
    }
    switch (options.labels()) {
      case EXPECTED -> System.arraycopy(probabilities, 0, parts, 0, parts.length);
      case DRAWN -> parts[drawn(probabilities, draw)] = 1;
      case TRUE -> parts[label] = 1;
    }
    return parts;
  }

  private static int drawn(double[] probabilities, double draw) {
    double below = 0;
    int last = 0;
    for (int y = 0; y < probabilities.length; y++) {
      below += probabilities[y];
      if (draw < below) {
        return y;
      }
      last = probabilities[y] > 0 ? y : last;
    }
    return last;
  }

  @SuppressWarnings("try")
  private static void addSquares(Tensor log, TensorVector leaves, double part, List<Tensor> into) {
    try (PointerScope scope = new PointerScope()) {
      // What is computed for one class is needed for the next.
      BoolOptional retain = new BoolOptional(true);
      TensorVector found =
          torch.grad(new TensorVector(log), leaves, new TensorVector(), retain, false, true);
      for (int p = 0; p < into.size(); p++) {
        Tensor gradient = found.get(p);
        if (gradient.defined()) {
          into.get(p).add_(gradient.to(ScalarType.Double).square_(), new Scalar(part));
        }
      }
    }
  }

  private MemoryCheckpoint means(int samples) {
    Map<String, org.merganser.linalg.Tensor> means = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      sums.forEach(
          (name, sum) -> {
            try (org.merganser.linalg.Tensor host = sum.toHost(ws)) {
              double[] values = host.toDoubleArray();
              float[] narrow = new float[values.length];
              for (int i = 0; i < values.length; i++) {
                narrow[i] = (float) (values[i] / samples);
                if (!Float.isFinite(narrow[i])) {
                  throw new NumericalException(
                      "the Fisher information of %s is %s at index %d; the model's outputs are not finite, or its gradients beyond F32"
                          .formatted(Names.quote(name), values[i] / samples, i));
                }
              }
              means.put(name, opened.add(org.merganser.linalg.Tensor.of(narrow, sum.shape())));
            }
          });
      opened.release();
      return MemoryCheckpoint.of(means);
    }
  }
}
