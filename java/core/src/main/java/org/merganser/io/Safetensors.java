// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Tensor;

/**
 * The safetensors format: an 8-byte little-endian header length, a JSON header, the data. Files are
 * read by position and written as the format's own library writes them (by element type, then by
 * name), so the same tensors always give the same bytes.
 */
public final class Safetensors {
  private static final int CHUNK = 1 << 26;

  private Safetensors() {}

  /**
   * Opens a checkpoint: a {@code .safetensors} file, an index ({@code *.index.json}) of several, or
   * a folder that holds {@code model.safetensors.index.json}, {@code model.safetensors} or one
   * single {@code .safetensors} file. Only headers are read now.
   *
   * @throws FormatException when a file does not follow the format
   */
  public static Checkpoint open(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      return open(inFolder(path));
    }
    return path.toString().endsWith(".json") ? ShardedCheckpoint.open(path) : openFile(path);
  }

  static Checkpoint openFile(Path path) throws IOException {
    String name = String.valueOf(path.getFileName());
    if (isPickle(name)) {
      throw new FormatException(
          path
              + " looks like a pickle checkpoint, which can run code when read; convert it first, in"
              + " Python: safetensors.torch.save_file(torch.load(\""
              + name
              + "\", weights_only=True), \"model.safetensors\")");
    }
    FileBytes file = new FileBytes(path);
    try {
      return new FileCheckpoint(file, SafetensorsHeader.read(file));
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static Path inFolder(Path folder) throws IOException {
    for (String name : List.of(ShardIndex.FILE, "model.safetensors")) {
      if (Files.exists(folder.resolve(name))) {
        return folder.resolve(name);
      }
    }
    List<Path> found;
    try (Stream<Path> files = Files.list(folder)) {
      found = files.filter(f -> f.toString().endsWith(".safetensors")).sorted().toList();
    }
    if (found.size() != 1) {
      List<String> names = found.stream().map(f -> f.getFileName().toString()).toList();
      throw new IOException(
          "folder "
              + folder
              + " holds no "
              + ShardIndex.FILE
              + ", no model.safetensors, and "
              + (names.isEmpty()
                  ? "no .safetensors file"
                  : "several .safetensors files, name one of " + names)
              + pickles(folder));
    }
    return found.get(0);
  }

  private static String pickles(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(f -> f.getFileName().toString())
          .filter(Safetensors::isPickle)
          .findFirst()
          .map(name -> "; " + name + " is a pickle checkpoint: convert it to safetensors first")
          .orElse("");
    }
  }

  private static boolean isPickle(String name) {
    return name.endsWith(".pt") || name.endsWith(".pth") || name.endsWith(".bin");
  }

  /** Writes a checkpoint with its own metadata and {@code format: pt}. */
  public static void write(Checkpoint checkpoint, Path path, Workspace ws) throws IOException {
    Map<String, String> metadata = new TreeMap<>(checkpoint.metadata());
    metadata.putIfAbsent("format", "pt");
    write(checkpoint, metadata, path, ws);
  }

  /**
   * Writes a checkpoint: to {@code PATH.partial} first, renamed when complete. Memory: the largest
   * tensor.
   */
  public static void write(
      Checkpoint checkpoint, Map<String, String> metadata, Path path, Workspace ws)
      throws IOException {
    for (String name : checkpoint.tensors().keySet()) {
      if (name.isEmpty() || name.equals(SafetensorsHeader.METADATA)) {
        throw new IllegalArgumentException(
            "a tensor cannot be stored under the name '" + name + "'");
      }
    }
    List<Map.Entry<String, TensorInfo>> order = new ArrayList<>(checkpoint.tensors().entrySet());
    order.sort(
        Comparator.comparing(
                (Map.Entry<String, TensorInfo> e) -> e.getValue().dtype(),
                Comparator.reverseOrder())
            .thenComparing(Map.Entry::getKey));
    try (PartialFile file = new PartialFile(path)) {
      file.write(header(order, metadata));
      long done = 0;
      for (Map.Entry<String, TensorInfo> item : order) {
        ws.cancellation().check();
        ws.progress().report("write " + path.getFileName(), done++, order.size());
        try (Tensor tensor = checkpoint.read(item.getKey(), ws)) {
          writeBytes(file, tensor);
        }
      }
      file.commit();
    }
  }

  /**
   * Writes a checkpoint as a folder in the layout of Hugging Face: shards {@code
   * model-00001-of-0000N.safetensors} of at most {@code shardBytes} bytes of tensors (a larger
   * tensor has a shard of its own) and {@code model.safetensors.index.json}, last; or one {@code
   * model.safetensors} when everything fits.
   */
  public static void writeFolder(Checkpoint checkpoint, Path folder, long shardBytes, Workspace ws)
      throws IOException {
    if (shardBytes < 1) {
      throw new IllegalArgumentException("shard size must be positive, not " + shardBytes);
    }
    Files.createDirectories(folder);
    List<List<String>> shards = shards(checkpoint, shardBytes);
    if (shards.size() == 1) {
      write(checkpoint, folder.resolve("model.safetensors"), ws);
      // An index of an earlier model would win over the file.
      Files.deleteIfExists(folder.resolve(ShardIndex.FILE));
      return;
    }
    Map<String, String> weightMap = new TreeMap<>();
    long total = 0;
    for (int i = 0; i < shards.size(); i++) {
      String file =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      write(new Selection(checkpoint, shards.get(i)), folder.resolve(file), ws);
      for (String name : shards.get(i)) {
        weightMap.put(name, file);
        total += checkpoint.info(name).bytes();
      }
    }
    new ShardIndex(weightMap, OptionalLong.of(total)).write(folder.resolve(ShardIndex.FILE));
  }

  private static List<List<String>> shards(Checkpoint checkpoint, long shardBytes) {
    List<List<String>> shards = new ArrayList<>();
    long used = 0;
    for (Map.Entry<String, TensorInfo> item : checkpoint.tensors().entrySet()) {
      long bytes = item.getValue().bytes();
      if (shards.isEmpty() || used > 0 && used + bytes > shardBytes) {
        shards.add(new ArrayList<>());
        used = 0;
      }
      shards.get(shards.size() - 1).add(item.getKey());
      used += bytes;
    }
    return shards.isEmpty() ? List.of(List.of()) : shards;
  }

  /** Some tensors of a checkpoint. */
  private record Selection(Checkpoint source, List<String> names) implements Checkpoint {
    @Override
    public Map<String, TensorInfo> tensors() {
      Map<String, TensorInfo> infos = new LinkedHashMap<>();
      names.forEach(name -> infos.put(name, source.info(name)));
      return Collections.unmodifiableMap(infos);
    }

    @Override
    public Map<String, String> metadata() {
      return source.metadata();
    }

    @Override
    public void read(String name, Tensor into, Workspace ws) throws IOException {
      source.read(name, into, ws);
    }
  }

  private static void writeBytes(PartialFile file, Tensor tensor) throws IOException {
    for (long at = 0; at < tensor.bytes(); ) {
      int length = (int) Math.min(tensor.bytes() - at, CHUNK);
      try (Block.View view = tensor.view(at, length)) {
        file.write(view.buffer());
      }
      at += length;
    }
  }

  private static ByteBuffer header(
      List<Map.Entry<String, TensorInfo>> order, Map<String, String> metadata) throws IOException {
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
    int padded = (json.length + 7) / 8 * 8;
    ByteBuffer buffer = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putLong(padded).put(json);
    while (buffer.hasRemaining()) {
      buffer.put((byte) ' ');
    }
    return buffer.flip();
  }

  private static final class FileCheckpoint implements Checkpoint {
    private final FileBytes file;
    private final SafetensorsHeader header;
    private final Map<String, TensorInfo> infos;

    FileCheckpoint(FileBytes file, SafetensorsHeader header) {
      this.file = file;
      this.header = header;
      Map<String, TensorInfo> found = new LinkedHashMap<>();
      header.entries().forEach((name, entry) -> found.put(name, entry.info()));
      this.infos = Collections.unmodifiableMap(found);
    }

    @Override
    public Map<String, TensorInfo> tensors() {
      return infos;
    }

    @Override
    public Map<String, String> metadata() {
      return Collections.unmodifiableMap(header.metadata());
    }

    @Override
    public void read(String name, Tensor into, Workspace ws) throws IOException {
      TensorInfo info = info(name);
      into.require("target of '" + name + "'", info.dtype(), info.dims());
      long begin = header.dataStart() + header.entries().get(name).begin();
      file.read(begin, into.memory().slice(0, info.bytes()));
    }

    @Override
    public void readRows(String name, long from, long to, Tensor into, Workspace ws)
        throws IOException {
      TensorInfo info = info(name);
      if (info.rank() == 0 || from < 0 || to < from || to > info.dim(0)) {
        throw new IllegalArgumentException(
            "rows " + from + " to " + to + " of '" + name + "' " + info);
      }
      long[] part = info.dims();
      part[0] = to - from;
      into.require("target of rows of '" + name + "'", info.dtype(), part);
      long row = info.dim(0) == 0 ? 0 : info.size() / info.dim(0);
      long skipped = info.dtype().bytes(from * row);
      long begin = header.dataStart() + header.entries().get(name).begin() + skipped;
      file.read(begin, into.memory().slice(0, into.bytes()));
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
