// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;

/** Gates by module, [experts][in]. */
final class MoeGates {
  /** What is more tells experts badly apart (mergekit's limit). */
  private static final double MOST_CONDITION = 5;

  private final Map<String, double[][]> gates = new LinkedHashMap<>();

  /** Whether they are contrasts, which sum to 0 before they are of unit norm. */
  private final boolean contrasts;

  private MoeGates(boolean contrasts) {
    this.contrasts = contrasts;
  }

  double[][] of(String module) {
    return gates.get(module);
  }

  /** Of modules that share A, one gate. */
  static MoeGates arrow(Map<String, MoeExperts> all, Workspace ws) {
    MoeGates made = new MoeGates(false);
    Map<List<Integer>, List<MoeExperts>> byHash = new LinkedHashMap<>();
    for (MoeExperts experts : all.values()) {
      List<Integer> hashes = new ArrayList<>();
      for (int e = 0; e < experts.count(); e++) {
        hashes.add(Arrays.hashCode(experts.a(e)));
      }
      byHash.computeIfAbsent(hashes, h -> new ArrayList<>()).add(experts);
    }
    for (List<MoeExperts> candidates : byHash.values()) {
      while (!candidates.isEmpty()) {
        MoeExperts first = candidates.get(0);
        List<MoeExperts> tied =
            candidates.stream().filter(other -> other.a().sameBytes(first.a())).toList();
        double[][] gate = new double[first.count()][];
        for (int e = 0; e < gate.length; e++) {
          gate[e] = leading(tied, e, ws);
        }
        tied.forEach(experts -> made.gates.put(experts.layer().module(), gate));
        candidates.removeAll(tied);
      }
    }
    return made;
  }

  /** Of the products of an expert's A with the B of all, one below the other. */
  private static double[] leading(List<MoeExperts> tied, int expert, Workspace ws) {
    MoeExperts first = tied.get(0);
    int rank = Math.toIntExact(first.layer().rank());
    int in = Math.toIntExact(first.layer().in());
    int outs = Math.toIntExact(tied.stream().mapToLong(each -> each.layer().out()).sum());
    try (Matrix a = Matrix.of(Tensor.of(first.a(expert), rank, in));
        Matrix b = Matrix.zeros(rank, outs)) {
      int column = 0;
      for (MoeExperts experts : tied) {
        double[] values = experts.b(expert);
        for (int i = 0; i < values.length; i++) {
          b.set(i % rank, column + i / rank, experts.scales()[expert] * values[i]);
        }
        column += values.length / rank;
      }
      try (LowRank found = LowRank.of(b, a, ws);
          Matrix right = found.rightTransposed().toHost(ws)) {
        return found.values()[0] == 0 ? new double[in] : signed(right.row(0));
      }
    }
  }

  /** The sign is free: the largest element, of equal ones the first, is positive. */
  private static double[] signed(double[] v) {
    int largest = 0;
    for (int i = 1; i < v.length; i++) {
      largest = Math.abs(v[i]) > Math.abs(v[largest]) ? i : largest;
    }
    double sign = Math.signum(v[largest]);
    return Arrays.stream(v).map(x -> sign * x + 0.0).toArray();
  }

