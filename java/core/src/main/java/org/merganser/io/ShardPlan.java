// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.linalg.Tensor;

/**
 * The files that a model is going to be, in the layout of Hugging Face, and what it takes to write
 * them: known from names, types and shapes before any data is read.
 *
 * <p>Tensors are assigned in their order: a shard takes them until the next would not fit, so that
 * a tensor larger than a shard has one of its own. One shard is {@code model.safetensors}, without
 * an index.
 */
public final class ShardPlan {
  /** Bytes of tensors in a shard, as common writers take. */
  public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

  /** Parts that {@link #rate} reads. */
  private static final int PROBES = 64;

  /**
   * One file.
   *
   * @param name of the file
   * @param tensors in the order of the file
   * @param offsets of tensors, in bytes from the start of the file
   * @param bytes of the file
   */
  public record Shard(
      String name, Map<String, TensorInfo> tensors, Map<String, Long> offsets, long bytes) {
    public Shard {
      tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
      offsets = Collections.unmodifiableMap(new LinkedHashMap<>(offsets));
    }

    /** Of all tensors. */
    int pieces() {
      return Pieces.count(tensors.values());
    }
  }

  private final List<Shard> shards;
  private final List<ByteBuffer> headers;
  private final Map<String, TensorCost> costs;
  private final List<Long> held;
  private final String digest;

  private ShardPlan(
      List<Shard> shards,
      List<ByteBuffer> headers,
      Map<String, TensorCost> costs,
      List<Long> held) {
    this.shards = List.copyOf(shards);
    this.headers = List.copyOf(headers);
    this.costs = Collections.unmodifiableMap(costs);
    this.held = held.stream().sorted(Comparator.reverseOrder()).toList();
    ByteArrayOutputStream described = new ByteArrayOutputStream();
    for (int i = 0; i < shards.size(); i++) {
      described.writeBytes(shards.get(i).name().getBytes(StandardCharsets.UTF_8));
      byte[] header = new byte[header(i).remaining()];
      header(i).get(header);
      described.writeBytes(header);
    }
    this.digest = Digests.sha256(ByteBuffer.wrap(described.toByteArray()));
  }

  /**
   * Plans a checkpoint, with its metadata and {@code format: pt}.
   *
   * @param shardBytes at most so many bytes of tensors in a file, unless one tensor has more
   * @throws IncompatibleModelsException when the model is stale
   */
  public static ShardPlan of(Checkpoint checkpoint, long shardBytes) throws IOException {
    return of(checkpoint, shardBytes, Safetensors.Stale.REFUSE);
  }

  /** The same, of a stale model when that is asked for. */
  public static ShardPlan of(Checkpoint checkpoint, long shardBytes, Safetensors.Stale stale)
      throws IOException {
    if (stale == Safetensors.Stale.REFUSE) {
      Safetensors.refuseStale(checkpoint, checkpoint);
    }
    if (shardBytes < 1) {
      throw new IllegalArgumentException("shard size must be positive, not " + shardBytes);
    }
    List<List<String>> names = assign(checkpoint, shardBytes);
    List<Shard> shards = new ArrayList<>();
    List<ByteBuffer> headers = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      Checkpoint part = SelectedCheckpoint.of(checkpoint, names.get(i));
      List<Map.Entry<String, TensorInfo>> order = Safetensors.order(part);
      ByteBuffer header =
          Safetensors.header(order, Safetensors.withStale(Safetensors.metadata(part), part));
      shards.add(shard(name(i, names.size()), order, header.remaining()));
      headers.add(header);
    }
    Map<String, TensorCost> costs = new LinkedHashMap<>();
    List<Long> held = new ArrayList<>();
    checkpoint
        .tensors()
        .forEach(
            (name, info) -> {
              TensorCost cost = checkpoint.cost(name);
              costs.put(name, cost);
              long block = Math.min(info.size(), checkpoint.block(name));
              long target = Math.max(Pieces.BYTES, block * info.dtype().bits() / 8);
              held.add(cost.memory() + Math.min(info.bytes(), target));
            });
    return new ShardPlan(shards, headers, costs, held);
  }

  static List<List<String>> assign(Checkpoint checkpoint, long shardBytes) {
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
    return shards;
  }

  static String name(int shard, int shards) {
    return shards == 1
        ? SafetensorsPath.SINGLE
        : String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", shard + 1, shards);
  }

  private static Shard shard(
      String name, List<Map.Entry<String, TensorInfo>> order, long headerBytes) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    Map<String, Long> offsets = new LinkedHashMap<>();
    long at = headerBytes;
    for (Map.Entry<String, TensorInfo> item : order) {
      tensors.put(item.getKey(), item.getValue());
      offsets.put(item.getKey(), at);
      at += item.getValue().bytes();
    }
    return new Shard(name, tensors, offsets, at);
  }

  public List<Shard> shards() {
    return shards;
  }

  /** What is before the data of a shard. */
  ByteBuffer header(int shard) {
    return headers.get(shard).duplicate();
  }

  /** What each tensor takes, in the order of the checkpoint. */
  public Map<String, TensorCost> costs() {
    return costs;
  }

  /** Bytes of all files. */
  public long bytes() {
    return shards.stream().mapToLong(Shard::bytes).sum();
  }

  /** Bytes that are read of the inputs, all passes together. */
  public long reads() {
    return costs.values().stream().mapToLong(TensorCost::reads).sum();
  }

  /** The most passes over the inputs of one tensor. */
  public int passes() {
    return costs.values().stream().mapToInt(TensorCost::passes).max().orElse(0);
  }

  /**
   * The most bytes that writing with so many threads holds outside the heap, beside what the
   * process has anyway: the largest tensors at the same time.
   */
  public long memory(int threads) {
    return held.stream().limit(threads).mapToLong(Long::longValue).sum();
  }

  /**
   * A time in seconds that reading and writing take at least: arithmetic and waiting for the disk
   * come on top.
   *
   * @param rate bytes a second and thread, as {@link #rate} measures them
   */
  public double seconds(double rate, int threads) {
    return (reads() + bytes()) / (rate * threads);
  }

  /** Bytes a second that one thread reads of an input: of up to 64 parts all over it. */
  public static double rate(Checkpoint input, Workspace ws) throws IOException {
    List<Map.Entry<String, TensorInfo>> all = List.copyOf(input.tensors().entrySet());
    long bytes = 0;
    long start = System.nanoTime();
    for (int k = 0; k < Math.min(PROBES, all.size()); k++) {
      Map.Entry<String, TensorInfo> item =
          all.get((int) ((long) k * all.size() / Math.min(PROBES, all.size())));
      Pieces pieces = Pieces.of(item.getValue(), Pieces.BYTES);
      long size = pieces.end(0);
      try (Tensor part = Tensor.allocate(item.getValue().dtype(), size)) {
        input.readRange(item.getKey(), 0, size, part, ws);
        bytes += part.bytes();
      }
    }
    return Math.max(1, bytes) / Math.max(1e-9, 1e-9 * (System.nanoTime() - start));
  }

  /** SHA-256 of names and headers of the files: of everything but the data. */
  public String digest() {
    return digest;
  }

  /** File of each tensor. */
  Map<String, String> files() {
    Map<String, String> files = new TreeMap<>();
    shards.forEach(shard -> shard.tensors().keySet().forEach(n -> files.put(n, shard.name())));
    return files;
  }

  /** File names of the whole model. */
  Set<String> names() {
    Set<String> names = new LinkedHashSet<>();
    shards.forEach(shard -> names.add(shard.name()));
    return names;
  }
}
