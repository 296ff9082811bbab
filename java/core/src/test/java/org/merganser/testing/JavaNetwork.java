// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.Binding.Block;
import org.merganser.model.Inputs;
import org.merganser.model.MapFamily;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.StatisticsRequest;

/**
 * Small networks in plain Java with a forward pass in double, so that what a map does to a function
 * is measured without any of the code under test.
 */
public abstract class JavaNetwork implements Network {
  /** What stands between the layers. */
  public enum Activation {
    RELU,
    NONE
  }

  private final Activation activation;

  private JavaNetwork(Activation activation) {
    this.activation = activation;
  }

  /** Name and shape of every parameter. */
  public abstract Map<String, long[]> shapes();

  /** Number of inputs of one sample. */
  public abstract int inputs();

  /** Activations of one sample by tap; those of a convolution are [channels x positions]. */
  abstract Map<String, double[]> forward(Map<String, double[]> theta, double[] x);

  /** Layers {@code fc0, fc1, ...}, the space of a layer named after it. */
  public static JavaNetwork mlp(Activation activation, int... sizes) {
    return new Mlp(activation, sizes);
  }

  /**
   * A 3x3 convolution of 2 channels of 5x5 to 4 channels, a flatten, two branches of 6 features
   * whose weights share one tensor, and a head that reads both: repetition and offsets on both
   * sides.
   */
  public static JavaNetwork branches(Activation activation) {
    return new Branches(activation);
  }

  /** Gaussian parameters scaled by fan-in. */
  public MemoryCheckpoint random(DType dtype, long seed, Workspace ws) {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    shapes()
        .forEach(
            (name, shape) -> {
              int size = (int) Tensor.size(shape);
              double scale = shape.length == 1 ? 0.3 : Math.sqrt(2.0 * shape[0] / size);
              double[] values = new double[size];
              for (int i = 0; i < size; i++) {
                values[i] = scale * random.nextGaussian();
              }
              tensors.put(name, Tensor.of(values, shape).to(dtype, ws).toHost(ws));
            });
    return MemoryCheckpoint.of(tensors);
  }

