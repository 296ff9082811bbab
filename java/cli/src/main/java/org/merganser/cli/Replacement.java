// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
import org.merganser.error.FormatException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import picocli.CommandLine.Option;

/** Under which names a file is written, and what becomes of one that is there already. */
final class Replacement {
  @Option(
      names = "--force",
      description =
          "Replaces an existing output of any kind; an older one of the same kind is replaced"
              + " without it.")
  boolean force;

  private boolean replaces;

  /** What a command writes. */
  enum Kind {
    CHECKPOINT("a checkpoint", ".safetensors"),
    MAPS("a set of maps", ".mgalign");

    private final String text;
    private final String suffix;

    Kind(String text, String suffix) {
      this.text = text;
      this.suffix = suffix;
    }
  }

  /** Ends of names that promise something else than safetensors. */
  private static final Set<String> OTHERS =
      Set.of(
          ".bin",
          ".ckpt",
          ".csv",
          ".gguf",
          ".h5",
          ".hdf5",
          ".html",
          ".joblib",
          ".json",
          ".keras",
          ".mgalign",
          ".mgstats",
          ".msgpack",
          ".npy",
          ".npz",
          ".onnx",
          ".pb",
          ".pickle",
          ".pkl",
          ".pt",
          ".pth",
          ".safetensors",
          ".tar",
          ".tflite",
          ".txt",
          ".yaml",
          ".yml",
          ".zip");

  /** Before any work, since a long run must not end on a file that it may not replace. */
  void check(Path out, Kind kind) throws IOException {
    if (out.toString().equals("-")) {
      throw new IllegalArgumentException(
          "-o -: a file is written whole under its name, nothing goes to standard output; name a"
              + " file");
    }
    String name = String.valueOf(out.getFileName());
    int dot = name.lastIndexOf('.');
    String suffix = dot < 0 ? "" : name.substring(dot).toLowerCase(Locale.ROOT);
    if (OTHERS.contains(suffix) && !suffix.equals(kind.suffix)) {
      throw new IllegalArgumentException(
          "-o %s: the output is %s (*%s), no %s file; use -o %s"
              .formatted(
                  out,
                  kind.text,
                  kind.suffix,
                  suffix,
                  out.resolveSibling(name.substring(0, dot) + kind.suffix)));
    }
    replaces = Files.exists(out) && Files.size(out) > 0;
    if (replaces && !force && !holds(out, kind)) {
      throw new IllegalArgumentException(
          "-o "
              + out
              + " exists and is not "
              + kind.text
              + "; choose another name, or replace it with --force");
    }
  }

  private static boolean holds(Path file, Kind kind) throws IOException {
    try (Checkpoint checkpoint = Safetensors.open(file)) {
      String format = checkpoint.metadata().getOrDefault("format", "");
      return kind == Kind.MAPS ? format.equals("mgalign") : !format.startsWith("mg");
    } catch (FormatException e) {
      return false;
    }
  }

  /** How the result is told. */
  String wrote(Path out) {
    return (replaces ? "replaced " : "wrote ") + Printable.line(out);
  }
}
