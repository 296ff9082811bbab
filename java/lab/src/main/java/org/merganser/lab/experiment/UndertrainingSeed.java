// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.lab.data.ExpertTasks;
import org.merganser.lab.experiment.UndertrainingExperiment.Form;
import org.merganser.lab.experiment.UndertrainingExperiment.Options;
import org.merganser.torch.Examples;

/**
 * One seed of {@link UndertrainingExperiment}: its tasks, its base, and every form of experts on
 * every part of wrong labels. What findings have already is not done again, and they are written
 * after each form.
 */
final class UndertrainingSeed implements AutoCloseable {
  private final Options options;
  private final int index;
  private final long seed;
  private final Journal journal;
  private final Stopwatch watch;
  private final Workspace ws;
  private ExperimentResult.Data data;
  private ExpertNetwork network;
  private ExpertMethods methods;
  private String digest;
  private Findings found;
  private List<MemoryCheckpoint> bases;

  UndertrainingSeed(Options options, int index, Runner runner) {
    this.options = options;
    this.index = index;
    this.seed = runner.seed(index);
    this.journal = runner.journal();
    this.watch = runner.watch();
    this.ws = runner.ws();
  }

  Findings run() throws IOException {
    for (double noise : options.noise()) {
      try (ExpertTasks tasks = watch.time("data", () -> ExpertData.load(options, noise, seed))) {
        if (found == null) {
          begin(tasks);
        }
        run(noise, tasks);
      }
    }
    return found;
  }

  /** Reads what there is; methods and network are checked before anything is trained. */
  private void begin(ExpertTasks tasks) throws IOException {
    ExpertTask first = tasks.tasks().get(0);
    long[] shape = first.train().inputs().shape();
    network =
        ExpertNetwork.of(
            options.network(),
            options.widths(),
            first.train().classes(),
            java.util.Arrays.copyOfRange(shape, 1, shape.length));
    int experts = tasks.tasks().size();
    methods = ExpertMethods.of(options.methods(), options.weights(), experts, seed);
    methods.check(network, tasks.tasks(), ws);
    if (options.experts().contains(Form.LORA)) {
      options.adapters().check(network.network(), network.head());
    }
    if (options.experts().contains(Form.MOE) && options.topK() > experts) {
      throw new IllegalArgumentException(
          "top-k must be at most %d, the number of experts, not %d"
              .formatted(experts, options.topK()));
    }
    digest =
        tasks.tasks().stream()
            .flatMap(t -> List.of(t.pretraining(), t.train(), t.heldOut(), t.test()).stream())
            .map(Examples::digest)
            .collect(Collectors.joining(" "));
    data =
        new ExperimentResult.Data(
            tasks.name(),
            tasks.tasks().stream().mapToInt(t -> t.train().size()).sum(),
            tasks.tasks().stream().mapToInt(t -> t.heldOut().size()).sum(),
            tasks.tasks().stream().mapToInt(t -> t.test().size()).sum(),
            null,
            null);
    found = journal.begun(index, digest);
  }

  private void run(double noise, ExpertTasks tasks) throws IOException {
    List<Form> missing = new ArrayList<>(options.experts());
    missing.removeIf(form -> found.map("curves", "" + noise).containsKey("" + form));
    if (missing.isEmpty()) {
      return;
    }
    List<MemoryCheckpoint> bases = bases(tasks);
    try (ExpertRuns runs = new ExpertRuns(options, network, bases, tasks, seed, watch, ws)) {
      found.map("base").computeIfAbsent("" + noise, n -> runs.base());
      for (Form form : missing) {
        Map<String, ExpertPoint> points = runs.points(form, stage(noise, form));
        found.map("curves", "" + noise).put("" + form, points);
        found = found.with(found.training().plus(runs.takeTraining()));
        journal.write(index, digest, found);
      }
    }
  }

  /** What all tasks begin with: the same but for the last layer. */
  private List<MemoryCheckpoint> bases(ExpertTasks tasks) throws IOException {
    if (bases == null) {
      bases = watch.time("base", () -> ExpertRuns.bases(options, network, tasks, seed, ws));
    }
    return bases;
  }

  private String stage(double noise, Form form) {
    return "%s experts, %s wrong, seed %d/%d"
        .formatted(form, noise, index + 1, options.runs().seeds());
  }

  ExperimentResult.Data data() {
    return data;
  }

  long parameters() {
    return network.network().size();
  }

  ExpertMethods methods() {
    return methods;
  }

  /** What was done, in a paragraph. */
  String text() {
    return UndertrainingCharts.text(options, data, parameters());
  }

  @Override
  public void close() {
    if (bases != null) {
      bases.forEach(MemoryCheckpoint::close);
    }
  }
}
