// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.linalg.Tensor;

/**
 * The tensors of a GGUF file as Hugging Face's libraries have them: under their names and with
 * their order of rows, F32, F16 and BF16 as they are, what is quantised as F32. Of an architecture
 * that is not known, names and rows are those of the file.
 *
 * <p>Rows of queries and keys of {@code llama}, of heads of h rows: row r of a head is row {@code
 * (r mod h/2) 2 + r / (h/2)} of it in the file.
 */
final class GgufCheckpoint implements Checkpoint {
  private static final System.Logger LOG = System.getLogger(GgufCheckpoint.class.getName());

  /** Elements that are read at once; a multiple of every block. */
  private static final int PIECE = 1 << 16;

  private static final int SHOWN = 3;

  /** Metadata with the names of tensors that are left out, with commas. */
  private static final String LEFT_OUT = "merganser.left-out";

  private final FileBytes file;
  private final GgufHeader header;
  private final Map<String, String> metadata;
  private final Map<String, Stored> stored = new LinkedHashMap<>();
  private final Map<String, TensorInfo> infos;

  /**
   * A tensor in the file.
   *
   * @param headRows rows of a head, when they are in another order; else 0
   * @param excess what is taken off
   */
  private record Stored(GgufHeader.Entry entry, long headRows, float excess) {
    boolean isRaw() {
      return !entry.type().isQuantised() && excess == 0;
    }

    TensorInfo info() {
      return isRaw() ? entry.info() : new TensorInfo(DType.F32, entry.info().shape());
    }

    /** Elements of one index of the first axis. */
    long row() {
      return entry.info().rank() == 0 ? 1 : entry.info().size() / entry.info().dim(0);
    }

    /** The element in the file. */
    long place(long element) {
      if (headRows == 0) {
        return element;
      }
      long row = element / row();
      long inHead = row % headRows;
      long half = headRows / 2;
      return (row - inHead + inHead % half * 2 + inHead / half) * row() + element % row();
    }
  }

  GgufCheckpoint(FileBytes file, GgufHeader header) {
    this.file = file;
    this.header = header;
    String architecture = header.metadata().getOrDefault("general.architecture", "");
    Map<String, TensorInfo> found = new LinkedHashMap<>();
    List<String> derived = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    header
        .tensors()
        .forEach(
            (name, entry) -> {
              if (GgufNames.DERIVED.contains(name)) {
                derived.add(name);
                return;
              }
              String renamed = GgufNames.of(architecture, name).orElse(name);
              if (GgufNames.of(architecture, name).isEmpty()) {
                unknown.add(name);
              }
              long headRows = headRows(architecture, name, entry);
              Stored tensor = new Stored(entry, headRows, GgufNames.excess(architecture, name));
              if (stored.put(renamed, tensor) != null) {
                throw bad(entry, Names.quote(name) + " is there twice, as " + Names.quote(renamed));
              }
              found.put(renamed, tensor.info());
            });
    this.infos = Collections.unmodifiableMap(found);
    this.metadata = metadata(header, derived);
    tell(architecture, derived, unknown);
  }

  private static Map<String, String> metadata(GgufHeader header, List<String> leftOut) {
    if (leftOut.isEmpty()) {
      return header.metadata();
    }
    Map<String, String> with = new LinkedHashMap<>(header.metadata());
    with.put(LEFT_OUT, String.join(", ", leftOut));
    return Collections.unmodifiableMap(with);
  }

  private long headRows(String architecture, String name, GgufHeader.Entry entry) {
    String key = GgufNames.heads(architecture, name).orElse(null);
    if (key == null) {
      return 0;
    }
    OptionalLong heads = header.number(key);
    if (heads.isEmpty() && key.endsWith("_kv") && !header.metadata().containsKey(key)) {
      heads = header.number("llama.attention.head_count");
    }
    long rows = entry.info().rank() == 0 ? 0 : entry.info().dim(0);
    long count = heads.orElse(0);
    if (count < 1 || rows % count != 0 || rows / count % 2 != 0 || entry.info().rank() > 2) {
      throw bad(
          entry,
          Names.quote(name)
              + " "
              + entry.info()
              + " has rows in the order of llama.cpp, which is undone by heads of an even number of"
              + " rows; "
              + key
              + " is "
              + (heads.isPresent() ? count : "no number"));
    }
    return rows / count;
  }

