// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.FileKind;

/**
 * Finds the files of a model: a {@code .safetensors} file, an index of several, or a folder that
 * holds, in this order, {@code model.safetensors.index.json}, {@code model.safetensors}, one single
 * {@code *.safetensors.index*.json}, one single {@code .safetensors} file, or a complete set {@code
 * NAME-00001-of-0000N.safetensors} without an index; or, without any of these, {@code
 * pytorch_model.bin.index.json} or {@code pytorch_model.bin}, or one single {@code .gguf} file.
 *
 * @param index the index, or null when there is none
 * @param files what is read, the index aside
 */
record SafetensorsPath(Path index, List<Path> files) {
  static final String SINGLE = "model.safetensors";
  private static final String TORCH_SINGLE = "pytorch_model.bin";
  private static final String TORCH_INDEX = TORCH_SINGLE + ".index.json";
  private static final Pattern INDEX = Pattern.compile(".*\\.safetensors\\.index(\\..*)?\\.json");
  private static final Pattern SHARD = Pattern.compile("(.*)-(\\d+)-of-(\\d+)\\.safetensors");
  private static final String OLD =
      "; what torch before 1.6 wrote (pickle, tar) is converted in Python:"
          + " torch.save(torch.load(\"%s\", weights_only=True), \"converted.pt\")";
  private static final String GGUF = ".gguf";
  private static final int NAMED = 20;

  static SafetensorsPath find(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      return inFolder(path);
    }
    return path.toString().endsWith(".json") ? ofIndex(path) : ofFile(path);
  }

  private static SafetensorsPath ofFile(Path file) {
    return new SafetensorsPath(null, List.of(file));
  }

  private static SafetensorsPath ofIndex(Path index) throws IOException {
    List<Path> files = new ArrayList<>();
    for (String name : new TreeSet<>(ShardIndex.read(index).weightMap().values())) {
      files.add(index.resolveSibling(name));
    }
    return new SafetensorsPath(index, files);
  }

  private static SafetensorsPath inFolder(Path folder) throws IOException {
    List<String> names;
    try (Stream<Path> files = Files.list(folder)) {
      names = files.map(f -> f.getFileName().toString()).sorted().toList();
    }
    if (names.contains(ShardIndex.FILE)) {
      return ofIndex(folder.resolve(ShardIndex.FILE));
    }
    if (names.contains(SINGLE)) {
      return ofFile(folder.resolve(SINGLE));
    }
    List<String> indices = names.stream().filter(n -> INDEX.matcher(n).matches()).toList();
    if (indices.size() == 1) {
      return ofIndex(folder.resolve(indices.get(0)));
    }
    List<String> found = names.stream().filter(n -> n.endsWith(".safetensors")).toList();
    if (indices.isEmpty() && found.size() == 1) {
      return ofFile(folder.resolve(found.get(0)));
    }
    if (indices.isEmpty() && isComplete(found)) {
      return new SafetensorsPath(null, found.stream().map(folder::resolve).toList());
    }
    if (found.isEmpty() && names.contains(TORCH_INDEX)) {
      return ofIndex(folder.resolve(TORCH_INDEX));
    }
    if (found.isEmpty() && names.contains(TORCH_SINGLE)) {
      return ofFile(folder.resolve(TORCH_SINGLE));
    }
    List<String> gguf = names.stream().filter(n -> n.endsWith(GGUF)).toList();
    if (found.isEmpty() && gguf.size() == 1) {
      return ofFile(folder.resolve(gguf.get(0)));
    }
    throw new IOException(
        "folder "
            + folder
            + " holds no "
            + ShardIndex.FILE
            + ", no "
            + SINGLE
            + ", and "
            + what(folder, indices, found)
            + (found.isEmpty() ? others(names) : ""));
  }

  private static String what(Path folder, List<String> indices, List<String> found)
      throws IOException {
    if (!indices.isEmpty()) {
      return "several indices, name one of " + some(indices);
    }
    if (found.isEmpty()) {
      List<String> below = below(folder);
      return "no .safetensors file"
          + (below.isEmpty() ? "" : "; folders in it do, name one of " + some(below));
    }
    String missing = missing(found);
    return missing.isEmpty()
        ? "several .safetensors files, name one of " + some(found)
        : "shards without an index, of which " + missing + " is not there";
  }

  /** Whether the files are all shards of one set, by their names. */
  private static boolean isComplete(List<String> names) {
    return !names.isEmpty() && missing(names).equals("nothing");
  }

  /** The first shard that a set lacks, "nothing", or "" when the files are no single set. */
  private static String missing(List<String> names) {
    Matcher first = SHARD.matcher(names.isEmpty() ? "" : names.get(0));
    if (!first.matches() || first.group(3).length() > 9) {
      return "";
    }
    int count = Integer.parseInt(first.group(3));
    String form = "%s-%0" + first.group(2).length() + "d-of-%s.safetensors";
    Set<String> there = Set.copyOf(names);
    String missing = "nothing";
    int found = 0;
    // Counting stops at what is there: a name may claim a billion shards.
    for (int i = 1; i <= count && i <= names.size() + 1; i++) {
      String name = String.format(form, first.group(1), i, first.group(3));
      if (there.contains(name)) {
        found++;
      } else if (missing.equals("nothing")) {
        missing = name;
      }
    }
    return found == names.size() || !missing.equals("nothing") && sameSet(first, names)
        ? missing
        : "";
  }

  private static boolean sameSet(Matcher first, List<String> names) {
    return names.stream()
        .map(SHARD::matcher)
        .allMatch(
            m ->
                m.matches()
                    && m.group(1).equals(first.group(1))
                    && m.group(3).equals(first.group(3)));
  }

  /** Folders up to three below that hold safetensors files, such as snapshots of a cache. */
  private static List<String> below(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder, 4)) {
      return files
          .limit(10_000)
          .filter(f -> f.toString().endsWith(".safetensors") && Files.isRegularFile(f))
          .map(f -> f.getParent().toString())
          .distinct()
          .sorted()
          .toList();
    } catch (UncheckedIOException e) {
      return List.of();
    }
  }

  private static String some(List<String> names) {
    return names.size() <= NAMED
        ? names.toString()
        : names.subList(0, NAMED) + " and " + (names.size() - NAMED) + " more";
  }

  private static String others(List<String> names) {
    List<String> torch = names.stream().filter(SafetensorsPath::isTorch).toList();
    List<String> gguf = names.stream().filter(n -> n.endsWith(GGUF)).toList();
    return (torch.isEmpty() ? "" : "; it holds files of torch.save, name one of " + some(torch))
        + (gguf.isEmpty() ? "" : "; it holds GGUF files, name one of " + some(gguf));
  }

  static boolean isTorch(String name) {
    return name.endsWith(".pt") || name.endsWith(".pth") || name.endsWith(".bin");
  }

  /** Refuses a file with a name of torch.save's or GGUF's that is no such file. */
  static void refuseMisnamed(FileBytes file) throws IOException {
    String name = String.valueOf(file.path().getFileName());
    if (name.endsWith(GGUF)) {
      String kind = FileKind.or(file, "no GGUF file, which begins with GGUF");
      throw new FormatException(file.path() + ": " + kind + ", at byte 0");
    }
    if (isTorch(name)) {
      String kind = FileKind.or(file, "no zip file of torch.save");
      throw new FormatException(
          file.path()
              + ": "
              + kind
              + (kind.contains("torch.load") ? "" : OLD.formatted(Names.cut(name)))
              + ", at byte 0");
    }
  }
}
