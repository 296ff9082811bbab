// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/** A checkpoint in several safetensors files with an index. */
final class ShardedCheckpoint implements Checkpoint {
  private static final System.Logger LOG = System.getLogger(ShardedCheckpoint.class.getName());

  private final Path index;
  private final Map<String, Checkpoint> byFile;
  private final Map<String, Checkpoint> byTensor;
  private final Map<String, TensorInfo> infos;

  private ShardedCheckpoint(
      Path index,
      Map<String, Checkpoint> byFile,
      Map<String, Checkpoint> byTensor,
      Map<String, TensorInfo> infos) {
    this.index = index;
    this.byFile = byFile;
    this.byTensor = byTensor;
    this.infos = infos;
  }

  static Checkpoint open(Path index) throws IOException {
    ShardIndex map = ShardIndex.read(index);
    Map<String, Checkpoint> byFile = new LinkedHashMap<>();
    try {
      for (String file : new LinkedHashSet<>(map.weightMap().values())) {
        Path path = index.resolveSibling(file);
        if (!Files.exists(path)) {
          throw new IOException(
              index
                  + " names the shard "
                  + file
                  + ", which is not there; fetch it, or the whole folder, again");
        }
        byFile.put(file, Safetensors.openFile(path));
      }
      return assemble(index, map, byFile);
    } catch (IOException | RuntimeException e) {
      byFile.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  /** All tensors of several files; each may be in one of them only. */
  static Checkpoint open(Path folder, List<Path> files) throws IOException {
    Map<String, Checkpoint> byFile = new LinkedHashMap<>();
    Map<String, String> weightMap = new LinkedHashMap<>();
    try {
      for (Path path : files) {
        String file = path.getFileName().toString();
        byFile.put(file, Safetensors.openFile(path));
        byFile.get(file).tensors().keySet().forEach(name -> weightMap.put(name, file));
      }
      return assemble(folder, new ShardIndex(weightMap, OptionalLong.empty()), byFile);
    } catch (IOException | RuntimeException e) {
      byFile.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  private static Checkpoint assemble(Path index, ShardIndex map, Map<String, Checkpoint> byFile) {
    Map<String, Checkpoint> byTensor = new LinkedHashMap<>();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    map.weightMap()
        .forEach(
            (name, file) -> {
              Checkpoint shard = byFile.get(file);
              TensorInfo info = shard.tensors().get(name);
              if (info == null) {
                throw SafetensorsHeader.bad(
                    index, "shard " + file + ": " + Names.missing(name, shard.tensors().keySet()));
              }
              byTensor.put(name, shard);
              infos.put(name, info);
            });
    checkOwners(index, map, byFile);
    long bytes = infos.values().stream().mapToLong(TensorInfo::bytes).sum();
    if (map.totalSize().isPresent() && map.totalSize().getAsLong() != bytes) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: total_size is {1}, the tensors have {2} bytes",
          index,
          Long.toString(map.totalSize().getAsLong()),
          Long.toString(bytes));
    }
    return new ShardedCheckpoint(index, byFile, byTensor, Collections.unmodifiableMap(infos));
  }

  private static void checkOwners(Path index, ShardIndex map, Map<String, Checkpoint> byFile) {
    Map<String, String> owner = new LinkedHashMap<>();
    List<String> unlisted = new ArrayList<>();
    byFile.forEach(
        (file, shard) -> {
          for (String name : shard.tensors().keySet()) {
            String other = owner.putIfAbsent(name, file);
            if (other != null) {
              throw SafetensorsHeader.bad(
                  index,
                  "tensor " + Names.quote(name) + " is in two shards, " + other + " and " + file);
            }
            if (!map.weightMap().containsKey(name)) {
              unlisted.add(name);
            }
          }
        });
    if (!unlisted.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: {1} tensors in the shards are not in the index and are ignored, such as {2}",
          index,
          unlisted.size(),
          Names.quote(unlisted.get(0)));
    }
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return infos;
  }

  @Override
  public Map<String, String> metadata() {
    return byFile.values().iterator().next().metadata();
  }

  @Override
  public Set<String> stale() {
    Set<String> stale = new LinkedHashSet<>();
    byFile.values().forEach(shard -> stale.addAll(shard.stale()));
    return stale;
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    info(name);
    byTensor.get(name).readRange(name, from, to, into, ws);
  }

  @Override
  public long block(String name) {
    info(name);
    return byTensor.get(name).block(name);
  }

  @Override
  public void close() {
    byFile.values().forEach(Checkpoint::close);
  }

  @Override
  public String toString() {
    return index + " (" + byFile.size() + " shards)";
  }
}
