// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.EarlyStopping;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Learner;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;
import org.merganser.torch.training.Optimizer;

/**
 * Trains one network on several tasks at once, each with some layers of its own, such as the last;
 * what experts begin with. The loss of a step is the mean over tasks of the cross-entropy of a
 * batch of each.
 *
 * @param own parameters, or layers, that every task has for itself
 * @param steps at a constant rate
 */
public record SharedTraining(
    TorchNetwork network, List<String> own, Optimizer optimizer, long steps, int batchSize) {

  public SharedTraining {
    own = List.copyOf(own);
    if (steps < 1 || batchSize < 1) {
      throw new IllegalArgumentException(
          "steps and batch size must be at least 1, not " + steps + " and " + batchSize);
    }
  }

  /**
   * The network of each task: they differ in what every task has for itself only.
   *
   * @param ws its seed is that of initial parameters and of the order of batches; the same bytes
   *     for the same seed
   * @throws IllegalArgumentException when there is no task, the network has nothing of a name in
   *     {@code own}, or data do not fit it
   */
  public List<MemoryCheckpoint> train(List<Examples> tasks, Workspace ws) throws IOException {
    if (tasks.isEmpty()) {
      throw new IllegalArgumentException("no tasks to train the network on; give one or more");
    }
    Frozen apart = new Frozen(own);
    apart.check("own", network);
    TorchSession.Setup setup =
        new TorchSession.Setup(network, batchSize, 1, torch::cross_entropy_loss, Augmentation.NONE);
    for (int t = 0; t < tasks.size(); t++) {
      setup.check("data of task " + t, tasks.get(t));
    }
    List<Map<String, org.merganser.linalg.Tensor>> parameters = new ArrayList<>();
    try (Opened opened = new Opened()) {
      for (int t = 0; t < tasks.size(); t++) {
        parameters.add(initial(apart, t, parameters, opened, ws));
      }
      List<TorchSession> sessions = new ArrayList<>();
      Learned all = Learned.all(network, Learned.Statistics.FOLLOWED);
      for (int t = 0; t < tasks.size(); t++) {
        Examples data = tasks.get(t);
        sessions.add(
            opened.add(
                new TorchSession(
                    setup, parameters.get(t), Samples.all(data), new Samples(data), all, ws)));
      }
      Map<String, org.merganser.linalg.Tensor> distinct = new LinkedHashMap<>();
      new Steps(ws)
          .run(
              new Together(sessions, List.copyOf(network.learned()), apart),
              distinct,
              steps,
              new EarlyStopping(Integer.MAX_VALUE, 1),
              ws);
      List<MemoryCheckpoint> models = new ArrayList<>();
      for (Map<String, org.merganser.linalg.Tensor> theta : parameters) {
        Map<String, org.merganser.linalg.Tensor> copies = new LinkedHashMap<>();
        theta.forEach((name, tensor) -> copies.put(name, tensor.copy()));
        models.add(MemoryCheckpoint.of(copies));
      }
      return models;
    }
  }

  /** Of one of several tasks that are trained together; a task alone has that of the Workspace. */
  static long seed(int task, Workspace ws) {
    return task == 0 ? ws.seed() : Seeds.derive(ws.seed(), "task/" + task);
  }

  /** Of a task: the tensors of the first, but for those of its own. */
  private Map<String, org.merganser.linalg.Tensor> initial(
      Frozen apart,
      int task,
      List<Map<String, org.merganser.linalg.Tensor>> before,
      Opened opened,
      Workspace ws)
      throws IOException {
    try (MemoryCheckpoint random = network.initialise(seed(task, ws))) {
      Map<String, org.merganser.linalg.Tensor> theta = network.load(random, Device.HOST, ws);
      theta.values().forEach(opened::add);
      theta.replaceAll(
          (name, tensor) -> task == 0 || apart.contains(name) ? tensor : before.get(0).get(name));
      return theta;
    }
  }

  /**
   * The mean loss of all tasks.
   *
   * @param names of the parameters of each
   */
  private record Together(List<TorchSession> sessions, List<String> names, Frozen apart)
      implements Learner {

    @Override
    public List<Tensor> leaves() {
      List<Tensor> leaves = new ArrayList<>(sessions.get(0).leaves());
      for (TorchSession other : sessions.subList(1, sessions.size())) {
        for (int i = 0; i < names.size(); i++) {
          if (apart.contains(names.get(i))) {
            leaves.add(other.leaves().get(i));
          }
        }
      }
      return leaves;
    }

    @Override
    public int threads() {
      return sessions.get(0).threads();
    }

    @Override
    public double backward(long step) throws IOException {
      double sum = 0;
      for (TorchSession session : sessions) {
        sum += session.backward(step);
      }
      Libtorch.call(threads(), this::mean);
      return sum / sessions.size();
    }

    /** Gradients of common parameters are added at those of the first task. */
    @SuppressWarnings("try")
    private Void mean() {
      try (PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        for (TorchSession other : sessions.subList(1, sessions.size())) {
          for (int i = 0; i < names.size(); i++) {
            if (!apart.contains(names.get(i))) {
              sessions.get(0).leaves().get(i).mutable_grad().add_(other.leaves().get(i).grad());
            }
          }
        }
        Scalar share = new Scalar(1.0 / sessions.size());
        leaves().forEach(leaf -> leaf.mutable_grad().mul_(share));
        return null;
      }
    }

    @Override
    public OptionalDouble heldOut(EarlyStopping.Score score) {
      return OptionalDouble.empty();
    }
  }

  private final class Steps extends Descent<Together> {
    private final Workspace ws;

    Steps(Workspace ws) {
      super(optimizer::create, optimizer.learningRate(), step -> 1, Double.POSITIVE_INFINITY);
      this.ws = ws;
    }

    @Override
    protected String diverged(long step) {
      return "training of several tasks diverged in step " + (step + 1) + " of " + steps;
    }

    @Override
    protected void stepped(long made, double loss) {
      ws.progress()
          .report("tasks together", made, steps, String.format(Locale.ROOT, "loss %.4f", loss));
    }
  }
}
