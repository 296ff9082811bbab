// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Threads;
import org.merganser.linalg.Tensor;

/**
 * Activations from forward passes: rounds of a few batches, all models and batches of a round at
 * the same time, each in a session of its own.
 */
final class ForwardPasses implements PairedActivations {
  private final List<Model> models;
  private final Inputs inputs;
  private final Mode mode;
  private final int atOnce;
  private final Workspace ws;
  private final Opened opened = new Opened();
  private final Threads threads;

  /** For each batch of a round, a session of each model; opened when they are needed. */
  private final List<List<Network.Session>> sessions = new ArrayList<>();

  /**
   * @param atOnce batches of a round
   */
  ForwardPasses(List<Model> models, Inputs inputs, Mode mode, int atOnce, Workspace ws)
      throws IOException {
    this.models = List.copyOf(models);
    this.inputs = inputs;
    this.mode = mode;
    this.atOnce = atOnce;
    this.ws = ws;
    this.threads = opened.add(new Threads(Math.min(ws.threads(), atOnce * models.size())));
    try {
      sessions(0);
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private List<Network.Session> sessions(int batch) throws IOException {
    if (batch == sessions.size()) {
      List<Network.Session> open = new ArrayList<>();
      for (Model model : models) {
        open.add(opened.add(model.network().open(model.theta(), ws)));
      }
      sessions.add(open);
    }
    return sessions.get(batch);
  }

  @Override
  public Pass open(Set<String> taps) {
    return new Rounds(Set.copyOf(taps));
  }

  @Override
  public void close() {
    opened.close();
  }

  private final class Rounds implements Pass {
    private final Set<String> taps;
    private final Iterator<Tensor> batches = inputs.open(ws.seed());
    private final Deque<Batch> ready = new ArrayDeque<>();
    private long samples;

    Rounds(Set<String> taps) {
      this.taps = taps;
    }

    @Override
    public boolean hasNext() {
      return !ready.isEmpty() || batches.hasNext();
    }

    @Override
    public Batch next() throws IOException {
      if (ready.isEmpty()) {
        run();
      }
      return ready.remove();
    }

    private void run() throws IOException {
      try (Opened copies = new Opened()) {
        List<Long> sizes = new ArrayList<>();
        List<Callable<Map<String, Tensor>>> runs = new ArrayList<>();
        while (sizes.size() < atOnce && batches.hasNext()) {
          Tensor next = batches.next();
          Tensor batch = atOnce == 1 || inputs.inMemory() ? next : copies.add(next.copy());
          for (Network.Session session : sessions(sizes.size())) {
            runs.add(
                () -> {
                  Map<String, Tensor> found = new LinkedHashMap<>();
                  session.run(batch, mode, taps, found::put);
                  return found;
                });
          }
          sizes.add(batch.dim(0));
        }
        List<Map<String, Tensor>> found = threads.all(runs);
        for (int b = 0; b < sizes.size(); b++) {
          int from = b * models.size();
          ready.add(new Batch(samples, sizes.get(b), found.subList(from, from + models.size())));
          samples += sizes.get(b);
        }
      }
    }

    @Override
    public void close() {}
  }
}
