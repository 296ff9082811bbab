// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import java.util.List;
import org.merganser.analysis.landscape.JumpAndRetrain.Config;
import org.merganser.analysis.landscape.JumpAndRetrain.Losses;
import org.merganser.analysis.landscape.JumpAndRetrain.Split;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.training.Trainer;

/**
 * Trajectories of {@link JumpAndRetrain}.
 *
 * @param theta the minimum
 */
record Sampling(JumpAndRetrain task, ParamLayout layout, double[] theta, Split split) {
  static final List<String> COLUMNS =
      List.of(
          "seed",
          "alpha",
          "epoch",
          "step",
          "train-loss",
          "train-accuracy",
          "held-out-loss",
          "held-out-accuracy",
          "test-loss",
          "test-accuracy",
          "distance",
          "cosine");

  /** Samples of an epoch. */
  static int saves(int batches, int perEpoch) {
    int every = every(batches, perEpoch);
    return (batches + every - 1) / every;
  }

  private static int every(int batches, int perEpoch) {
    return (batches + perEpoch - 1) / perEpoch;
  }

  /** Samples a trajectory and adds it to the store. */
  boolean run(SampleStore store, int trajectory, long seed, double alpha, Workspace own)
      throws IOException {
    Config config = task.config();
    Direction direction =
        Direction.gaussian(layout, theta, seed, config.norm(), config.oneDimensional());
    try (MemoryCheckpoint jumped = jumped(direction, alpha, own);
        SampleStore.Writer writer = store.begin(trajectory)) {
      Rows rows = new Rows(writer, direction, alpha, own);
      rows.add(0, 1, jumped);
      Trainer.Observer saved =
          (step, batches, model) -> {
            int at = (int) ((step - 1) % batches) + 1;
            if (at == batches || at % every(batches, config.savesPerEpoch()) == 0) {
              rows.add(step, batches, model);
            }
          };
      Trainer.train(task.network(), jumped, split.seen(), task.retraining(), saved, own).close();
      writer.commit();
      return true;
    } catch (NumericalException e) {
      throw new NumericalException(
          "trajectory %s: %s"
              .formatted(store.plan().trajectories().get(trajectory), e.getMessage()),
          e);
    }
  }

  private MemoryCheckpoint jumped(Direction direction, double alpha, Workspace own)
      throws IOException {
    double[] point = direction.from(theta, alpha);
    MemoryCheckpoint model = layout.model(task.network(), point, task.minimum(), own);
    if (task.config().statistics() == Statistics.KEPT) {
      return model;
    }
    try (model) {
      return new BatchNormReset()
          .apply(model, task.network(), split.seen().batches(task.config().batchSize()), own);
    }
  }

  /** Appends samples of a trajectory. */
  private final class Rows {
    private final SampleStore.Writer writer;
    private final Direction direction;
    private final double alpha;
    private final Workspace own;

    Rows(SampleStore.Writer writer, Direction direction, double alpha, Workspace own) {
      this.writer = writer;
      this.direction = direction;
      this.alpha = alpha;
      this.own = own;
    }

    void add(long step, int batches, Checkpoint model) throws IOException {
      Losses losses = split.losses(task.network(), model, task.test(), own);
      double[] now = layout.read(model, own);
      float[] row = new float[now.length];
      double square = 0;
      double along = 0;
      for (int i = 0; i < row.length; i++) {
        double moved = now[i] - theta[i];
        row[i] = (float) moved;
        square += moved * moved;
        along += moved * direction.values()[i];
      }
      double distance = Math.sqrt(square);
      writer.append(
          row,
          direction.seed(),
          alpha,
          (double) step / batches,
          step,
          losses.train().loss(),
          losses.train().accuracy(),
          losses.heldOut().loss(),
          losses.heldOut().accuracy(),
          losses.test().loss(),
          losses.test().accuracy(),
          distance,
          along / (distance * Vectors.length(direction.values())));
    }
  }
}
