// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.internal.kernel.MergeKernels;
import org.merganser.internal.kernel.SlerpWeights;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * Spherical interpolation of two models, tensor by tensor as vectors a and c with the angle w:
 *
 * <pre>
 *   theta = sin((1-t) w) / sin w a + sin(t w) / sin w c
 * </pre>
 *
 * <p>and {@code (1-t) a + t c} where {@code |cos w| > 0.9995}. The vectors keep their lengths. One
 * of a length up to 1e-8 counts as at a right angle to the other, two are interpolated linearly
 * (mergekit: at a right angle, too, which takes equal ones 1.4 times). Dot products in F64, sums as
 * in {@link LinearMerger}, rounded once. Two passes.
 *
 * <p>Source: Shoemake 1985, "Animating rotation with quaternion curves"; bounds as in mergekit.
 */
public final class SlerpMerger extends TensorMerger {
  /** Of a vector without a direction. */
  private static final double NO_SQUARE = 1e-16;

  /**
   * Times this, a power of 2, squares of 2^36 of the largest F64 can be summed, and a vector whose
   * squares could not is still longer than one without a direction.
   */
  private static final double SMALLER = 0x1p-530;

  /** Settings. */
  public record Options(
      @Setting(value = "0 gives the first model, 1 the second; beyond, more of one", varies = true)
          double t) {
    public Options {
      Settings.check(Options.class, t);
    }

    /** Half way. */
    public static Options defaults() {
      return new Options(0.5);
    }

    public Options withT(double value) {
      return new Options(value);
    }
  }

  private final Options options;

  private SlerpMerger(Options options) {
    this.options = options;
  }

  public static SlerpMerger of(Options options) {
    return new SlerpMerger(options);
  }

  @Override
  public String id() {
    return "slerp";
  }

  @Override
  public String summary() {
    return "two models interpolated along the arc between their tensors";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Needs needs() {
    return new Needs(false, false, 2, 2);
  }

  @Override
  public List<Double> shares(int models) {
    return List.of(1 - options.t(), options.t());
  }

  @Override
  protected Demand demand(TensorInfo info, int models) {
    return Demand.passes(2);
  }

  @Override
  protected TileFunction prepare(Group group, Workspace ws) throws IOException {
    double[] dots = dots(group, new double[] {1, 1}, ws);
    if (!Arrays.stream(dots).allMatch(Double::isFinite)) {
      double[] scales = {
        Double.isFinite(dots[1]) ? 1 : SMALLER, Double.isFinite(dots[2]) ? 1 : SMALLER
      };
      dots = dots(group, scales, ws);
    }
    double[] weights =
        Math.max(dots[1], dots[2]) <= NO_SQUARE
            ? new double[] {1 - options.t(), options.t()}
            : SlerpWeights.at(dots, options.t());
    if (!Arrays.stream(weights).allMatch(Double::isFinite)) {
      throw new IllegalArgumentException(
          this
              + ": the weights of "
              + Names.quote(group.name())
              + " are "
              + Arrays.toString(weights)
              + "; take t nearer to 0 and 1");
    }
    return (tile, out, w) ->
        Kernels.of(w)
            .merge()
            .weightedSum(out.dtype().code(), out.size(), tile.blocks(), weights, Block.of(out));
  }

  /** {a.c, a.a, c.c} of the tensors times a number each. */
  private static double[] dots(Group group, double[] scales, Workspace ws) throws IOException {
    double[] sums = new double[3];
    MergeKernels kernels = Kernels.of(ws).merge();
    group.tiles(
        tile -> {
          Tensor a = tile.models().get(0);
          Tensor c = tile.models().get(1);
          for (int k = 0; k < scales.length; k++) {
            if (scales[k] != 1) {
              Tensor each = tile.models().get(k);
              double[] scale = {scales[k]};
              Block[] in = {Block.of(each)};
              kernels.weightedSum(each.dtype().code(), each.size(), in, scale, Block.of(each));
            }
          }
          double[] part = kernels.dotProducts(a.dtype().code(), a.size(), Block.of(a), Block.of(c));
          for (int i = 0; i < sums.length; i++) {
            sums[i] += part[i];
          }
        },
        ws);
    return sums;
  }

  @Override
  public String toString() {
    return id() + " at " + options.t();
  }
}
