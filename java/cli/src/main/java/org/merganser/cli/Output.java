// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.internal.io.InputFiles;
import org.merganser.internal.io.PartialFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Option;

/**
 * The file that a command writes. It is checked before any work, since a long run must not end on a
 * name that it cannot use.
 */
final class Output {
  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      required = true,
      description = "The file to write.")
  Path path;

  @Option(
      names = "--force",
      description =
          "Replaces an existing output of any kind; an older one of the same kind is replaced"
              + " without it.")
  boolean force;

  private String option = "-o";
  private boolean replaces;

  /** A second file of the same command, with the same {@code --force}. */
  Output beside(String name, Path file) {
    Output other = new Output();
    other.path = file;
    other.force = force;
    other.option = name;
    return other;
  }

  /** What a command writes. */
  enum Kind {
    CHECKPOINT("a checkpoint", ".safetensors", ""),
    MAPS("a set of maps", ".mgalign", "mgalign"),
    SYMMETRY("a symmetry of transformers", ".mgsymmetry", "mgsymmetry"),
    SYMMETRY_REPORT("a report of a symmetry", ".json", "\"movedUnits\""),
    INTERFERENCE("interference of task vectors", ".json", "\"signConflictWhereBothDiffer\""),
    MANIFEST("what a merge was made of", ".json", MergeManifest.MARK);

    private final String text;
    private final String suffix;

    /** As files of ours say it; empty for any that is none of ours. A name in a report. */
    private final String format;

    Kind(String text, String suffix, String format) {
      this.text = text;
      this.suffix = suffix;
      this.format = format;
    }

    private boolean isIn(Path file) throws IOException {
      if (suffix.equals(".json")) {
        try (InputStream in = Files.newInputStream(file)) {
          String text = new String(in.readNBytes(LOOKED_AT), StandardCharsets.ISO_8859_1);
          return text.contains(format);
        }
      }
      try (Checkpoint checkpoint = Safetensors.open(file)) {
        Map<String, String> metadata = checkpoint.metadata();
        boolean symmetry = metadata.containsKey("merganser.symmetry");
        String found = symmetry ? SYMMETRY.format : metadata.getOrDefault("format", "");
        return format.isEmpty() ? !found.startsWith("mg") : found.equals(format);
      } catch (FormatException e) {
        return false;
      }
    }
  }

  /** Bytes of a report, in which its mark is. */
  private static final int LOOKED_AT = 1 << 24;

  /** Ends of names that promise something else than safetensors. */
  private static final Set<String> KNOWN =
      Set.of(
          (".bin .ckpt .csv .gguf .h5 .hdf5 .html .joblib .json .keras .mgalign .mgstats"
                  + " .mgsymmetry .msgpack .npy .npz .onnx .pb .pickle .pkl .pt .pth .safetensors .tar"
                  + " .tflite .txt .yaml .yml .zip")
              .split(" "));

  /**
   * Refuses a name that cannot or must not be written.
   *
   * @param models models that must not be replaced, whatever path leads to them
   * @param inputs other files and folders that are read, likewise
   */
  void check(Kind kind, List<Path> models, List<Path> inputs) throws IOException {
    for (Path model : models) {
      for (Path file : Safetensors.files(model)) {
        refuse(isSame(path, file), " is one of the models; choose another file");
      }
      requireOutside(model);
    }
    for (Path input : inputs) {
      requireOutside(input);
      for (Path file : InputFiles.of(input)) {
        refuse(isSame(path, file), " is one of the inputs; choose another file");
      }
    }
    requireRoom(0);
    refuse(
        path.toString().equals("-"),
        ": a file is written whole under its name, nothing goes to standard output; name a file");
    String name = String.valueOf(path.getFileName());
    int dot = name.lastIndexOf('.');
    String suffix = dot < 0 ? "" : name.substring(dot).toLowerCase(Locale.ROOT);
    refuse(
        KNOWN.contains(suffix) && !suffix.equals(kind.suffix),
        ": the output is %s (*%s), no %s file; use %s %s",
        kind.text,
        kind.suffix,
        suffix,
        option,
        path.resolveSibling(dot < 0 ? name : name.substring(0, dot) + kind.suffix));
    replaces = Files.exists(path) && Files.size(path) > 0;
    refuse(
        replaces && !force && !kind.isIn(path),
        " exists and is not %s; choose another name, or replace it with --force",
        kind.text);
  }

  /** Refuses a place that has no room for so many bytes. */
  void requireRoom(long bytes) throws IOException {
    PartialFile.requirePlace(path, bytes);
  }

  /** A file beside those of a folder that is read would be read with them by the next run. */
  private void requireOutside(Path input) throws IOException {
    Path parent = path.toAbsolutePath().getParent();
    refuse(
        Files.isDirectory(input) && isSame(parent, input),
        " lies in %s, which is read; choose another folder",
        input);
  }

  /** Whether two outputs would be one file, there or not. */
  boolean isSame(Output other) throws IOException {
    return isSame(path, other.path)
        || path.toAbsolutePath().normalize().equals(other.path.toAbsolutePath().normalize());
  }

  /** Whatever path or link leads to it. */
  static boolean isSame(Path one, Path other) throws IOException {
    return Files.exists(one) && Files.exists(other) && Files.isSameFile(one, other);
  }

  private void refuse(boolean wrong, String reason, Object... with) {
    if (wrong) {
      throw new IllegalArgumentException(option + " " + path + reason.formatted(with));
    }
  }

  /** How the result is told. */
  String wrote() {
    return (replaces ? "replaced " : "wrote ") + Printable.line(path);
  }
}
