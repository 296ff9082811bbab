// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.merge.NpMerger;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.objective.FineTuning;

/** Gathers losses and learned coefficients over pairs, row by row. */
final class LearningCurves {
  private final NpMerger.Options options;
  private final Map<String, List<NpMergeResult.LearningRun>> runs = new LinkedHashMap<>();
  private final Map<String, Map<String, long[]>> coefficients = new LinkedHashMap<>();

  LearningCurves(NpMerger.Options options) {
    this.options = options;
  }

  /**
   * @param joint whether the coefficients are those of all models at once
   */
  void add(String method, NpMerger.Result learned, boolean joint) {
    add(method, learned.losses(), learned.heldOut(), learned.bestStep());
    boolean planes = joint || options.form() == NpMerger.Form.SOFTMAX;
    MemoryCheckpoint found = learned.coefficients();
    for (String name : found.tensors().keySet()) {
      Tensor tensor = found.tensor(name);
      long first = planes ? tensor.size() / tensor.dim(0) : tensor.size();
      long[] counts =
          coefficients
              .computeIfAbsent(name, n -> new LinkedHashMap<>())
              .computeIfAbsent(method, m -> new long[NpMergeResult.BINS]);
      for (long i = 0; i < first; i++) {
        counts[bin(tensor.get(i))]++;
      }
    }
  }

  void add(String method, FineTuning tuned) {
    add(method, tuned.losses(), tuned.heldOut(), tuned.bestStep());
  }

  private void add(String method, List<Double> losses, List<HeldOut> evaluations, long bestStep) {
    runs.computeIfAbsent(method, m -> new ArrayList<>())
        .add(new NpMergeResult.LearningRun(losses, evaluations, bestStep));
  }

  static int bin(double coefficient) {
    return (int) Math.min(NpMergeResult.BINS - 1, Math.floor(coefficient * NpMergeResult.BINS));
  }

  List<NpMergeResult.Curve> curves() {
    return runs.entrySet().stream().map(e -> curve(e.getKey(), e.getValue())).toList();
  }

  private NpMergeResult.Curve curve(String method, List<NpMergeResult.LearningRun> pairs) {
    List<Long> steps = new ArrayList<>();
    List<Double> heldOut = new ArrayList<>();
    if (!pairs.get(0).heldOut().isEmpty()) {
      long longest = pairs.stream().mapToLong(run -> run.losses().size()).max().orElse(0);
      for (long step = 0; step < longest; step += options.evalEvery()) {
        steps.add(step);
      }
      steps.add(longest);
      for (long step : steps) {
        heldOut.add(Summary.mean(pairs.stream().mapToDouble(run -> lossAt(run, step)).toArray()));
      }
    }
    List<Double> batchLoss = new ArrayList<>();
    for (int step = 0; ; step++) {
      int at = step;
      double[] made =
          pairs.stream()
              .filter(run -> run.losses().size() > at)
              .mapToDouble(run -> run.losses().get(at))
              .toArray();
      if (made.length == 0) {
        return new NpMergeResult.Curve(method, steps, heldOut, batchLoss, List.copyOf(pairs));
      }
      batchLoss.add(Summary.mean(made));
    }
  }

  /** The loss of the evaluation at a step, or of what is kept when the run had stopped before. */
  private static double lossAt(NpMergeResult.LearningRun run, long step) {
    long wanted = step <= run.losses().size() ? step : run.bestStep();
    return run.heldOut().stream()
        .filter(evaluation -> evaluation.step() == wanted)
        .mapToDouble(HeldOut::loss)
        .findFirst()
        .orElseThrow();
  }

  Map<String, Map<String, List<Long>>> coefficients() {
    Map<String, Map<String, List<Long>>> all = new LinkedHashMap<>();
    coefficients.forEach(
        (tensor, methods) -> {
          Map<String, List<Long>> lists = new LinkedHashMap<>();
          methods.forEach(
              (method, counts) -> lists.put(method, Arrays.stream(counts).boxed().toList()));
          all.put(tensor, lists);
        });
    return all;
  }
}
