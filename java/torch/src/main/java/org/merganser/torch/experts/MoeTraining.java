// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.MoeModel;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Loading;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Learner;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;
import org.merganser.torch.layers.Graph;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;

/**
 * Trains the gates and factors of experts together, on all their tasks at once, with the network
 * that they are for as it is: the loss of a step is the mean over tasks of the cross-entropy of a
 * batch of each. Running statistics stay as they are, and normalise. On the CPU; the same bytes for
 * the same seed.
 *
 * <p>A gate of Arrow that is 0, as of an adapter with B = 0, stays 0: the derivative of its logit
 * {@code |v x|} there is taken as 0. Of random gates all move.
 */
public record MoeTraining(TorchNetwork network, Options options) {
  private static final int THREADS = 1;

  /** What is trained. */
  public enum Parts {
    GATES,
    FACTORS,
    BOTH
  }

  /**
   * How.
   *
   * @param schedule of the learning rate, over all steps
   * @param steps of a batch of each task, at most
   * @param clipNorm largest 2-norm of the gradient; infinity for no clipping
   * @param stopping by the mean score of the held-out data of all tasks; empty for all steps
   */
  public record Options(
      Parts parts,
      Optimizer optimizer,
      Schedule schedule,
      long steps,
      int batchSize,
      double clipNorm,
      Optional<EarlyStopping.Policy> stopping) {
    public Options {
      if (steps < 1 || batchSize < 1 || !(clipNorm > 0)) {
        throw new IllegalArgumentException(
            "steps, batch size and clip norm must be positive, not "
                + steps
                + ", "
                + batchSize
                + " and "
                + clipNorm);
      }
    }

    /** Gates and factors by Adam along half a cosine, batches of 64, all steps. */
    public static Options adam(double learningRate, long steps) {
      return new Options(
          Parts.BOTH,
          new Optimizer.AdamW(learningRate, 0),
          new Schedule(0, Schedule.Decay.COSINE),
          steps,
          64,
          Double.POSITIVE_INFINITY,
          Optional.empty());
    }

    public Options withParts(Parts value) {
      return Settings.with(this, "parts", value);
    }

    public Options withOptimizer(Optimizer value) {
      return Settings.with(this, "optimizer", value);
    }

    public Options withSchedule(Schedule value) {
      return Settings.with(this, "schedule", value);
    }

    public Options withSteps(long value) {
      return Settings.with(this, "steps", value);
    }

    public Options withBatchSize(int value) {
      return Settings.with(this, "batchSize", value);
    }

    public Options withClipNorm(double value) {
      return Settings.with(this, "clipNorm", value);
    }

    /** These, stopped by held-out data; the schedule becomes constant but for what that says. */
    public Options withStopping(EarlyStopping.Policy policy) {
      Options constant = withSchedule(new Schedule(0, Schedule.Decay.CONSTANT));
      return Settings.with(constant, "stopping", Optional.of(policy));
    }
  }

  /**
   * One of the tasks.
   *
   * @param base the network that the experts are for, with the parameters that this task has for
   *     itself
   * @param heldOut samples that no step sees; empty where nothing is stopped by them
   */
  public record Task(String name, Checkpoint base, Examples train, Optional<Examples> heldOut) {}

  /**
   * What came of it.
   *
   * @param experts the trained ones
   * @param losses of each step, the mean over tasks, before the step
   * @param heldOut evaluations of the policy of stopping
   */
  public record Trained(MoeModel experts, List<Double> losses, List<HeldOut> heldOut)
      implements AutoCloseable {
    public Trained {
      losses = List.copyOf(losses);
      heldOut = List.copyOf(heldOut);
    }

    @Override
    public void close() {
      experts.close();
    }
  }

  /**
   * Trains from some experts on, which are not changed.
   *
   * @param ws from its seed comes an order of batches for each task
   * @throws org.merganser.error.IncompatibleModelsException when the experts do not fit the
   *     network, or are for another base
   * @throws org.merganser.error.NumericalException when the loss is no longer finite
   */
  public Trained train(MoeModel start, List<Task> tasks, Workspace ws) throws IOException {
    TorchSession.Setup setup =
        new TorchSession.Setup(
            network, options.batchSize(), THREADS, torch::cross_entropy_loss, Augmentation.NONE);
    check(start, tasks, setup, ws);
    try (Opened opened = new Opened();
        Opened made = new Opened()) {
      Map<String, Tensor> experts = new LinkedHashMap<>();
      for (String name : start.tensors().tensors().keySet()) {
        Tensor tensor = Loading.as(DType.F32, start.tensors(), name, Device.HOST, ws);
        // Scales are read here only.
        experts.put(name, (name.endsWith(".scale") ? opened : made).add(tensor));
      }
      Layers learned = new Layers(start, options.parts());
      List<TorchSession> sessions = new ArrayList<>();
      for (int t = 0; t < tasks.size(); t++) {
        Task task = tasks.get(t);
        Map<String, Tensor> theta = network.load(task.base(), Device.HOST, ws);
        theta.values().forEach(opened::add);
        theta.putAll(experts);
        Samples heldOut =
            options.stopping().isPresent()
                ? Samples.all(task.heldOut().orElseThrow())
                : new Samples(task.train());
        Samples train = Samples.all(task.train());
        // One order for all would draw the same samples of tasks that differ in labels only.
        long seed = SharedTraining.seed(t, ws);
        sessions.add(opened.add(new TorchSession(setup, theta, train, heldOut, learned, seed, ws)));
      }
      Map<String, Tensor> parameters = new LinkedHashMap<>(experts);
      parameters.keySet().retainAll(learned.leaves());
      EarlyStopping stopping =
          new EarlyStopping(
              options.stopping().orElse(EarlyStopping.Policy.leastLoss(Integer.MAX_VALUE, 1)));
      List<Double> losses =
          new Steps(ws).run(new Together(sessions), parameters, options.steps(), stopping, ws);
      for (MoeModel.Layer layer : start.layers().values()) {
        // As exact as before: nothing has moved it.
        experts.put(layer.scale(), made.add(start.tensors().read(layer.scale(), ws)));
      }
      Trained trained = new Trained(start.with(experts), losses, stopping.evaluations());
      made.release();
      return trained;
    }
  }