  /** Outputs of every sample. */
  public double[][] outputs(Checkpoint theta, double[][] x, Workspace ws) throws IOException {
    Map<String, double[]> values = values(theta, ws);
    double[][] result = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      result[i] = forward(values, x[i]).get(OUTPUT);
    }
    return result;
  }

  /** Activations of a space for every sample. */
  public double[][] activations(Checkpoint theta, String space, double[][] x, Workspace ws)
      throws IOException {
    Map<String, double[]> values = values(theta, ws);
    double[][] result = new double[x.length][];
    for (int i = 0; i < x.length; i++) {
      result[i] = forward(values, x[i]).get(space);
    }
    return result;
  }

  /** Moments of all spaces in F64, from batches of 64. */
  public Moments moments(
      List<? extends Checkpoint> models, double[][] x, StatisticsRequest request, Workspace ws)
      throws IOException {
    Moments.Options options = new Moments.Options(Precision.F64, NonFinite.FAIL, 1L << 30);
    return Moments.collect(this, models, inputs(x, 64), request, options, ws);
  }

  public static Inputs inputs(double[][] x, int batch) {
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        List<Tensor> batches = new ArrayList<>();
        for (int from = 0; from < x.length; from += batch) {
          int to = Math.min(x.length, from + batch);
          double[] flat = new double[(to - from) * x[0].length];
          for (int i = from; i < to; i++) {
            System.arraycopy(x[i], 0, flat, (i - from) * x[0].length, x[0].length);
          }
          batches.add(Tensor.of(flat, to - from, x[0].length));
        }
        return batches.iterator();
      }

      @Override
      public long samples() {
        return x.length;
      }
    };
  }

  @Override
  public Session open(Checkpoint theta, Workspace ws) throws IOException {
    Map<String, double[]> values = values(theta, ws);
    return new Session() {
      @Override
      public void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out) throws IOException {
        int samples = (int) inputs.dim(0);
        int width = (int) inputs.dim(1);
        Map<String, List<double[]>> found = new LinkedHashMap<>();
        for (int i = 0; i < samples; i++) {
          double[] x = new double[width];
          for (int j = 0; j < width; j++) {
            x[j] = inputs.get((long) i * width + j);
          }
          forward(values, x)
              .forEach((tap, v) -> found.computeIfAbsent(tap, t -> new ArrayList<>()).add(v));
        }
        for (Map.Entry<String, List<double[]>> item : found.entrySet()) {
          if (taps.contains(item.getKey())) {
            out.accept(item.getKey(), tensor(item.getKey(), item.getValue()));
          }
        }
      }

      @Override
      public void close() {}
    };
  }

  private Tensor tensor(String tap, List<double[]> rows) {
    int width = rows.get(0).length;
    double[] flat = new double[rows.size() * width];
    for (int i = 0; i < rows.size(); i++) {
      System.arraycopy(rows.get(i), 0, flat, i * width, width);
    }
    long features = tap.equals(OUTPUT) ? width : architecture().space(tap).width();
    return features == width
        ? Tensor.of(flat, rows.size(), width)
        : Tensor.of(flat, rows.size(), features, width / features);
  }

  private static Map<String, double[]> values(Checkpoint theta, Workspace ws) throws IOException {
    Map<String, double[]> values = new LinkedHashMap<>();
    for (String name : theta.tensors().keySet()) {
      try (Tensor tensor = theta.read(name, ws)) {
        values.put(name, tensor.toDoubleArray());
      }
    }
    return values;
  }

  /** {@code W x + b}. */
  static double[] linear(double[] w, double[] b, double[] x) {
    double[] y = b.clone();
    for (int i = 0; i < y.length; i++) {
      for (int j = 0; j < x.length; j++) {
        y[i] += w[i * x.length + j] * x[j];
      }
    }
    return y;
  }

  /** What its nonlinearity commutes with. */
  MapFamily symmetry() {
    return activation == Activation.RELU ? MapFamily.SCALED_PERMUTATION : MapFamily.ANY_LINEAR;
  }

  double[] activate(double[] x) {
    if (activation == Activation.RELU) {
      for (int i = 0; i < x.length; i++) {
        x[i] = Math.max(x[i], 0);
      }
    }
    return x;
  }

  private static final class Mlp extends JavaNetwork {
    private final int[] sizes;

    Mlp(Activation activation, int[] sizes) {
      super(activation);
      this.sizes = sizes.clone();
    }

    @Override
    public Architecture architecture() {
      Architecture.Builder builder = Architecture.builder();
      for (int l = 0; l + 2 < sizes.length; l++) {
        builder.space(
            "fc" + l,
            sizes[l + 1],
            symmetry(),
            Binding.of("fc" + l + ".weight", 0, Role.WEIGHT_OUT),
            Binding.of("fc" + l + ".bias", 0, Role.BIAS),
            Binding.of("fc" + (l + 1) + ".weight", 1, Role.WEIGHT_IN));
      }
      return builder.build();
    }

    @Override
    public Map<String, long[]> shapes() {
      Map<String, long[]> shapes = new LinkedHashMap<>();
      for (int l = 0; l + 1 < sizes.length; l++) {
        shapes.put("fc" + l + ".weight", new long[] {sizes[l + 1], sizes[l]});
        shapes.put("fc" + l + ".bias", new long[] {sizes[l + 1]});
      }
      return shapes;
    }

    @Override
    public int inputs() {
      return sizes[0];
    }

    @Override
    Map<String, double[]> forward(Map<String, double[]> theta, double[] x) {
      Map<String, double[]> taps = new LinkedHashMap<>();
      double[] h = x;
      for (int l = 0; l + 1 < sizes.length; l++) {
        h = linear(theta.get("fc" + l + ".weight"), theta.get("fc" + l + ".bias"), h);
        boolean last = l + 2 == sizes.length;
        if (!last) {
          activate(h);
        }
        taps.put(last ? OUTPUT : "fc" + l, h);
      }
      return taps;
    }
  }

  private static final class Branches extends JavaNetwork {
    private static final int SIDE = 5;
    private static final int POSITIONS = SIDE * SIDE;
    private static final int CHANNELS = 4;
    private static final int BRANCH = 6;

    Branches(Activation activation) {
      super(activation);
    }

    @Override
    public Architecture architecture() {
      return Architecture.builder()
          .space(
              "conv",
              CHANNELS,
              symmetry(),
              Binding.of("conv.weight", 0, Role.WEIGHT_OUT),
              Binding.of("conv.bias", 0, Role.BIAS),
              new Binding("fused.weight", 1, Role.WEIGHT_IN, new Block(0, POSITIONS)))
          .space("left", BRANCH, symmetry(), branch(0))
          .space("right", BRANCH, symmetry(), branch(BRANCH))
          .build();
    }

    private static Binding[] branch(long offset) {
      Block block = new Block(offset, 1);
      return new Binding[] {
        new Binding("fused.weight", 0, Role.WEIGHT_OUT, block),
        new Binding("fused.bias", 0, Role.BIAS, block),
        new Binding("head.weight", 1, Role.WEIGHT_IN, block)
      };
    }

    @Override
    public Map<String, long[]> shapes() {
      Map<String, long[]> shapes = new LinkedHashMap<>();
      shapes.put("conv.weight", new long[] {CHANNELS, 2, 3, 3});
      shapes.put("conv.bias", new long[] {CHANNELS});
      shapes.put("fused.weight", new long[] {2 * BRANCH, CHANNELS * POSITIONS});
      shapes.put("fused.bias", new long[] {2 * BRANCH});
      shapes.put("head.weight", new long[] {3, 2 * BRANCH});
      shapes.put("head.bias", new long[] {3});
      return shapes;
    }

    @Override
    public int inputs() {
      return 2 * POSITIONS;
    }

    @Override
    Map<String, double[]> forward(Map<String, double[]> theta, double[] x) {
      Map<String, double[]> taps = new LinkedHashMap<>();
      double[] conv = activate(convolve(theta.get("conv.weight"), theta.get("conv.bias"), x));
      double[] fused = activate(linear(theta.get("fused.weight"), theta.get("fused.bias"), conv));
      taps.put("conv", conv);
      taps.put("left", java.util.Arrays.copyOfRange(fused, 0, BRANCH));
      taps.put("right", java.util.Arrays.copyOfRange(fused, BRANCH, 2 * BRANCH));
      taps.put(OUTPUT, linear(theta.get("head.weight"), theta.get("head.bias"), fused));
      return taps;
    }

    private static double[] convolve(double[] w, double[] b, double[] x) {
      double[] y = new double[CHANNELS * POSITIONS];
      for (int o = 0; o < CHANNELS; o++) {
        for (int r = 0; r < SIDE; r++) {
          for (int c = 0; c < SIDE; c++) {
            double sum = b[o];
            for (int i = 0; i < 2; i++) {
              for (int k = 0; k < 9; k++) {
                int row = r + k / 3 - 1;
                int column = c + k % 3 - 1;
                if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) {
                  sum += w[(o * 2 + i) * 9 + k] * x[i * POSITIONS + row * SIDE + column];
                }
              }
            }
            y[o * POSITIONS + r * SIDE + c] = sum;
          }
        }
      }
      return y;
    }
  }
}
