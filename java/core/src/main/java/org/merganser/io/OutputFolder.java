// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.merganser.internal.Opened;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.io.Steps;

/**
 * A folder that a model is written to. While that is not finished it holds {@code
 * merganser.unfinished}, with the job and a journal for each shard.
 */
final class OutputFolder {
  static final String STATE = "merganser.unfinished";

  private static final String JOURNAL = ".journal";

  /** What is replaced. */
  private static final Pattern MODEL =
      Pattern.compile("model(-\\d{5,}-of-\\d{5,})?\\.safetensors(\\.partial)?");

  private final Path folder;

  OutputFolder(Path folder) {
    this.folder = folder;
  }

  Path file(String name) {
    return folder.resolve(name);
  }

  Path journal(String shard) {
    return folder.resolve(STATE).resolve(shard + JOURNAL);
  }

  private Path jobFile() {
    return folder.resolve(STATE).resolve(WriteJob.FILE);
  }

  /** The job that is not finished. */
  Optional<WriteJob> unfinished() throws IOException {
    return Files.exists(jobFile()) ? Optional.of(WriteJob.read(jobFile())) : Optional.empty();
  }

  /** Whether all of a job is there, and only what describes it as unfinished may be left. */
  boolean isFinished(WriteJob job) throws IOException {
    String last = job.shards().size() == 1 ? job.shards().get(0) : ShardIndex.FILE;
    if (!Files.exists(file(ModelManifest.FILE)) || !Files.exists(file(last))) {
      return false;
    }
    ModelManifest there = ModelManifest.read(file(ModelManifest.FILE));
    return there.job().equals(job.job()) && there.plan().equals(job.plan());
  }

  /** Whether there is nothing in it, or no such folder. */
  boolean isEmpty() throws IOException {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      return true;
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException("cannot write to " + folder + ": it is no folder");
    }
    try (Stream<Path> files = Files.list(folder)) {
      // A job that was stopped before it was written down left an empty one.
      return files
              .map(file -> file.getFileName().toString())
              .allMatch(name -> name.equals(STATE) || name.equals(FolderLock.NAME))
          && unfinished().isEmpty();
    }
  }

  /** Throws when the folder is one of the inputs, holds one, or lies in one, links followed. */
  void refuseInputs(Collection<Path> inputs) throws IOException {
    Path output = real(folder);
    for (Path input : inputs) {
      List<Path> read = new ArrayList<>();
      Path named = input.toAbsolutePath().normalize();
      read.add(real(Files.isDirectory(input) ? named : named.getParent()));
      if (!Files.isDirectory(input)) {
        read.add(real(named).getParent());
      }
      for (Path place : read) {
        if (output.equals(place) || Files.isDirectory(input) && output.startsWith(place)) {
          throw new IOException(
              "cannot write to "
                  + folder
                  + ": the input "
                  + input
                  + " is read there; name a folder outside of it");
        }
      }
    }
  }

  /** With links followed as far as there is something. */
  private static Path real(Path path) throws IOException {
    Path known = path.toAbsolutePath().normalize();
    Path rest = null;
    while (known != null) {
      try {
        Path real = known.toRealPath();
        return rest == null ? real : real.resolve(rest);
      } catch (NoSuchFileException e) {
        Path name = known.getFileName();
        rest = rest == null ? name : name.resolve(rest);
        known = known.getParent();
      }
    }
    return path.toAbsolutePath().normalize();
  }

  /** Bytes of what {@link #clear} removes. */
  long modelBytes() throws IOException {
    long bytes = 0;
    for (Path file : model()) {
      bytes += Files.size(file);
    }
    return bytes;
  }

  private List<Path> model() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> MODEL.matcher(file.getFileName().toString()).matches()).toList();
    }
  }

  /** Throws when so many bytes have no room. */
  void requireRoom(long bytes) throws IOException {
    Path there = folder.toAbsolutePath();
    while (!Files.exists(there) && there.getParent() != null) {
      there = there.getParent();
    }
    PartialFile.requireSpace(there.resolve(ShardIndex.FILE), bytes);
  }

  /** Creates the folder; one process at a time decides about it. */
  void locked(FolderLock.Action action) throws IOException {
    Files.createDirectories(folder);
    FolderLock.run(folder, action);
  }

  void create(WriteJob job) throws IOException {
    Files.createDirectories(folder.resolve(STATE));
    Steps.done();
    job.write(jobFile());
    Steps.done();
    PartialFile.syncFolder(folder.resolve(STATE));
  }

  /**
   * Removes the model of before, or what is there of one; other files stay.
   *
   * @throws IOException when a process writes one of its shards; then nothing is removed
   */
  void clear() throws IOException {
    try (Opened held = new Opened()) {
      for (Path journal : journals()) {
        held.add(ShardJournal.hold(journal));
      }
      removeModel();
    }
  }

  private List<Path> journals() throws IOException {
    Path state = folder.resolve(STATE);
    if (!Files.isDirectory(state, LinkOption.NOFOLLOW_LINKS)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(state)) {
      return files
          .filter(file -> file.getFileName().toString().endsWith(JOURNAL))
          .filter(file -> Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS))
          .toList();
    }
  }

  private void removeModel() throws IOException {
    Files.deleteIfExists(file(ShardIndex.FILE));
    Steps.done();
    for (Path file : model()) {
      Files.delete(file);
      Steps.done();
    }
    Files.deleteIfExists(file(ModelManifest.FILE));
    Steps.done();
    removeState();
    PartialFile.syncFolder(file(ShardIndex.FILE));
  }

  /** Nothing is unfinished any more. */
  void removeState() throws IOException {
    Path state = folder.resolve(STATE);
    if (!Files.isDirectory(state, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    List<Path> files;
    try (Stream<Path> all = Files.list(state)) {
      files = all.toList();
    }
    for (Path file : files) {
      if (!file.equals(jobFile())) {
        Files.deleteIfExists(file);
        Steps.done();
      }
    }
    Files.deleteIfExists(jobFile());
    Steps.done();
    Files.deleteIfExists(state);
  }

  @Override
  public String toString() {
    return folder.toString();
  }
}
