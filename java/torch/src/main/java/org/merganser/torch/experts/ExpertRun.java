// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.experts.Expert.Kept;
import org.merganser.torch.experts.Expert.Scores;
import org.merganser.torch.experts.Expert.Watched;
import org.merganser.torch.experts.ExpertTraining.Task;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Digests;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Learned.Statistics;
import org.merganser.torch.internal.session.Recipe;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;

/** Trains experts of one base with the same options, each by itself. */
final class ExpertRun {
  private static final int THREADS = 1;

  /** Without held-out data in the session it does nothing. */
  private static final EarlyStopping.Policy NEVER =
      EarlyStopping.Policy.leastLoss(Integer.MAX_VALUE, 1);

  private final TorchNetwork network;
  private final Checkpoint base;
  private final ExpertOptions options;
  private final Map<String, String> digests;
  private final TorchSession.Setup setup;
  private final Learned learned;

  /**
   * @param digests of the base
   * @throws IllegalArgumentException when the options do not fit the network
   */
  ExpertRun(
      TorchNetwork network, Checkpoint base, ExpertOptions options, Map<String, String> digests) {
    this.network = network;
    this.base = base;
    this.options = options;
    this.digests = digests;
    network.require("the base of the experts", base);
    this.setup =
        new TorchSession.Setup(
            network,
            options.batchSize(),
            THREADS,
            torch::cross_entropy_loss,
            options.augmentation());
    Frozen frozen = new Frozen(options.frozen());
    frozen.check("frozen", network);
    if (options.lora().isPresent()) {
      LoraOptions lora = options.lora().get();
      double scale = settings("").orElseThrow().scale();
      learned = new Factors(network, lora.layers(network, frozen), lora.rank(), scale);
    } else {
      List<String> free =
          network.learned().stream().filter(name -> !frozen.contains(name)).toList();
      if (free.isEmpty()) {
        throw new IllegalArgumentException(
            "frozen are all parameters of the network, "
                + options.frozen()
                + "; nothing is left to train");
      }
      learned = Learned.some(free, Statistics.FOLLOWED);
    }
  }

  private Optional<LoraAdapter.Settings> settings(String name) {
    return options
        .lora()
        .map(l -> new LoraAdapter.Settings(name, "", l.rank(), l.alpha(), l.rootOfRank()));
  }

  /** Throws when a task does not fit the network. */
  void check(Task task) {
    String of = " of task '" + task.name() + "'";
    setup.check("training data" + of, task.train());
    setup.check("held-out data" + of, task.heldOut());
    task.watched().ifPresent(watched -> setup.check("watched data" + of, watched));
    if (!task.classes().isEmpty()) {
      checkLabels("training data" + of, task.train(), task.classes());
      checkLabels("held-out data" + of, task.heldOut(), task.classes());
    }
  }

  private static void checkLabels(String what, Examples data, List<Integer> classes) {
    for (int i = 0; i < data.size(); i++) {
      if (!classes.contains(data.label(i))) {
        throw new IllegalArgumentException(
            "sample %d of the %s is of class %d, the classes of the task are %s; name all of them"
                .formatted(i, what, data.label(i), classes));
      }
    }
  }

  ExpertFile file(Task task) {
    return new ExpertFile(task.name(), settings(task.name()), digests);
  }

  /**
   * @param known digests of data so far
   */
  Recipe recipe(Task task, Map<Examples, String> known) {
    Map<String, Object> parts = new LinkedHashMap<>();
    parts.put("task", task.name());
    parts.put("base sha256", Digests.of(String.join("\n", digests.values())));
    parts.put("examples sha256", known.computeIfAbsent(task.train(), Examples::digest));
    parts.put("held-out sha256", known.computeIfAbsent(task.heldOut(), Examples::digest));
    parts.put(
        "watched sha256",
        options.watched().isEmpty()
            ? "none"
            : known.computeIfAbsent(task.watched().orElse(task.train()), Examples::digest));
    parts.put("classes", task.classes());
    parts.put("options", options);
    if (learned instanceof Factors factors && factors.hasAttention()) {
      // Experts of the same options were kept before attention had adapters.
      parts.put("adapters", factors.leaves());
    }
    parts.put("seed", task.seed());
    return Recipe.of("expert", network, parts);
  }

