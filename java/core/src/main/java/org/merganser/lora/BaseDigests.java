// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Sha256;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * SHA-256 of the tensors of the model that an adapter was trained for, as metadata of the adapter's
 * tensors: a line {@code DIGEST NAME} for each, in order of names, under {@code merganser.base}.
 * Readers take any order: that of the tensors is another in memory than in a file.
 */
final class BaseDigests {
  private static final String KEY = "merganser.base";
  private static final int DIGITS = 64;

  private BaseDigests() {}

  /** The metadata for the tensors of an adapter of a model; reads the model. */
  static Map<String, String> metadata(Checkpoint base, Workspace ws) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (String name : new TreeSet<>(base.tensors().keySet())) {
      lines.append(of(base, name, ws)).append(' ').append(name).append('\n');
    }
    return Map.of(KEY, lines.toString());
  }

  /** Whether the tensors of a file have such metadata. */
  static boolean isIn(Checkpoint file) {
    return file.metadata().containsKey(KEY);
  }

  /**
   * @throws FormatException when they have none, with which nothing could be refused
   */
  static void requireIn(Checkpoint file) {
    if (!isIn(file)) {
      throw new FormatException(
          file
              + ": no "
              + Names.quote(KEY)
              + " in its metadata, the digests of the model it is for");
    }
  }

  /** Whether they have the same as other metadata, or one of them has none. */
  static boolean isOf(Checkpoint file, Map<String, String> metadata) {
    return !isIn(file)
        || !metadata.containsKey(KEY)
        || recorded(file.toString(), file.metadata()).equals(recorded("metadata", metadata));
  }

  /**
   * @param what was trained for a model, for messages
   * @param file its tensors
   */
  static void require(String what, Checkpoint file, Checkpoint base, Workspace ws)
      throws IOException {
    require(what, file, base, name -> true, ws);
  }

  /**
   * The same of some tensors.
   *
   * @param compared which of them, by name
   */
  static void require(
      String what, Checkpoint file, Checkpoint base, Predicate<String> compared, Workspace ws)
      throws IOException {
    Map<String, String> recorded = recorded(what, file.metadata());
    recorded.keySet().removeIf(name -> !compared.test(name));
    List<String> problems = new ArrayList<>();
    for (Map.Entry<String, String> each : recorded.entrySet()) {
      String name = each.getKey();
      if (!base.tensors().containsKey(name)) {
        problems.add(Names.missing(name, base.tensors().keySet(), problems.size()));
      } else if (!of(base, name, ws).equals(each.getValue())) {
        problems.add(Names.quote(name) + " has other values than the model it was trained for");
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "%s was not trained for this model: %d of %d tensors differ"
              .formatted(what, problems.size(), recorded.size()),
          problems);
    }
  }

  private static Map<String, String> recorded(String what, Map<String, String> metadata) {
    Map<String, String> digests = new LinkedHashMap<>();
    metadata
        .getOrDefault(KEY, "")
        .lines()
        .forEach(
            line -> {
              if (line.length() < DIGITS + 2) {
                throw new FormatException(
                    what + ": " + Names.quote(KEY) + " has a line " + Names.quote(line));
              }
              digests.put(line.substring(DIGITS + 1), line.substring(0, DIGITS));
            });
    return digests;
  }

  /** Of the bytes of a tensor, little-endian. */
  private static String of(Checkpoint checkpoint, String name, Workspace ws) throws IOException {
    Sha256 digest = new Sha256();
    // Of a multiple of what is hashed at once, whatever the type.
    long tile = Math.max(64, checkpoint.tile(name, 1 << 20) / 64 * 64);
    long size = checkpoint.info(name).size();
    for (long from = 0; from + tile < size; from += tile) {
      add(digest, checkpoint, name, from, from + tile, ws);
    }
    long rest = size == 0 ? 0 : (size - 1) / tile * tile;
    try (Tensor last = part(checkpoint, name, rest, size, ws)) {
      if (last.size() == 0) {
        return digest.end(ByteBuffer.allocateDirect(0));
      }
      try (Block.View view = Block.view(last, 0, Math.toIntExact(last.bytes()))) {
        return digest.end(view.buffer());
      }
    }
  }

  private static void add(
      Sha256 digest, Checkpoint checkpoint, String name, long from, long to, Workspace ws)
      throws IOException {
    try (Tensor part = part(checkpoint, name, from, to, ws);
        Block.View view = Block.view(part, 0, Math.toIntExact(part.bytes()))) {
      digest.add(view.buffer());
    }
  }

  private static Tensor part(Checkpoint checkpoint, String name, long from, long to, Workspace ws)
      throws IOException {
    Tensor part = Tensor.allocate(checkpoint.info(name).dtype(), to - from);
    checkpoint.readRange(name, from, to, part, ws);
    return part;
  }
}