  /**
   * Throws unless there are means for adapters that are alike.
   *
   * @param means of each module under its name
   * @throws IncompatibleModelsException with all that is missing, or of another shape
   */
  static void requireMeans(List<LoraAdapter> adapters, Checkpoint means) {
    int experts = adapters.size();
    List<String> problems = new ArrayList<>();
    for (LoraLayer layer : adapters.get(0).layers().values()) {
      String module = layer.module();
      long wanted = experts * layer.in();
      if (!means.tensors().containsKey(module)) {
        problems.add(Names.missing(module, means.tensors().keySet(), problems.size()));
      } else if (means.info(module).rank() < 2
          || means.info(module).dim(0) != experts
          || means.info(module).size() != wanted
          || !means.info(module).dtype().isArithmetic()) {
        problems.add(
            "%s is %s; %d experts with %d inputs have [%3$d, %4$d]"
                .formatted(Names.quote(module), means.info(module), experts, layer.in()));
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("mean inputs do not fit the experts", problems);
    }
  }

  /**
   * Each mean less the mean of the others', of unit norm.
   *
   * @param means that were looked at
   */
  static MoeGates means(Map<String, MoeExperts> all, Checkpoint means, Workspace ws)
      throws IOException {
    MoeGates made = new MoeGates(true);
    for (MoeExperts experts : all.values()) {
      String module = experts.layer().module();
      try (Tensor read = means.read(module, ws)) {
        double[] values = read.toDoubleArray();
        if (!Arrays.stream(values).allMatch(Double::isFinite)) {
          throw new NumericalException("mean inputs of " + Names.quote(module) + " are not finite");
        }
        made.gates.put(module, contrasts(values, experts.count()));
      }
    }
    return made;
  }

  private static double[][] contrasts(double[] values, int experts) {
    int in = values.length / experts;
    double[][] gates = new double[experts][in];
    for (int e = 0; e < experts; e++) {
      for (int i = 0; i < in; i++) {
        double others = 0;
        for (int j = 0; j < experts; j++) {
          others += j == e ? 0 : values[j * in + i];
        }
        gates[e][i] = values[e * in + i] - others / Math.max(1, experts - 1);
      }
      double norm = Math.sqrt(Arrays.stream(gates[e]).map(x -> x * x).sum());
      for (int i = 0; i < in && norm > 0; i++) {
        gates[e][i] /= norm;
      }
    }
    return gates;
  }

  static MoeGates random(Map<String, MoeExperts> all, long seed) {
    MoeGates made = new MoeGates(false);
    all.forEach(
        (module, experts) -> {
          SplittableRandom random = Seeds.stream(seed, "moe/" + module);
          double[][] gate = new double[experts.count()][(int) experts.layer().in()];
          for (double[] row : gate) {
            Arrays.setAll(row, i -> random.nextGaussian());
          }
          made.gates.put(module, gate);
        });
    return made;
  }

  /** Which gates say nothing, or hardly tell experts apart. */
  List<String> notes(List<String> names, Workspace ws) {
    List<String> notes = new ArrayList<>();
    List<String> close = new ArrayList<>();
    double most = 0;
    for (Map.Entry<String, double[][]> each : gates.entrySet()) {
      double[][] gate = each.getValue();
      List<String> zero = new ArrayList<>();
      for (int e = 0; e < gate.length; e++) {
        if (Arrays.stream(gate[e]).allMatch(x -> x == 0)) {
          zero.add(names.get(e));
        }
      }
      double condition = condition(gate, ws);
      if (!zero.isEmpty()) {
        notes.add(
            "the gate of %s is 0 in %s: its expert does nothing there, or its inputs are those of the others"
                .formatted(Names.some(zero), Names.quote(each.getKey())));
      } else if (condition > MOST_CONDITION) {
        close.add(each.getKey());
        most = Math.max(most, condition);
      }
    }
    if (!close.isEmpty()) {
      notes.add(
          String.format(
              Locale.ROOT,
              "gates of %d of %d modules hardly tell experts apart (%s): condition numbers up to %.1f, where %.0f is much",
              close.size(),
              gates.size(),
              Names.some(close),
              most,
              MOST_CONDITION));
    }
    return notes;
  }

  /** Of contrasts of E experts, of which E - 1 say all, without their smallest singular value. */
  private double condition(double[][] gate, Workspace ws) {
    int directions = contrasts ? Math.max(1, gate.length - 1) : gate.length;
    try (Matrix rows = Matrix.of(gate);
        Svd svd = Svd.of(rows, ws)) {
      double[] values = svd.singularValues();
      return values[0] / values[Math.min(directions, values.length) - 1];
    }
  }
}
