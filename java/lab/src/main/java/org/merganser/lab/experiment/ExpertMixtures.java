// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.lab.experiment.ExpertPoint.Merged;
import org.merganser.lab.experiment.ExpertScoring.Scored;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.LoraLayer;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import org.merganser.model.Evaluation;
import org.merganser.torch.Examples;
import org.merganser.torch.experts.MoeNetwork;
import org.merganser.torch.experts.MoeTraining;

/**
 * Makes mixtures of the adapters of all tasks: as every router divides them, and after some steps
 * of training on all tasks together.
 *
 * @param bases of each task: the same but for the last layer, which has no adapters
 */
record ExpertMixtures(
    Mixing mixing,
    ExpertNetwork network,
    List<? extends Checkpoint> bases,
    ExpertScoring scoring,
    int batch) {
  /** Ends the name of a router after training. */
  static final String TRAINED = "+trained";

  /**
   * How.
   *
   * @param topK experts of an input
   * @param steps of training together; 0 for none
   * @param rate of it
   * @param rank of the adapters, also their alpha
   */
  record Mixing(List<ExpertRouter> routers, int topK, int steps, double rate, int rank) {}

  /** By router. */
  Map<String, Merged> of(List<LoraAdapter> adapters, Scored own, Workspace ws) throws IOException {
    Map<String, Merged> mixed = new LinkedHashMap<>();
    try (Opened opened = new Opened()) {
      Checkpoint body = bases.get(0).where(name -> !network.isHead(name));
      Map<String, String> digests = LoraAdapter.baseDigests(body, ws);
      List<LoraAdapter> experts = new ArrayList<>();
      for (int t = 0; t < adapters.size(); t++) {
        experts.add(ofBody(t, adapters.get(t), digests, opened, ws));
      }
      for (ExpertRouter router : mixing.routers()) {
        MoeUpcycler upcycler = upcycler(router, experts.get(0), opened, ws);
        MoeModel model = opened.add(upcycler.upcycle(body, experts, ws));
        mixed.put(router.id(), merged(model, own, ws));
        if (mixing.steps() > 0) {
          MoeTraining.Trained trained = opened.add(train(model, ws));
          mixed.put(router.id() + TRAINED, merged(trained.experts(), own, ws));
        }
      }
    }
    return mixed;
  }

  /**
   * The same factors as those of an adapter of what all tasks have in common: each was trained with
   * the last layer of its task.
   */
  private LoraAdapter ofBody(
      int task, LoraAdapter adapter, Map<String, String> digests, Opened opened, Workspace ws)
      throws IOException {
    MemoryCheckpoint factors = opened.add(MemoryCheckpoint.copyOf(adapter.tensors(), ws));
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    factors.tensors().keySet().forEach(name -> tensors.put(name, factors.tensor(name)));
    String name = scoring.tasks().get(task).name();
    return LoraAdapter.of(
        new LoraAdapter.Settings(name, "", mixing.rank(), mixing.rank(), false),
        MemoryCheckpoint.of(tensors, digests, Set.of()));
  }

  private MoeUpcycler upcycler(ExpertRouter router, LoraAdapter one, Opened opened, Workspace ws)
      throws IOException {
    return switch (router) {
      case ARROW -> MoeUpcycler.arrow(mixing.topK());
      case RANDOM -> MoeUpcycler.random(mixing.topK());
      case MEAN_ACTIVATION -> {
        Set<String> modules =
            one.layers().values().stream().map(LoraLayer::module).collect(Collectors.toSet());
        List<Examples> data = scoring.tasks().stream().map(ExpertTask::train).toList();
        yield MoeUpcycler.meanActivation(
            mixing.topK(),
            opened.add(MoeNetwork.meanInputs(network.network(), bases.get(0), modules, data, ws)));
      }
    };
  }

  private MoeTraining.Trained train(MoeModel start, Workspace ws) throws IOException {
    MoeTraining.Options how =
        MoeTraining.Options.adam(mixing.rate(), mixing.steps()).withBatchSize(batch);
    List<MoeTraining.Task> tasks = new ArrayList<>();
    for (int t = 0; t < bases.size(); t++) {
      ExpertTask task = scoring.tasks().get(t);
      tasks.add(new MoeTraining.Task(task.name(), bases.get(t), task.train(), Optional.empty()));
    }
    return new MoeTraining(network.network(), how).train(start, tasks, ws);
  }

  private Merged merged(MoeModel model, Scored own, Workspace ws) throws IOException {
    MoeNetwork whole = new MoeNetwork(network.network(), model);
    Scored scored =
        scoring.score((task, data, w) -> Evaluation.logits(whole, bases.get(task), data, w), ws);
    return new Merged("", scored.scores(), scoring.forgotten(own, scored));
  }
}
