// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.DataSet;
import org.merganser.model.Evaluation;
import org.merganser.torch.internal.session.SideBySide;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;
import org.merganser.torch.recurrent.RnnInit;
import org.merganser.torch.recurrent.RnnSession;
import org.merganser.torch.recurrent.RnnTraining;
import org.merganser.torch.recurrent.VanillaRnn;

/** All networks of one seed: from every start in every mode, and what meets other inputs. */
final class ActivationSeed {
  /** Measurements of a run, but for one an epoch of the grid on images. */
  private static final int MEASUREMENTS = 10;

  /** Most sequences that the copy task draws to train on, over and over. */
  private static final int MOST_COPIED = 20_000;

  private final AdaptiveActivationExperiment.Options options;
  private final Map<SequenceTask, DataSet> images;
  private final int index;
  private final long seed;
  private final Stopwatch watch;
  private final Workspace ws;

  ActivationSeed(
      AdaptiveActivationExperiment.Options options,
      Map<SequenceTask, DataSet> images,
      int index,
      Runner runner) {
    this.options = options;
    this.images = images;
    this.index = index;
    this.seed = runner.seed(index);
    this.watch = runner.watch();
    this.ws = runner.ws();
  }

  /** A network and where it starts. */
  private record Run(SequenceTask task, ShapeLearning mode, double n, double s) {
    String start() {
      return AdaptiveActivationTables.start(n, s);
    }
  }

  Findings run() throws IOException {
    int each = options.gains().size() * options.saturations().size() * options.modes().size();
    int transfers = options.transferred().isPresent() ? 1 : 0;
    Findings found =
        new Findings(new ExperimentResult.Training(each * options.tasks().size() + transfers, 0));
    for (SequenceTask task : options.tasks()) {
      SequenceTask.Data data =
          task.isImages()
              ? task.of(images.get(task), seed)
              : SequenceTask.copy(options.copyDelay(), copied(options), seed);
      watch.run("train", () -> grid(task, data, found));
      options.modes().forEach(mode -> ActivationRows.add(task, mode, found));
    }
    if (transfers > 0) {
      SequenceTask task = options.transferred().orElseThrow();
      SequenceTask.Data data = task.of(images.get(task), seed);
      watch.run("transfer", () -> transfer(task, data, found));
    }
    return found;
  }

  /** Sequences that the copy task draws to train on. */
  static int copied(AdaptiveActivationExperiment.Options options) {
    return (int) Math.min(MOST_COPIED, (long) options.copySteps() * options.batch());
  }

  private void grid(SequenceTask task, SequenceTask.Data data, Findings found) throws IOException {
    List<Run> runs = new ArrayList<>();
    for (ShapeLearning mode : options.modes()) {
      for (double s : options.saturations()) {
        options.gains().forEach(n -> runs.add(new Run(task, mode, n, s)));
      }
    }
    List<SideBySide.Job<Map<String, Object>>> jobs = new ArrayList<>();
    runs.forEach(run -> jobs.add(own -> train(run, data, own)));
    List<Map<String, Object>> all =
        new SideBySide(ws, steps(task, data))
            .all(
                "%s, seed %d/%d".formatted(task.id(), index + 1, options.runs().seeds()),
                LongStream.generate(() -> seed).limit(jobs.size()).boxed().toList(),
                jobs);
    for (int i = 0; i < runs.size(); i++) {
      Run run = runs.get(i);
      found.map("runs", task.id(), run.mode().id(), run.start()).putAll(all.get(i));
    }
  }

  private long steps(SequenceTask task, SequenceTask.Data data) {
    return task.isImages() ? options.epochs() * batches(data) : options.copySteps();
  }

  /** Of an epoch. */
  private long batches(SequenceTask.Data data) {
    return (data.train().size() + options.batch() - 1) / options.batch();
  }

  private VanillaRnn network(
      SequenceTask task, SequenceTask.Data data, Mode mode, double n, double s) {
    return VanillaRnn.of(
            data.train().width(),
            options.hidden(),
            data.train().classes(),
            options.unit(mode, n, s))
        .withInit(RnnInit.HENAFF, task.inputWeights());
  }

  private Evaluation guess(SequenceTask task, VanillaRnn rnn) {
    return task.guess(rnn.outputs(), options.copyDelay());
  }

  private RnnTraining.Options training(long steps) {
    return RnnTraining.Options.adam(options.lr(), steps)
        .withBatch(options.batch())
        .withClipNorm(options.clipNorm());
  }

  private Map<String, Object> train(Run run, SequenceTask.Data data, Workspace own)
      throws IOException {
    VanillaRnn rnn = network(run.task(), data, run.mode().mode(), run.n(), run.s());
    long steps = steps(run.task(), data);
    long every = Math.max(1, steps / (run.task().isImages() ? options.epochs() : MEASUREMENTS));
    Curve curve = new Curve(data, every, steps);
    RnnTraining.Options how = training(steps).withShapeFrom(run.mode().from(steps));
    // The same weights and batches from every start, in every mode.
    try (MemoryCheckpoint start = rnn.initialise(seed);
        RnnTraining trained = RnnTraining.of(rnn, start, data.train(), how, curve, own)) {
      String name = run.task().id() + " " + run.mode().id() + " " + run.start();
      options.runs().keep(index, name.replace(' ', '_'), trained.model(), ws);
      Map<String, Object> found = curve.found();
      found.putAll(AdaptiveActivationTables.guess(guess(run.task(), rnn)));
      found.put("parameters", (double) rnn.size(rnn.learned()));
      trained.diverged().ifPresent(why -> found.put("diverged", why));
      return found;
    }
  }