  /** Trains the expert of a task; the seed of the Workspace is its own. */
  Expert train(Task task, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> theta = network.load(base, Device.HOST, ws);
      theta.values().forEach(opened::add);
      if (learned instanceof Factors factors) {
        factors
            .initialise(ws.seed())
            .forEach((name, tensor) -> theta.put(name, opened.add(tensor)));
      }
      Samples heldOut =
          options.stopping().isPresent() ? of(task, task.heldOut()) : new Samples(task.heldOut());
      TorchSession session =
          opened.add(
              new TorchSession(setup, theta, Samples.all(task.train()), heldOut, learned, ws));
      return new Steps(task, session, trained(theta), ws).run();
    }
  }

  private static Samples of(Task task, Examples data) {
    return Samples.all(data).among(task.classes());
  }

  /** What an expert consists of: what is learned, and what follows the batches. */
  private Map<String, Tensor> trained(Map<String, Tensor> theta) {
    Map<String, Tensor> trained = new LinkedHashMap<>();
    for (String name : theta.keySet()) {
      boolean follows =
          learned.statistics() == Statistics.FOLLOWED && !network.learned().contains(name);
      if (follows || learned.leaves().contains(name)) {
        trained.put(name, theta.get(name));
      }
    }
    return trained;
  }

  private final class Steps extends Descent<TorchSession> {
    private final Task task;
    private final TorchSession session;
    private final Map<String, Tensor> parameters;
    private final Workspace ws;
    private final List<Kept> kept = new ArrayList<>();
    private final List<Watched> watched = new ArrayList<>();

    Steps(Task task, TorchSession session, Map<String, Tensor> parameters, Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> options.schedule().multiple(step, options.steps()),
          options.clipNorm());
      this.task = task;
      this.session = session;
      this.parameters = parameters;
      this.ws = ws;
    }

    Expert run() throws IOException {
      try (Opened opened = new Opened()) {
        opened.add((AutoCloseable) () -> kept.forEach(Kept::close));
        opened.add((AutoCloseable) () -> watched.forEach(w -> w.probabilities().close()));
        watch(0);
        EarlyStopping stopping = new EarlyStopping(options.stopping().orElse(NEVER));
        List<Double> losses = run(session, parameters, options.steps(), stopping, ws);
        Optional<Kept> best = Optional.empty();
        if (options.stopping().isPresent()) {
          best = Optional.of(keep(stopping.bestStepOr(losses.size())));
        }
        opened.release();
        return new Expert(task.name(), kept, best, losses, stopping.evaluations(), watched);
      }
    }

    @Override
    protected String diverged(long step) {
      return "task '%s' diverged in step %d of %d"
          .formatted(task.name(), step + 1, options.steps());
    }

    @Override
    protected void stepped(long made, double loss) throws IOException {
      if (options.kept().contains(made)) {
        kept.add(keep(made));
      }
      watch(made);
      ws.progress()
          .report("experts", made, options.steps(), String.format(Locale.ROOT, "loss %.4f", loss));
    }

    private Kept keep(long step) throws IOException {
      Scores train = scores(task.train());
      Scores heldOut = scores(task.heldOut());
      Map<String, Tensor> copies = new LinkedHashMap<>();
      parameters.forEach((name, tensor) -> copies.put(name, tensor.copy()));
      return file(task).kept(step, copies, train, heldOut);
    }

    private Scores scores(Examples data) throws IOException {
      TorchSession.Means means = session.means(of(task, data));
      return new Scores(means.loss(), means.accuracy());
    }

    private void watch(long step) throws IOException {
      if (!options.watched().contains(step)) {
        return;
      }
      Examples data = task.watched().orElse(task.train());
      Tensor all = Tensor.allocate(DType.F32, data.size(), network.outputs());
      watched.add(new Watched(step, all));
      session.outputs(
          Samples.all(data),
          (from, batch, outputs) -> {
            try (Tensor softmax = Bridge.copy(torch.softmax(outputs, 1).contiguous());
                Tensor place = all.rows(from, from + batch.length)) {
              place.copyFrom(softmax, ws);
            }
          });
    }
  }
}
