// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.FileKind;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Tensor;

/**
 * The safetensors format: an 8-byte little-endian header length, a JSON header, the data. Files are
 * read by position and written as the format's own library writes them (by element type, then by
 * name), so the same tensors always give the same bytes.
 */
public final class Safetensors {
  private static final int CHUNK = 1 << 26;

  /** A multiple of the bytes of eight elements of every type. */
  private static final long TILE_BITS = 3L << 26;

  /** Metadata with the names of stale tensors, one a line. */
  private static final String STALE = "merganser.stale";

  private Safetensors() {}

  /** What to do with a model whose statistics must be recomputed before it is used. */
  public enum Stale {
    /** Throw. */
    REFUSE,
    /** Write them as they are; the file says which, so that {@link Checkpoint#stale} does. */
    WRITE
  }

  /** Resets the statistics of batch normalisation in PyTorch, by one pass over training data. */
  public static final String TORCH_RESET =
      """
      for m in model.modules():
          if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
              m.momentum = None; m.reset_running_stats()
      model.train()
      with torch.no_grad():
          for x, _ in loader: model(x)
      model.eval()
      """;

  /**
   * Opens a checkpoint: a {@code .safetensors} file, an index ({@code *.index.json}) of several, or
   * a folder that holds {@code model.safetensors.index.json}, {@code model.safetensors}, one single
   * other index or {@code .safetensors} file, a complete set of shards without an index, or {@code
   * pytorch_model.bin} with or without an index, or one {@code .gguf}. Files may also be those of
   * {@code torch.save} (zip, since 1.6), read as data and never run: the tensors of its dictionary,
   * or of the one in it under {@code state_dict}, {@code model_state_dict} or {@code model}; or of
   * llama.cpp (GGUF), with Hugging Face's names and order of rows. Only headers are read now.
   *
   * @throws FormatException when a file does not follow the format, naming what it is
   */
  public static Checkpoint open(Path path) throws IOException {
    SafetensorsPath found = SafetensorsPath.find(path);
    if (found.index() != null) {
      return ShardedCheckpoint.open(found.index());
    }
    return found.files().size() == 1
        ? openFile(found.files().get(0))
        : ShardedCheckpoint.open(path, found.files());
  }

  /** The files that {@link #open} reads for a path: one, or an index and its shards. */
  public static List<Path> files(Path path) throws IOException {
    SafetensorsPath found = SafetensorsPath.find(path);
    List<Path> files = new ArrayList<>(found.files());
    if (found.index() != null) {
      files.add(found.index());
    }
    return files;
  }