  private FormatException bad(GgufHeader.Entry entry, String message) {
    return new FormatException(file.path() + ": " + message + ", at byte " + entry.begin());
  }

  private void tell(String architecture, List<String> derived, List<String> unknown) {
    if (!derived.isEmpty()) {
      LOG.log(
          System.Logger.Level.INFO,
          "{0}: {1} left out, which follow from the configuration of the model",
          file.path(),
          derived);
    }
    if (!unknown.isEmpty()) {
      List<String> some = unknown.subList(0, Math.min(SHOWN, unknown.size()));
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: {1} tensors keep the names and the order of rows of llama.cpp, such as {2}: {3}",
          file.path(),
          unknown.size(),
          some.stream().map(Names::quote).toList(),
          GgufNames.isKnown(architecture)
              ? "those of Hugging Face for them are not known"
              : "the architecture " + Names.quote(architecture) + " is not known here");
    }
  }

  /** Those of the metadata, read anew each time; empty where there are none. */
  Optional<ModelDirectory.Tokens> tokens() throws IOException {
    return GgufTokens.read(file, header);
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return infos;
  }

  @Override
  public Map<String, String> metadata() {
    return metadata;
  }

  /** A row where elements are quantised or rows are in another order. */
  @Override
  public long block(String name) {
    TensorInfo info = info(name);
    Stored tensor = stored.get(name);
    return info.rank() > 0 && (tensor.entry.type().isQuantised() || tensor.headRows > 0)
        ? (info.rank() == 1 && tensor.headRows > 0 ? 1 : info.dim(info.rank() - 1))
        : 1;
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Ranges.check(name, info(name), from, to, into);
    Stored tensor = stored.get(name);
    if (tensor.isRaw() && tensor.headRows == 0) {
      Reads.file(file, tensor.entry.begin() + into.dtype().bytes(from), into, ws);
    } else if (into.memory().device() == Device.HOST) {
      fill(tensor, from, to, into);
    } else {
      try (Tensor host = Tensor.allocate(into.dtype(), into.shape())) {
        fill(tensor, from, to, host);
        into.copyFrom(host, ws);
      }
    }
  }

  private void fill(Stored tensor, long from, long to, Tensor into) throws IOException {
    for (long at = from; at < to; ) {
      long end = Math.min(to, at + PIECE);
      if (tensor.headRows > 0) {
        end = Math.min(end, at / tensor.row() * tensor.row() + tensor.row());
      }
      piece(tensor, tensor.place(at), (int) (end - at), into, at - from);
      at = end;
    }
  }

  /** Elements that follow each other in the file. */
  private void piece(Stored tensor, long from, int count, Tensor into, long at) throws IOException {
    GgufType type = tensor.entry.type();
    int skipped = (int) (from % type.elements);
    int blocks = (skipped + count + type.elements - 1) / type.elements;
    long begin = tensor.entry.begin() + from / type.elements * type.bytes;
    ByteBuffer bytes = file.read(begin, blocks * type.bytes);
    if (tensor.isRaw()) {
      into.buffer(at * type.bytes, count * type.bytes).put(bytes);
      return;
    }
    float[] values = new float[blocks * type.elements];
    type.decode(bytes, blocks, values);
    if (tensor.excess != 0) {
      for (int i = 0; i < values.length; i++) {
        values[i] -= tensor.excess;
      }
    }
    into.buffer(at * Float.BYTES, count * Float.BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer()
        .put(values, skipped, count);
  }

  @Override
  public void close() {
    file.close();
  }

  @Override
  public String toString() {
    return file.path().toString();
  }
}
