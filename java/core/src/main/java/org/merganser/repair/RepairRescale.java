// SPDX-License-Identifier: Apache-2.0
package org.merganser.repair;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.AffineLayer;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.stats.Moments;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;

/**
 * REPAIR: gives every hidden linear layer and convolution of a merged model the mean and standard
 * deviation that its aligned endpoints have, feature by feature, before the nonlinearity. With
 * means {@code mu_k}, standard deviations {@code s_k} and weights {@code w_k} of the endpoints and
 * {@code m, s} of the merged model,
 *
 * <pre>
 *   mu' = sum_k w_k mu_k,   s' = sum_k w_k s_k
 *   z &lt;- (z - m) s'/s + mu',   folded into  W &lt;- W s'/s,  b &lt;- (b - m) s'/s + mu'
 * </pre>
 *
 * {@code MEASURED}: layers are corrected in order of the forward pass, m and s measured with all
 * earlier layers already corrected; as many passes as layers, each ending at its layer. {@code
 * CLOSED_FORM}: no pass on the merged model; to first order its outputs are the average of its
 * endpoints' outputs, so {@code m = mu'} and {@code s^2 = sum_jk w_j w_k s_j s_k rho_jk} with the
 * correlation rho of the aligned endpoints.
 *
 * <p>A feature that never varies in the merged model (variance at most 1e-12 of the largest) keeps
 * its scale and is shifted only. The layer that gives the logits is not corrected. Not for batch
 * normalisation, which {@link BatchNormReset} serves.
 *
 * <p>Source: Jordan et al. 2022 (arXiv 2211.08403).
 */
public final class RepairRescale implements Repair {
  /** How the statistics of the merged model are found. */
  private enum Form {
    MEASURED,
    CLOSED_FORM
  }

  private final Form form;

  private RepairRescale(Form form) {
    this.form = form;
  }

  /** Measures the merged model, layer after layer. */
  public static RepairRescale measured() {
    return new RepairRescale(Form.MEASURED);
  }

  /** Computes its statistics from those of the endpoints. */
  public static RepairRescale closedForm() {
    return new RepairRescale(Form.CLOSED_FORM);
  }

  @Override
  public String id() {
    return form == Form.MEASURED ? "repair" : "repair-closed-form";
  }

  @Override
  public String summary() {
    return "activations given the means and spreads of the aligned models"
        + (form == Form.MEASURED ? "" : ", without passes on the merged one");
  }

  @Override
  public void check(Network network) {
    corrected(network);
  }

  @Override
  public MemoryCheckpoint apply(RepairProblem problem, Workspace ws) throws IOException {
    List<AffineLayer> layers = corrected(problem.network());
    StatisticsRequest request =
        form == Form.MEASURED
            ? StatisticsRequest.NONE
            : StatisticsRequest.of(StatisticsRequest.Part.ALL_CROSS);
    try (Opened opened = new Opened();
        Moments endpoints = moments(problem, layers, problem.endpoints(), request, ws)) {
      MemoryCheckpoint current = opened.add(MemoryCheckpoint.copyOf(problem.merged(), ws));
      for (AffineLayer layer : layers) {
        SpaceMoments goal = endpoints.space(layer.output());
        if (form == Form.MEASURED) {
          try (Moments found = moments(problem, List.of(layer), List.of(current), request, ws)) {
            SpaceMoments merged = found.space(layer.output());
            correct(
                layer,
                current,
                merged.mean(0),
                deviations(merged, 0),
                merged.dead(0),
                problem.weights(),
                goal,
                ws);
          }
        } else {
          double[] deviation = expectedDeviation(problem.weights(), goal, ws);
          correct(
              layer,
              current,
              goalMean(problem.weights(), goal),
              deviation,
              dead(deviation),
              problem.weights(),
              goal,
              ws);
        }
      }
      opened.release();
      return current;
    }
  }

  /** Hidden affine layers, all with a bias to correct. */
  private static List<AffineLayer> corrected(Network network) {
    List<String> problems = new ArrayList<>();
    List<AffineLayer> layers = new ArrayList<>();
    if (!network.batchNorms().isEmpty()) {
      problems.add(
          "the network has "
              + network.batchNorms().size()
              + " batch normalisations; use 'bn-reset' instead of 'repair'");
    }
    for (AffineLayer layer : network.affineLayers()) {
      boolean hidden =
          network.architecture().bindings(layer.weight()).stream()
              .anyMatch(axis -> axis.binding().role() == Role.WEIGHT_OUT);
      if (hidden) {
        layers.add(layer);
        if (layer.bias().isEmpty() && problems.isEmpty()) {
          problems.add("layer '" + layer.id() + "' has no bias that could be corrected");
        }
      }
    }
    if (layers.isEmpty() && problems.isEmpty()) {
      problems.add("the network names no hidden linear layer or convolution");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the model cannot be repaired", problems);
    }
    return layers;
  }