  static Checkpoint openFile(Path path) throws IOException {
    FileBytes file = new FileBytes(path);
    try {
      if (FileKind.isTorch(file)) {
        return new TorchCheckpoint(file, TorchFile.read(file));
      }
      if (FileKind.isGguf(file)) {
        return new GgufCheckpoint(file, GgufHeader.read(file));
      }
      SafetensorsPath.refuseMisnamed(file);
      return new FileCheckpoint(file, SafetensorsHeader.read(file));
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /** Writes a checkpoint with its own metadata and {@code format: pt}. */
  public static void write(Checkpoint checkpoint, Path path, Workspace ws) throws IOException {
    write(checkpoint, metadata(checkpoint), path, ws);
  }

  static Map<String, String> metadata(Checkpoint checkpoint) {
    Map<String, String> metadata = new TreeMap<>(checkpoint.metadata());
    metadata.putIfAbsent("format", "pt");
    return metadata;
  }

  /**
   * Writes a checkpoint: to a name of its own first, renamed when complete. Memory: a tile of a
   * tensor, of 24 MiB or a {@link Checkpoint#block}.
   *
   * @throws IncompatibleModelsException when the model is stale
   */
  public static void write(
      Checkpoint checkpoint, Map<String, String> metadata, Path path, Workspace ws)
      throws IOException {
    write(checkpoint, metadata, path, Stale.REFUSE, ws);
  }

  /** The same with the metadata of the checkpoint. */
  public static void write(Checkpoint checkpoint, Path path, Stale stale, Workspace ws)
      throws IOException {
    write(checkpoint, metadata(checkpoint), path, stale, ws);
  }

  /** The same, with a stale model written when that is asked for. */
  public static void write(
      Checkpoint checkpoint, Map<String, String> metadata, Path path, Stale stale, Workspace ws)
      throws IOException {
    if (stale == Stale.REFUSE) {
      refuseStale(checkpoint, path);
    }
    try (PartialFile file = begin(checkpoint, metadata, path, ws)) {
      file.commit();
    }
  }

  static void refuseStale(Checkpoint checkpoint, Object path) {
    if (!checkpoint.stale().isEmpty()) {
      throw new IncompatibleModelsException(
          "cannot write "
              + path
              + ": a dense map changed what its normalisation statistics describe; reset them"
              + " (merge --repair bn-reset with --network and --data, BatchNormReset), take"
              + " --method permutation, or write the model as it is (--allow-stale,"
              + " Safetensors.Stale.WRITE) and reset it in PyTorch:\n"
              + TORCH_RESET.indent(2)
              + "stale",
          checkpoint.stale().stream().sorted().map(Names::quote).toList());
    }
  }

  /** Bytes of the file of a checkpoint with its own metadata. */
  public static long fileBytes(Checkpoint checkpoint) throws IOException {
    return header(order(checkpoint), withStale(metadata(checkpoint), checkpoint)).remaining()
        + checkpoint.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
  }

  static PartialFile begin(Checkpoint checkpoint, Path path, Workspace ws) throws IOException {
    return begin(checkpoint, metadata(checkpoint), path, ws);
  }

  /** Writes everything, not yet under the name of {@code path}. */
  private static PartialFile begin(
      Checkpoint checkpoint, Map<String, String> metadata, Path path, Workspace ws)
      throws IOException {
    List<Map.Entry<String, TensorInfo>> order = order(checkpoint);
    ByteBuffer header = header(order, withStale(metadata, checkpoint));
    long bytes = header.remaining();
    for (Map.Entry<String, TensorInfo> item : order) {
      bytes += item.getValue().bytes();
    }
    PartialFile file = new PartialFile(path, bytes);
    try {
      file.write(header);
      long done = 0;
      for (Map.Entry<String, TensorInfo> item : order) {
        ws.cancellation().check();
        ws.progress().report("write " + path.getFileName(), done++, order.size());
        writeTensor(checkpoint, item.getKey(), item.getValue(), file, ws);
      }
      return file;
    } catch (IOException | RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  static Map<String, String> withStale(Map<String, String> metadata, Checkpoint checkpoint) {
    if (checkpoint.stale().isEmpty()) {
      return metadata;
    }
    Map<String, String> with = new TreeMap<>(metadata);
    with.put(STALE, String.join("\n", new TreeSet<>(checkpoint.stale())));
    return with;
  }

  static List<Map.Entry<String, TensorInfo>> order(Checkpoint checkpoint) {
    List<Map.Entry<String, TensorInfo>> order = new ArrayList<>(checkpoint.tensors().entrySet());
    order.sort(
        Comparator.comparing(
                (Map.Entry<String, TensorInfo> e) -> e.getValue().dtype(),
                Comparator.reverseOrder())
            .thenComparing(Map.Entry::getKey));
    return order;
  }

  /**
   * Writes a checkpoint as a folder in the layout of Hugging Face: shards {@code
   * model-00001-of-0000N.safetensors} of at most {@code shardBytes} bytes of tensors (a larger
   * tensor has a shard of its own) and {@code model.safetensors.index.json}; or one {@code
   * model.safetensors} when everything fits. A model that the folder holds is replaced as a whole,
   * or stays as it is; its files go. Other files stay.
   *
   * @throws IncompatibleModelsException when the model is stale
   */
  public static void writeFolder(Checkpoint checkpoint, Path folder, long shardBytes, Workspace ws)
      throws IOException {
    if (shardBytes < 1) {
      throw new IllegalArgumentException("shard size must be positive, not " + shardBytes);
    }
    refuseStale(checkpoint, folder);
    SafetensorsFolder.write(checkpoint, folder, shardBytes, ws);
  }

  private static void writeTensor(
      Checkpoint checkpoint, String name, TensorInfo info, PartialFile file, Workspace ws)
      throws IOException {
    long tile = checkpoint.tile(name, TILE_BITS / info.dtype().bits());
    long from = 0;
    // What is empty is read as well: of a closed checkpoint that is refused.
    do {
      ws.cancellation().check();
      long to = Math.min(info.size(), from + tile);
      try (Tensor part = Tensor.allocate(info.dtype(), to - from)) {
        checkpoint.readRange(name, from, to, part, ws);
        writeBytes(file, part);
      }
      from += tile;
    } while (from < info.size());
  }

  private static void writeBytes(PartialFile file, Tensor tensor) throws IOException {
    for (long at = 0; at < tensor.bytes(); ) {
      int length = (int) Math.min(tensor.bytes() - at, CHUNK);
      try (Block.View view = Block.view(tensor, at, length)) {
        file.write(view.buffer());
      }
      at += length;
    }
  }

  static ByteBuffer header(List<Map.Entry<String, TensorInfo>> order, Map<String, String> metadata)
      throws IOException {
    requireText(order, metadata);
    // Through a string: a generator of bytes would escape what lies beyond the 16-bit plane.
    StringWriter text = new StringWriter();
    try (JsonGenerator g = new JsonFactory().createGenerator(text)) {
      g.writeStartObject();
      if (!metadata.isEmpty()) {
        g.writeObjectFieldStart(SafetensorsHeader.METADATA);
        for (Map.Entry<String, String> item : new TreeMap<>(metadata).entrySet()) {
          g.writeStringField(item.getKey(), item.getValue());
        }
        g.writeEndObject();
      }
      long at = 0;
      for (Map.Entry<String, TensorInfo> item : order) {
        TensorInfo info = item.getValue();
        g.writeObjectFieldStart(item.getKey());
        g.writeStringField("dtype", info.dtype().name());
        g.writeFieldName("shape");
        g.writeArray(info.dims(), 0, info.rank());
        g.writeFieldName("data_offsets");
        g.writeArray(new long[] {at, at + info.bytes()}, 0, 2);
        g.writeEndObject();
        at += info.bytes();
      }
      g.writeEndObject();
    }
    byte[] json = text.toString().getBytes(StandardCharsets.UTF_8);
    if (json.length > SafetensorsHeader.MAX_HEADER) {
      throw new IllegalArgumentException(
          "a header of "
              + json.length
              + " bytes; readers accept "
              + SafetensorsHeader.MAX_HEADER
              + ": shorten names or metadata, or write a folder of shards");
    }
    int padded = (json.length + 7) / 8 * 8;
    ByteBuffer buffer = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putLong(padded).put(json);
    while (buffer.hasRemaining()) {
      buffer.put((byte) ' ');
    }
    return buffer.flip();
  }

  /** What no reader would accept must not be written. */
  private static void requireText(
      List<Map.Entry<String, TensorInfo>> order, Map<String, String> metadata) {
    for (Map.Entry<String, TensorInfo> item : order) {
      String name = item.getKey();
      if (name.equals(SafetensorsHeader.METADATA) || !Names.isText(name)) {
        throw new IllegalArgumentException(
            "a tensor cannot be stored under the name "
                + Names.quote(name)
                + (Names.isText(name) ? "" : ": it holds a lone surrogate; rename it"));
      }
    }
    metadata.forEach(
        (key, value) -> {
          if (!Names.isText(key) || !Names.isText(value)) {
            throw new IllegalArgumentException(
                "metadata "
                    + Names.quote(key)
                    + " holds a lone surrogate, which UTF-8 cannot hold");
          }
        });
  }

  private static final class FileCheckpoint implements Checkpoint {
    private final FileBytes file;
    private final SafetensorsHeader header;
    private final Map<String, TensorInfo> infos;
    private final Map<String, String> metadata;
    private final Set<String> stale;

    FileCheckpoint(FileBytes file, SafetensorsHeader header) {
      this.file = file;
      this.header = header;
      Map<String, TensorInfo> found = new LinkedHashMap<>();
      header.entries().forEach((name, entry) -> found.put(name, entry.info()));
      this.infos = Collections.unmodifiableMap(found);
      Map<String, String> kept = new LinkedHashMap<>(header.metadata());
      String names = kept.remove(STALE);
      this.metadata = Collections.unmodifiableMap(kept);
      this.stale = names == null ? Set.of() : Set.of(names.split("\n"));
    }

    @Override
    public Map<String, TensorInfo> tensors() {
      return infos;
    }

    @Override
    public Map<String, String> metadata() {
      return metadata;
    }

    @Override
    public Set<String> stale() {
      return stale;
    }

    @Override
    public void readRange(String name, long from, long to, Tensor into, Workspace ws)
        throws IOException {
      TensorInfo info = info(name);
      Ranges.check(name, info, from, to, into);
      long begin = header.dataStart() + header.entries().get(name).begin();
      Reads.file(file, begin + info.dtype().bytes(from), into, ws);
    }

    @Override
    public long block(String name) {
      info(name);
      return 1;
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
}
