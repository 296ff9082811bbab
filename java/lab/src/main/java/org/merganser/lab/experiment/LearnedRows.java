// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.commons.io.function.IOBiFunction;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.internal.session.SideBySide;

/**
 * Rows of models that are learned side by side; how learning went, and which coefficients came out,
 * goes into the findings.
 *
 * @param steps of each, at most
 */
record LearnedRows(Pair pair, long steps) {
  static final String CURVES = "curves";
  static final String COEFFICIENTS = "coefficients";
  static final String SAMPLES = "samples";

  /** Bins of a histogram of coefficients over [0, 1]; the last holds 1 too. */
  static final int BINS = 20;

  /** Learns from what an aligner found. */
  interface Method extends IOBiFunction<Aligned, Workspace, Learned> {}

  /** A row for every aligner. */
  void add(
      String stage,
      List<Aligned> all,
      Function<Aligned, String> name,
      String meaning,
      Method method)
      throws IOException {
    List<Learned> found = learn(stage, all, Collections.nCopies(all.size(), method));
    for (int i = 0; i < found.size(); i++) {
      String id = name.apply(all.get(i));
      try (Learned learned = found.get(i)) {
        pair.findings().map(CURVES).put(id, learned.run());
        List<MemoryCheckpoint> rounds = learned.coefficients();
        for (int round = 0; round < rounds.size(); round++) {
          boolean last = round + 1 == rounds.size();
          String file = "coefficients-" + id + (last ? "" : "-round-" + (round + 1));
          pair.keep(file, rounds.get(round));
          if (last) {
            count(pair.findings(), id, rounds.get(round), learned.planes());
          }
        }
        String of = meaning + "; " + all.get(i).choice().summary();
        pair.take(Row.of(id, of, learned.model()));
      }
    }
  }

  /** Test data on what was learned from so many samples. */
  record Point(long samples, double accuracy, double loss) {}

  /**
   * A point of the curve of each method over numbers of samples.
   *
   * @param aligned what all methods begin with
   */
  void samples(Aligned aligned, int count, Map<String, Method> methods) throws IOException {
    List<Aligned> same = Collections.nCopies(methods.size(), aligned);
    List<Learned> found = learn(SAMPLES, same, List.copyOf(methods.values()));
    int i = 0;
    for (String method : methods.keySet()) {
      try (Learned learned = found.get(i++)) {
        sample(aligned.choice().name(), method, count, pair.evaluate(learned.model()));
      }
    }
  }

  @SuppressWarnings("unchecked")
  void sample(String aligner, String method, long count, Evaluation found) {
    Map<String, Object> curves = pair.findings().map(SAMPLES, aligner);
    ((List<Point>) curves.computeIfAbsent(method, m -> new ArrayList<>()))
        .add(new Point(count, found.accuracy(), found.loss()));
  }

  private List<Learned> learn(String stage, List<Aligned> from, List<Method> methods)
      throws IOException {
    List<SideBySide.Job<Learned>> jobs = new ArrayList<>();
    for (int i = 0; i < from.size(); i++) {
      int at = i;
      jobs.add(own -> methods.get(at).apply(from.get(at), own));
    }
    List<Long> seeds = Collections.nCopies(jobs.size(), pair.seed());
    SideBySide parallel = new SideBySide(pair.ws(), steps);
    return pair.watch().time(stage, () -> parallel.all(pair.stage(stage), seeds, jobs));
  }

  /**
   * How many parameters got which coefficient, by tensor.
   *
   * @param planes whether there are coefficients of all models, of which those of the first count
   */
  static void count(Findings findings, String id, MemoryCheckpoint found, boolean planes) {
    for (String name : found.tensors().keySet()) {
      Tensor tensor = found.tensor(name);
      long first = planes ? tensor.size() / tensor.dim(0) : tensor.size();
      long[] counts = new long[BINS];
      for (long i = 0; i < first; i++) {
        counts[(int) Math.min(BINS - 1, Math.floor(tensor.get(i) * BINS))]++;
      }
      findings.map(COEFFICIENTS, name).put(id, Arrays.stream(counts).boxed().toList());
    }
  }
}
