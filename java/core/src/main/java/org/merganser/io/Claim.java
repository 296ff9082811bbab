// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.merganser.internal.io.Steps;
import org.merganser.internal.io.Uninterrupted;
import org.merganser.io.ShardedWriter.Existing;

/** Decides whether a job may write to a folder, and makes it the job's. */
record Claim(OutputFolder folder, ShardPlan plan, WriteJob job, ShardedWriter.Options options) {

  /** Returns whether the model is there already. */
  boolean make() throws IOException {
    if (folder.isEmpty()) {
      requireRoom(0);
    }
    AtomicBoolean finished = new AtomicBoolean();
    folder.locked(() -> finished.set(decide()));
    return finished.get();
  }

  private boolean decide() throws IOException {
    Steps.done();
    if (folder.isEmpty()) {
      folder.create(job);
      return false;
    }
    if (options.existing() == Existing.REPLACE) {
      replace();
      return false;
    }
    Optional<WriteJob> other = folder.unfinished();
    String difference = other.isEmpty() ? "" : job.differenceTo(other.get());
    if (!difference.isEmpty()) {
      throw refused("holds another unfinished model: " + difference);
    }
    if (options.existing() == Existing.RESUME && folder.isFinished(job)) {
      folder.removeState();
      return true;
    }
    if (other.isEmpty()) {
      throw refused("is not empty");
    }
    if (options.existing() == Existing.REFUSE && (options.parts() == 1 || isBegun())) {
      throw refused("holds this model, unfinished");
    }
    requireRoom(0);
    return false;
  }

  private void replace() throws IOException {
    if (options.parts() > 1) {
      throw new IOException(
          "cannot replace what "
              + folder
              + " holds while several processes write to it; empty it first");
    }
    requireRoom(folder.modelBytes());
    Uninterrupted.run(folder::clear);
    folder.create(job);
  }

  /**
   * @param freed bytes of files that go first
   */
  private void requireRoom(long freed) throws IOException {
    long missing = -freed;
    for (ShardPlan.Shard shard : shards()) {
      Path journal = folder.journal(shard.name());
      if (Files.exists(folder.file(shard.name())) && freed == 0) {
        continue;
      }
      missing += shard.bytes();
      if (Files.exists(journal) && freed == 0) {
        missing -= written(shard, ShardJournal.read(journal, shard.pieces()));
      }
    }
    folder.requireRoom(Math.max(0, missing));
  }

  /** Bytes of the pieces that are there. */
  static long written(ShardPlan.Shard shard, ShardJournal journal) {
    long bytes = 0;
    int first = 0;
    for (TensorInfo info : shard.tensors().values()) {
      Pieces pieces = Pieces.of(info, Pieces.BYTES);
      for (int piece = 0; piece < pieces.count(); piece++) {
        if (journal.digest(first + piece) != null) {
          bytes += info.dtype().bytes(pieces.end(piece) - pieces.begin(piece));
        }
      }
      first += pieces.count();
    }
    return bytes;
  }

  /** Those of this process. */
  private List<ShardPlan.Shard> shards() {
    List<ShardPlan.Shard> own = new ArrayList<>();
    for (int i = options.part(); i < plan.shards().size(); i += options.parts()) {
      own.add(plan.shards().get(i));
    }
    return own;
  }

  /** Whether one of the shards of this process has been begun. */
  private boolean isBegun() {
    return shards().stream().anyMatch(shard -> Files.exists(folder.journal(shard.name())));
  }

  private IOException refused(String reason) {
    return new IOException(
        "cannot write to "
            + folder
            + ": it "
            + reason
            + "; name another folder, go on with the same recipe and inputs (--resume,"
            + " Existing.RESUME) or replace the model in it (--force, Existing.REPLACE)");
  }
}
