// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;

/**
 * Recomputes the running statistics of every batch normalisation from data, in one pass in training
 * mode: each layer normalises with the statistics of its batch while the totals over all batches
 * are pooled,
 *
 * <pre>
 *   mean = sum x / n,   variance = sum (x - mean)^2 / (n - 1)
 * </pre>
 *
 * with n samples times positions, merged over batches by Chan's formula. (A cumulative average of
 * the variances of batches, as in published scripts, misses the spread between batches and depends
 * on their size.) Counters are set to the number of batches. Whatever running statistics the model
 * has are not looked at, so it may be stale.
 *
 * <p>Cost: one forward pass. Source: Jordan et al. 2022 (arXiv 2211.08403), section on batch
 * normalisation.
 */
public final class BatchNormReset implements Repair {
  @Override
  public String id() {
    return "bn-reset";
  }

  @Override
  public String summary() {
    return "running statistics of batch normalisation taken anew";
  }

  @Override
  public void check(Network network) {
    if (network.batchNorms().isEmpty()) {
      throw new IncompatibleModelsException(
          "nothing to reset",
          List.of("the network has no batch normalisation; use 'repair' instead of 'bn-reset'"));
    }
  }

  @Override
  public MemoryCheckpoint apply(RepairProblem problem, Workspace ws) throws IOException {
    return apply(problem.merged(), problem.network(), problem.inputs(), ws);
  }

  /**
   * The model with fresh running statistics; {@code model} is not changed.
   *
   * @throws IncompatibleModelsException when the network has no batch normalisation
   * @throws NumericalException for activations that are not finite, or a single value of a feature
   */
  public MemoryCheckpoint apply(Checkpoint model, Network network, Inputs inputs, Workspace ws)
      throws IOException {
    check(network);
    List<BatchNormLayer> layers = network.batchNorms();
    Map<String, Long> widths = new LinkedHashMap<>();
    layers.forEach(layer -> widths.put(layer.input(), layer.width()));
    long[] batches = new long[1];
    try (MemoryCheckpoint blank = withStatistics(model, layers, null, 0, ws);
        Moments moments =
            Moments.collect(
                network,
                widths,
                Mode.TRAIN,
                List.of(blank),
                new CountedInputs(inputs, batches),
                StatisticsRequest.NONE,
                Moments.Options.defaults(),
                ws)) {
      return withStatistics(model, layers, moments, batches[0], ws);
    }
  }

  /** A copy with the moments, or with mean 0 and variance 1 without any. */
  private static MemoryCheckpoint withStatistics(
      Checkpoint model, List<BatchNormLayer> layers, Moments moments, long batches, Workspace ws)
      throws IOException {
    Map<String, Tensor> replaced = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      for (BatchNormLayer layer : layers) {
        double[] mean = new double[Math.toIntExact(layer.width())];
        double[] variance = new double[mean.length];
        if (moments == null) {
          Arrays.fill(variance, 1);
        } else {
          SpaceMoments found = moments.space(layer.input());
          mean = found.mean(0);
          variance = unbiased(layer, found);
        }
        replaced.put(layer.mean(), opened.add(vector(model, layer.mean(), mean, ws)));
        replaced.put(layer.variance(), opened.add(vector(model, layer.variance(), variance, ws)));
        if (layer.counter().filter(model.tensors()::containsKey).isPresent()) {
          String counter = layer.counter().get();
          replaced.put(counter, opened.add(counter(model, counter, batches)));
        }
      }
      opened.release();
    }
    return MemoryCheckpoint.copyOf(model, replaced, ws);
  }

  private static double[] unbiased(BatchNormLayer layer, SpaceMoments moments) {
    if (moments.samples() < 2) {
      throw new NumericalException(
          "batch normalisation '"
              + layer.id()
              + "': one value of each feature has no variance; give more samples");
    }
    double[] variance = moments.variance(0);
    double scale = (double) moments.samples() / (moments.samples() - 1);
    for (int i = 0; i < variance.length; i++) {
      variance[i] *= scale;
    }
    return variance;
  }

  private static Tensor vector(Checkpoint model, String name, double[] values, Workspace ws) {
    return Tensor.of(model.info(name).dtype(), values, ws);
  }

  private static Tensor counter(Checkpoint model, String name, long batches) {
    DType dtype = model.info(name).dtype();
    Tensor tensor = Tensor.zeros(dtype, model.info(name).dims());
    if (dtype == DType.I64 && tensor.size() == 1) {
      tensor.memory().putLong(0, batches);
    }
    return tensor;
  }
}
