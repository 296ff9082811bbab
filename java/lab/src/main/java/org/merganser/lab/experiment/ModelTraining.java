// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.MerganserException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.Trainer;

/**
 * Trains several models at once, one libtorch thread each: small networks gain nothing from more,
 * and the result of a model then depends on its seed alone.
 */
final class ModelTraining {
  private final TorchNetwork network;
  private final Trainer.Options options;
  private final Workspace ws;

  ModelTraining(TorchNetwork network, Trainer.Options options, Workspace ws) {
    this.network = network;
    this.options = options;
    this.ws = ws;
  }

  /** Trains one model for each seed. */
  List<MemoryCheckpoint> train(Examples data, List<Long> seeds, String stage) {
    ExecutorService pool = Executors.newFixedThreadPool(Math.min(ws.threads(), seeds.size()));
    AtomicLong done = new AtomicLong();
    try {
      List<Callable<MemoryCheckpoint>> tasks = new ArrayList<>();
      for (long seed : seeds) {
        tasks.add(() -> trainOne(data, seed, stage, done, seeds.size()));
      }
      List<MemoryCheckpoint> models = new ArrayList<>();
      // All have ended when this returns: none still reads the data after a failure.
      for (Future<MemoryCheckpoint> future : pool.invokeAll(tasks)) {
        models.add(future.get());
      }
      return models;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted while training", e);
    } catch (ExecutionException e) {
      throw rethrown(e.getCause());
    } finally {
      pool.shutdownNow();
    }
  }

  private MemoryCheckpoint trainOne(
      Examples data, long seed, String stage, AtomicLong done, int models) throws IOException {
    long total = (long) models * options.epochs();
    try (Workspace own =
        Workspace.builder()
            .backend(ws.backend())
            .threads(1)
            .seed(seed)
            .cancellation(ws.cancellation())
            .progress(
                (s, epoch, epochs) -> {
                  synchronized (ws) {
                    ws.progress().report(stage, done.incrementAndGet(), total);
                  }
                })
            .open()) {
      try (MemoryCheckpoint initial = network.initialise(seed)) {
        return Trainer.train(network, initial, data, options, own);
      }
    }
  }

  private static RuntimeException rethrown(Throwable cause) {
    if (cause instanceof RuntimeException e) {
      return e;
    }
    if (cause instanceof IOException e) {
      return new UncheckedIOException(e);
    }
    return new MerganserException("training failed: " + cause, cause);
  }
}