  private void check(MoeModel start, List<Task> tasks, TorchSession.Setup setup, Workspace ws)
      throws IOException {
    MoeNetwork.requireLayers(network, start);
    if (tasks.isEmpty()) {
      throw new IllegalArgumentException("no tasks to train experts on; give one or more");
    }
    for (Task task : tasks) {
      String of = " of task '" + task.name() + "'";
      network.require("the base" + of, task.base());
      setup.check("training data" + of, task.train());
      if (task.heldOut().isPresent()) {
        setup.check("held-out data" + of, task.heldOut().get());
      } else if (options.stopping().isPresent()) {
        throw new IllegalArgumentException(
            "task '"
                + task.name()
                + "' has no held-out data, by which training is stopped; give some samples that"
                + " training does not see, or no policy of stopping");
      }
      start.requireBase(task.base(), ws);
    }
  }

  /** Gates and factors are leaves, and add to the layers of a network that stays. */
  private record Layers(MoeModel experts, Parts parts) implements Learned {
    @Override
    public Collection<String> leaves() {
      List<String> names = new ArrayList<>();
      for (MoeModel.Layer layer : experts.layers().values()) {
        if (parts != Parts.GATES) {
          names.add(layer.a());
          names.add(layer.b());
        }
        if (parts != Parts.FACTORS) {
          names.add(layer.gate());
        }
      }
      return names;
    }

    @Override
    public Map<String, org.bytedeco.pytorch.Tensor> network(
        Map<String, org.bytedeco.pytorch.Tensor> all) {
      return all;
    }

    @Override
    public Graph.Added added(Map<String, org.bytedeco.pytorch.Tensor> all) {
      return new MoeRouting(experts, all);
    }

    @Override
    public Statistics statistics() {
      return Statistics.STORED;
    }
  }

  /** Sessions whose learned parameters lie in the same memory: one moves them for all. */
  private record Together(List<TorchSession> sessions) implements Learner {
    @Override
    public List<org.bytedeco.pytorch.Tensor> leaves() {
      return sessions.get(0).leaves();
    }

    @Override
    public int threads() {
      return THREADS;
    }

    @Override
    public double backward(long step) throws IOException {
      double sum = 0;
      for (TorchSession session : sessions) {
        sum += session.backward(step);
      }
      Libtorch.call(THREADS, this::mean);
      return sum / sessions.size();
    }

    /** Gradients of all are added at those of the first. */
    @SuppressWarnings("try")
    private Void mean() {
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        Scalar share = new Scalar(1.0 / sessions.size());
        for (int i = 0; i < leaves().size(); i++) {
          org.bytedeco.pytorch.Tensor sum = leaves().get(i).mutable_grad();
          for (TorchSession other : sessions.subList(1, sessions.size())) {
            sum.add_(other.leaves().get(i).grad());
          }
          sum.mul_(share);
        }
        return null;
      }
    }

    @Override
    public OptionalDouble heldOut(EarlyStopping.Score score) throws IOException {
      double sum = 0;
      for (TorchSession session : sessions) {
        OptionalDouble own = session.heldOut(score);
        if (own.isEmpty()) {
          return own;
        }
        sum += own.getAsDouble();
      }
      return OptionalDouble.of(sum / sessions.size());
    }
  }

  private final class Steps extends Descent<Together> {
    private final Workspace ws;

    Steps(Workspace ws) {
      super(
          options.optimizer()::create,
          options.optimizer().learningRate(),
          step -> options.schedule().multiple(step, options.steps()),
          options.clipNorm());
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return "training of experts diverged in step %d of %d".formatted(step + 1, options.steps());
    }

    @Override
    protected void stepped(long made, double loss) {
      ws.progress()
          .report(
              "experts together",
              made,
              options.steps(),
              String.format(Locale.ROOT, "loss %.4f", loss));
    }
  }
}
