// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.io.PartialFile;

/**
 * Writes a model as a folder in the layout of Hugging Face, so that the folder holds at every
 * moment the model it held before or the new one, whole, whenever the process is stopped.
 *
 * <p>The rename of the index is what switches. Shards are written under names of their own, which a
 * first index names; then the files of the old model go, the shards are linked to the usual names
 * (with a random end where a foreign file has these), and a second index names them. One writer at
 * a time does this; before, they do not meet.
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
    return ShardPlan.assign(checkpoint, shardBytes).stream()
        .<Checkpoint>map(names -> SelectedCheckpoint.of(checkpoint, names))
        .toList();
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

  private void replace(List<Checkpoint> shards, List<PartialFile> parts, List<String> usual)
      throws IOException {
    Set<Path> old = old();
    List<String> first = parts.stream().map(PartialFile::name).toList();
    parts.forEach(part -> part.keep(true));
    try {
      writeIndex(shards, first);
    } catch (IOException | RuntimeException e) {
      parts.forEach(part -> part.keep(false));
      throw e;
    }
    delete(old, Set.of());
    List<String> names =
        usual.stream().noneMatch(this::isTaken)
            ? usual
            : names(shards.size(), "-" + UUID.randomUUID().toString().substring(0, 8));
    List<Path> linked = new ArrayList<>();
    try {
      for (int i = 0; i < names.size(); i++) {
        link(folder.resolve(names.get(i)), folder.resolve(first.get(i)));
        linked.add(folder.resolve(names.get(i)));
      }
      PartialFile.syncFolder(folder.resolve(ShardIndex.FILE));
      writeIndex(shards, names);
    } catch (IOException e) {
      // The model is there, under the names of the first index.
      for (Path path : linked) {
        Files.deleteIfExists(path);
      }
      System.getLogger(SafetensorsFolder.class.getName())
          .log(System.Logger.Level.WARNING, "shards in " + folder + " keep odd names: " + e);
      return;
    }
    parts.forEach(part -> part.keep(false));
  }

  /** Where a file system has no hard links, a copy serves. */
  private static void link(Path name, Path existing) throws IOException {
    try {
      Files.createLink(name, existing);
    } catch (FileAlreadyExistsException e) {
      throw e;
    } catch (UnsupportedOperationException | FileSystemException e) {
      Files.copy(existing, name, StandardCopyOption.COPY_ATTRIBUTES);
    }
  }

  private boolean isTaken(String name) {
    return Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS);
  }

  private static List<String> names(int count, String tag) {
    return IntStream.range(0, count)
        .mapToObj(i -> ShardPlan.name(i, count).replace(".safetensors", tag + ".safetensors"))
        .toList();
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
}
