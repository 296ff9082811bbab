// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;

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

  /** A row to be. */
  record Job(String id, String meaning, SideBySide.Job<Learned> job) {}

  void add(String stage, List<Job> rows) throws IOException {
    List<Learned> found = learn(stage, rows.stream().map(Job::job).toList());
    for (int i = 0; i < found.size(); i++) {
      String id = rows.get(i).id();
      try (Learned learned = found.get(i)) {
        pair.findings().map(CURVES).put(id, learned.run());
        List<MemoryCheckpoint> rounds = learned.coefficients();
        for (int round = 0; round < rounds.size(); round++) {
          boolean last = round + 1 == rounds.size();
          String name = "coefficients-" + id + (last ? "" : "-round-" + (round + 1));
          pair.keep(name + ".safetensors", rounds.get(round));
          if (last) {
            count(pair.findings(), id, rounds.get(round), learned.planes());
          }
        }
        pair.take(Row.of(id, rows.get(i).meaning(), learned.model()));
      }
    }
  }

  /** Test data on what was learned from so many samples. */
  record Point(long samples, double accuracy, double loss) {}

  /**
   * A point of the curve of each method over numbers of samples.
   *
   * @param aligner that all methods begin with
   */
  void samples(String aligner, int count, Map<String, SideBySide.Job<Learned>> methods)
      throws IOException {
    List<Learned> found = learn(SAMPLES, List.copyOf(methods.values()));
    int i = 0;
    for (String method : methods.keySet()) {
      try (Learned learned = found.get(i++)) {
        sample(aligner, method, count, pair.evaluate(learned.model()));
      }
    }
  }

  @SuppressWarnings("unchecked")
  void sample(String aligner, String method, long count, Evaluation found) {
    Map<String, Object> curves = pair.findings().map(SAMPLES, aligner);
    ((List<Point>) curves.computeIfAbsent(method, m -> new ArrayList<>()))
        .add(new Point(count, found.accuracy(), found.loss()));
  }

  private List<Learned> learn(String stage, List<SideBySide.Job<Learned>> jobs) throws IOException {
    SideBySide parallel = new SideBySide(pair.ws(), steps);
    List<Long> seeds = Collections.nCopies(jobs.size(), pair.seed());
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
