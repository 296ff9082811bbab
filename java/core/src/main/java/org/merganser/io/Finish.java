// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.Steps;

/** Makes a model of complete shards: {@code merganser.json}, the index, nothing unfinished. */
final class Finish {
  private final OutputFolder folder;
  private final WriteJob job;
  private final Map<String, String> files = new TreeMap<>();
  private final Map<String, String> tensors = new TreeMap<>();
  private final Map<String, String> weightMap = new TreeMap<>();
  private long bytes;

  private Finish(OutputFolder folder, WriteJob job) {
    this.folder = folder;
    this.job = job;
  }

  static void run(OutputFolder folder) throws IOException {
    new Finish(folder, folder.unfinished().orElseThrow()).run();
  }

  private void run() throws IOException {
    if (folder.isFinished(job)) {
      folder.removeState();
      return;
    }
    List<String> missing = new ArrayList<>();
    for (String shard : job.shards()) {
      if (!Files.exists(folder.file(shard)) || !Files.exists(folder.journal(shard))) {
        missing.add(shard);
      }
    }
    if (!missing.isEmpty()) {
      throw new IOException(
          folder
              + ": "
              + missing.size()
              + " of "
              + job.shards().size()
              + " shards are not complete: "
              + missing
              + "; let the processes that write them end, or run them again with --resume");
    }
    for (String shard : job.shards()) {
      add(shard);
    }
    new ModelManifest(job.job(), job.plan(), job.provenance(), Pieces.BYTES, files, tensors)
        .write(folder.file(ModelManifest.FILE));
    Steps.done();
    if (job.shards().size() > 1) {
      new ShardIndex(weightMap, OptionalLong.of(bytes)).write(folder.file(ShardIndex.FILE));
      Steps.done();
    }
    folder.removeState();
  }

  private void add(String shard) throws IOException {
    Path path = folder.file(shard);
    Map<String, TensorInfo> stored = new LinkedHashMap<>();
    try (FileBytes file = new FileBytes(path)) {
      SafetensorsHeader.read(file).entries().forEach((n, e) -> stored.put(n, e.info()));
    }
    ShardJournal journal = ShardJournal.read(folder.journal(shard), Pieces.count(stored.values()));
    if (!journal.isComplete()) {
      throw SafetensorsHeader.bad(path, "its journal says that it is not complete");
    }
    int piece = 0;
    for (Map.Entry<String, TensorInfo> item : stored.entrySet()) {
      int count = Pieces.of(item.getValue(), Pieces.BYTES).count();
      weightMap.put(item.getKey(), shard);
      bytes += item.getValue().bytes();
      if (!job.digests().equals(ShardedWriter.Digest.NONE.name())) {
        tensors.put(item.getKey(), Digests.ofTensor(journal.digests(piece, piece + count)));
      }
      piece += count;
    }
    files.put(shard, journal.file());
  }
}
