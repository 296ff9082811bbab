// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Collectors;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;

/**
 * Writes a model as a folder in the layout of Hugging Face, so that the folder holds at every
 * moment the model it held before or the new one, whole, whenever the process is stopped.
 *
 * <p>The rename of the index is what switches. Shards are written under names of their own first;
 * where the usual names are taken by the model that is replaced, a first index names shards {@code
 * model-00001-of-0000N-RANDOM.safetensors}, the old files go, and a second index has the usual
 * names, to which the shards are linked (without hard links the first index stays). One writer at a
 * time does this; before, they do not meet.
 */
final class SafetensorsFolder {
  private final Checkpoint checkpoint;
  private final Path folder;
  private final Workspace ws;

  private SafetensorsFolder(Checkpoint checkpoint, Path folder, Workspace ws) {
    this.checkpoint = checkpoint;
    this.folder = folder;
    this.ws = ws;
  }

  static void write(Checkpoint checkpoint, Path folder, long shardBytes, Workspace ws)
      throws IOException {
    Files.createDirectories(folder);
    SafetensorsFolder writer = new SafetensorsFolder(checkpoint, folder, ws);
    List<Checkpoint> shards = writer.shards(shardBytes);
    if (shards.size() == 1) {
      writer.writeOne();
    } else {
      writer.writeShards(shards);
    }
  }

  private List<Checkpoint> shards(long shardBytes) {
    List<List<String>> shards = new ArrayList<>(List.of(new ArrayList<>()));
    long used = 0;
    for (Map.Entry<String, TensorInfo> item : checkpoint.tensors().entrySet()) {
      long bytes = item.getValue().bytes();
      if (used > 0 && used + bytes > shardBytes) {
        shards.add(new ArrayList<>());
        used = 0;
      }
      shards.get(shards.size() - 1).add(item.getKey());
      used += bytes;
    }
    return shards.stream().<Checkpoint>map(n -> SelectedCheckpoint.of(checkpoint, n)).toList();
  }

  private void writeOne() throws IOException {
    Path single = folder.resolve(SafetensorsPath.SINGLE);
    try (PartialFile file = Safetensors.begin(checkpoint, single, ws)) {
      file.complete();
      FolderLock.run(
          folder,
          () -> {
            Set<Path> old = old();
            file.commit();
            // An index of an earlier model wins over the file until it goes.
            Files.deleteIfExists(folder.resolve(ShardIndex.FILE));
            PartialFile.syncFolder(single);
            delete(old, Set.of(single));
          });
    }
  }

  private void writeShards(List<Checkpoint> shards) throws IOException {
    List<String> names = names(shards.size(), "");
    long bytes = 0;
    for (Checkpoint shard : shards) {
      bytes += Safetensors.fileBytes(shard);
    }
    PartialFile.requireSpace(folder.resolve(ShardIndex.FILE), bytes);
    List<PartialFile> parts = new ArrayList<>();
    try {
      for (int i = 0; i < shards.size(); i++) {
        parts.add(Safetensors.begin(shards.get(i), folder.resolve(names.get(i)), ws));
        parts.get(i).complete();
      }
      FolderLock.run(folder, () -> replace(shards, parts, names));
    } finally {
      for (PartialFile part : parts) {
        part.close();
      }
    }
  }

  private void replace(List<Checkpoint> shards, List<PartialFile> parts, List<String> names)
      throws IOException {
    Set<Path> old = old();
    boolean free =
        names.stream()
            .noneMatch(name -> Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS));
    List<String> first =
        free ? names : names(shards.size(), "-" + UUID.randomUUID().toString().substring(0, 8));
    List<Path> published = new ArrayList<>();
    try {
      for (int i = 0; i < parts.size(); i++) {
        parts.get(i).publish(folder.resolve(first.get(i)));
        published.add(folder.resolve(first.get(i)));
      }
      PartialFile.syncFolder(folder.resolve(ShardIndex.FILE));
      writeIndex(shards, first);
    } catch (IOException | RuntimeException e) {
      for (Path path : published) {
        Files.deleteIfExists(path);
      }
      throw e;
    }
    delete(old, first.stream().map(folder::resolve).collect(Collectors.toSet()));
    if (!free) {
      rename(shards, first, names);
    }
  }

  private static List<String> names(int count, String tag) {
    List<String> names = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      names.add(String.format(Locale.ROOT, "model-%05d-of-%05d%s.safetensors", i, count, tag));
    }
    return names;
  }

  private void writeIndex(List<Checkpoint> shards, List<String> files) throws IOException {
    Map<String, String> weightMap = new TreeMap<>();
    long total = 0;
    for (int i = 0; i < shards.size(); i++) {
      for (Map.Entry<String, TensorInfo> item : shards.get(i).tensors().entrySet()) {
        weightMap.put(item.getKey(), files.get(i));
        total += item.getValue().bytes();
      }
    }
    new ShardIndex(weightMap, OptionalLong.of(total)).write(folder.resolve(ShardIndex.FILE));
  }

  /** Files of the model that the folder holds. */
  private Set<Path> old() throws IOException {
    Set<Path> files = new LinkedHashSet<>(Set.of(folder.resolve(SafetensorsPath.SINGLE)));
    Path index = folder.resolve(ShardIndex.FILE);
    if (Files.exists(index)) {
      try {
        ShardIndex.read(index).weightMap().values().forEach(n -> files.add(folder.resolve(n)));
      } catch (FormatException e) {
        // A damaged index names nothing; it is replaced.
        System.getLogger(SafetensorsFolder.class.getName())
            .log(System.Logger.Level.WARNING, e.getMessage());
      }
    }
    return files;
  }

  private static void delete(Set<Path> old, Set<Path> kept) throws IOException {
    for (Path file : old) {
      if (!kept.contains(file)) {
        Files.deleteIfExists(file);
      }
    }
  }

  private void rename(List<Checkpoint> shards, List<String> first, List<String> names)
      throws IOException {
    List<Path> linked = new ArrayList<>();
    try {
      for (int i = 0; i < names.size(); i++) {
        Files.createLink(folder.resolve(names.get(i)), folder.resolve(first.get(i)));
        linked.add(folder.resolve(names.get(i)));
      }
    } catch (IOException | UnsupportedOperationException e) {
      for (Path path : linked) {
        Files.delete(path);
      }
      return;
    }
    writeIndex(shards, names);
    for (String name : first) {
      Files.delete(folder.resolve(name));
    }
  }
}