  /** What is measured while a network learns. */
  private static final class Curve implements RnnTraining.Watch {
    private final SequenceTask.Data data;
    private final long every;
    private final long last;
    private final Map<String, Object> found = new LinkedHashMap<>();
    private final List<Double> steps = new ArrayList<>();
    private final List<Double> accuracy = new ArrayList<>();
    private final List<Double> loss = new ArrayList<>();
    private final List<Double> n = new ArrayList<>();
    private final List<Double> s = new ArrayList<>();

    Curve(SequenceTask.Data data, long every, long last) {
      this.data = data;
      this.every = every;
      this.last = last;
    }

    @Override
    public void after(long step, Supply now) throws IOException {
      if (step % every != 0 && step != last) {
        return;
      }
      try (RnnSession session = now.open()) {
        RnnSession.Score score = session.score(data.test());
        RnnSession.Shape shape = session.shape();
        steps.add((double) step);
        accuracy.add(score.accuracy());
        loss.add(score.loss());
        n.add(Summary.mean(shape.gain()));
        s.add(Summary.mean(shape.saturation()));
        if (step == last) {
          RnnSession.Score chosen = session.score(data.validation());
          found.put("validation", chosen.accuracy());
          found.put("validationLoss", chosen.loss());
          found.put("spreadN", Summary.deviation(shape.gain()));
          found.put("spreadS", Summary.deviation(shape.saturation()));
        }
      }
    }

    Map<String, Object> found() {
      found.put("steps", steps);
      found.put("accuracy", accuracy);
      found.put("loss", loss);
      found.put("n", n);
      found.put("s", s);
      return found;
    }
  }

  private void transfer(SequenceTask task, SequenceTask.Data data, Findings found)
      throws IOException {
    double n = options.transferGain();
    double s = options.transferSaturation();
    VanillaRnn fixed = network(task, data, Mode.STATIC, n, s);
    long steps = options.transferEpochs() * batches(data);
    Curve known = new Curve(data, Math.max(1, steps / MEASUREMENTS), steps);
    SideBySide.Job<RnnTraining> train =
        own -> {
          try (MemoryCheckpoint start = fixed.initialise(seed)) {
            return RnnTraining.of(fixed, start, data.train(), training(steps), known, own);
          }
        };
    try (RnnTraining base =
        new SideBySide(ws, steps)
            .all("network to be transferred", List.of(seed), List.of(train))
            .get(0)) {
      if (base.diverged().isPresent()) {
        found.map("transfer").put("diverged", base.diverged().get());
        return;
      }
      found.map("transfer").put("before", known.accuracy.get(known.accuracy.size() - 1));
      found.map("transfer", "learned").putAll(known.found());
      List<Map.Entry<InputShift, Adaptation>> pairs = new ArrayList<>();
      List<SideBySide.Job<Map<String, Object>>> jobs = new ArrayList<>();
      for (InputShift shift : InputShift.values()) {
        for (Adaptation how : Adaptation.values()) {
          pairs.add(Map.entry(shift, how));
          jobs.add(each -> adapt(shift, how, task, base.model(), data, each));
        }
      }
      List<Long> seeds =
          LongStream.generate(() -> Seeds.derive(seed, "transfer"))
              .limit(jobs.size())
              .boxed()
              .toList();
      List<Map<String, Object>> all =
          new SideBySide(ws, options.transferSteps()).all("transfer", seeds, jobs);
      for (int i = 0; i < pairs.size(); i++) {
        found
            .map("transfer", pairs.get(i).getKey().id(), pairs.get(i).getValue().id())
            .putAll(all.get(i));
      }
    }
  }

  private Map<String, Object> adapt(
      InputShift shift,
      Adaptation how,
      SequenceTask task,
      MemoryCheckpoint base,
      SequenceTask.Data data,
      Workspace own)
      throws IOException {
    VanillaRnn rnn =
        network(task, data, how.mode(), options.transferGain(), options.transferSaturation());
    SequenceTask.Data other =
        new SequenceTask.Data(
            data.train().changed(shift.change()),
            data.validation().changed(shift.change()),
            data.test().changed(shift.change()));
    Curve curve =
        new Curve(
            other, Math.max(1, options.transferSteps() / MEASUREMENTS), options.transferSteps());
    Map<String, Object> found = curve.found();
    found.put("trained", (double) rnn.size(how.learned(rnn)));
    found.putAll(AdaptiveActivationTables.guess(guess(task, rnn)));
    try (MemoryCheckpoint start = rnn.adopt(base, own)) {
      if (how == Adaptation.NOTHING) {
        try {
          curve.after(0, () -> rnn.open(start, own));
        } catch (NumericalException e) {
          found.put("diverged", e.getMessage());
        }
        return found;
      }
      RnnTraining.Options training =
          training(options.transferSteps()).withLearned(how.learned(rnn));
      try (RnnTraining trained = RnnTraining.of(rnn, start, other.train(), training, curve, own)) {
        trained.diverged().ifPresent(why -> found.put("diverged", why));
        return found;
      }
    }
  }
}