  private static Moments moments(
      RepairProblem problem,
      List<AffineLayer> layers,
      List<? extends Checkpoint> models,
      StatisticsRequest request,
      Workspace ws)
      throws IOException {
    Map<String, Long> widths = new LinkedHashMap<>();
    layers.forEach(layer -> widths.put(layer.output(), layer.width()));
    return Moments.collect(
        problem.network(),
        widths,
        Mode.EVAL,
        models,
        problem.inputs(),
        request,
        Moments.Options.defaults(),
        ws);
  }

  private static void correct(
      AffineLayer layer,
      MemoryCheckpoint current,
      double[] mean,
      double[] deviation,
      boolean[] dead,
      List<Double> weights,
      SpaceMoments goal,
      Workspace ws) {
    double[] wantedMean = goalMean(weights, goal);
    double[] scale = new double[mean.length];
    for (int k = 0; k < weights.size(); k++) {
      double[] ofEndpoint = deviations(goal, k);
      for (int c = 0; c < scale.length; c++) {
        scale[c] += weights.get(k) * ofEndpoint[c];
      }
    }
    for (int c = 0; c < scale.length; c++) {
      scale[c] = dead[c] ? 1 : scale[c] / deviation[c];
    }
    Tensor weight = current.tensor(layer.weight());
    Tensor bias = current.tensor(layer.bias().orElseThrow());
    double[] shifted = bias.toDoubleArray();
    for (int c = 0; c < shifted.length; c++) {
      shifted[c] = scale[c] * (shifted[c] - mean[c]) + wantedMean[c];
    }
    try (Tensor scaled = weight.scaledRows(scale, ws);
        Tensor moved = Tensor.of(bias.dtype(), shifted, ws)) {
      weight.copyFrom(scaled, ws);
      bias.copyFrom(moved, ws);
    }
  }

  private static double[] goalMean(List<Double> weights, SpaceMoments endpoints) {
    double[] mean = new double[endpoints.width(0)];
    for (int k = 0; k < weights.size(); k++) {
      double[] ofEndpoint = endpoints.mean(k);
      for (int c = 0; c < mean.length; c++) {
        mean[c] += weights.get(k) * ofEndpoint[c];
      }
    }
    return mean;
  }

  private static double[] deviations(SpaceMoments moments, int model) {
    double[] deviation = moments.variance(model);
    for (int c = 0; c < deviation.length; c++) {
      deviation[c] = Math.sqrt(deviation[c]);
    }
    return deviation;
  }

  /** {@code sqrt(sum_jk w_j w_k cov_jk)} of each feature, from the diagonals of the blocks. */
  static double[] expectedDeviation(List<Double> weights, SpaceMoments endpoints, Workspace ws) {
    double[] variance = new double[endpoints.width(0)];
    int[] diagonal = IntStream.range(0, variance.length).toArray();
    for (int k = 0; k < weights.size(); k++) {
      double[] own = endpoints.variance(k);
      for (int c = 0; c < variance.length; c++) {
        variance[c] += weights.get(k) * weights.get(k) * own[c];
      }
      for (int j = 0; j < k; j++) {
        double[] cross = endpoints.block(j, k).entries(diagonal, ws);
        for (int c = 0; c < variance.length; c++) {
          variance[c] += 2 * weights.get(j) * weights.get(k) * cross[c] / endpoints.samples();
        }
      }
    }
    for (int c = 0; c < variance.length; c++) {
      // Opposite endpoints cancel; rounding must not leave a negative square.
      variance[c] = Math.sqrt(Math.max(0, variance[c]));
    }
    return variance;
  }

  private static boolean[] dead(double[] deviation) {
    double largest = 0;
    for (double value : deviation) {
      largest = Math.max(largest, value);
    }
    boolean[] dead = new boolean[deviation.length];
    for (int c = 0; c < dead.length; c++) {
      dead[c] = deviation[c] <= 1e-6 * largest;
    }
    return dead;
  }
}
