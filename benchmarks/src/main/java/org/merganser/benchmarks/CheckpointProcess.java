// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryType;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Sha256;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.merge.DareMerger;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.SlerpMerger;
import org.merganser.merge.TiesMerger;

/**
 * One row of {@link CheckpointBenchmark}: prints peak resident memory and peak heap in bytes, and
 * nanoseconds of all processors.
 */
final class CheckpointProcess {
  /** As many bytes as a digest of {@link ShardedWriter} is of. */
  private static final int PART = 2 << 20;

  private static final String DIGESTS = ", digests";

  private CheckpointProcess() {}

  /** Arguments: method or copy, folder of the models, folder to write, threads. */
  public static void main(String... args) throws Exception {
    Path dir = Path.of(args[1]);
    Path out = Path.of(args[2]);
    int threads = Integer.parseInt(args[3]);
    long planned = -1;
    switch (args[0]) {
      case "copy", "copy, digests" ->
          copy(List.of(List.of("m1")), dir, out, threads, args[0].endsWith(DIGESTS));
      case "copy of 2", "copy of 2, digests" ->
          copy(
              List.of(List.of("m1"), List.of("m2")),
              dir,
              out,
              threads,
              args[0].endsWith(DIGESTS));
      case "read 3, write 1", "read 3, write 1, digests" ->
          copy(
              List.of(List.of("m1", "m2", "m3")), dir, out, threads, args[0].endsWith(DIGESTS));
      default -> planned = merge(args[0], dir, out, threads);
    }
    long heap =
        ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(pool -> pool.getType() == MemoryType.HEAP)
            .mapToLong(pool -> pool.getPeakUsage().getUsed())
            .sum();
    long cpu = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
    System.out.println(resident() + " " + heap + " " + cpu + " " + planned);
  }

  private static long resident() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow();
  }

  /** Returns what the plan says is held outside the heap. */
  private static long merge(String id, Path dir, Path out, int threads) throws IOException {
    Merger method =
        switch (id) {
          case "linear" -> LinearMerger.uniform();
          case "slerp" -> SlerpMerger.of(SlerpMerger.Options.defaults());
          case "dare-ties" ->
              DareMerger.ties(DareMerger.Options.defaults().withDensity(List.of(0.5)));
          case "ties" -> TiesMerger.of(TiesMerger.Options.defaults().withDensity(List.of(0.5)));
          default -> throw new UsageException("no method " + id);
        };
    int models = method.needs().most() == 2 ? 2 : 3;
    List<Checkpoint> opened = new ArrayList<>();
    try (Workspace ws = Workspace.builder().threads(threads).open();
        Checkpoint base = Safetensors.open(dir.resolve("base"))) {
      for (int k = 1; k <= models; k++) {
        opened.add(Safetensors.open(dir.resolve("m" + k)));
      }
      MergeProblem problem = MergeProblem.of(opened);
      Checkpoint merged =
          method.merge(method.needs().base() ? problem.withBase(base) : problem, ws);
      ShardPlan plan = ShardPlan.of(merged, ShardPlan.DEFAULT_SHARD_BYTES);
      try (ShardedWriter writer = ShardedWriter.open(plan, out, ShardedWriter.Options.defaults())) {
        writer.write(merged, ws);
      }
      return plan.memory(threads);
    } finally {
      opened.forEach(Checkpoint::close);
    }
  }

  /** Reads all models of a group, writes the first, with digests of its parts or none, flushes it. */
  private static void copy(
      List<List<String>> groups, Path dir, Path out, int threads, boolean digests)
      throws Exception {
    List<Callable<Void>> work = new ArrayList<>();
    List<FileChannel> open = new ArrayList<>();
    for (List<String> models : groups) {
      Path target = Files.createDirectories(out.resolve(models.get(0)));
      for (String name : List.of("model-00001-of-00002", "model-00002-of-00002")) {
        List<FileChannel> in = new ArrayList<>();
        for (String model : models) {
          Path from = dir.resolve(model).resolve(name + ".safetensors");
          in.add(FileChannel.open(from, StandardOpenOption.READ));
        }
        FileChannel to =
            FileChannel.open(
                target.resolve(name), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        open.addAll(in);
        open.add(to);
        AtomicLong next = new AtomicLong();
        for (int t = 0; t < threads; t++) {
          work.add(() -> copy(in, to, next, digests));
        }
      }
    }
    var pool = Executors.newFixedThreadPool(threads);
    for (Future<Void> each : pool.invokeAll(work)) {
      each.get();
    }
    pool.shutdown();
    for (FileChannel channel : open) {
      if (channel.isOpen()) {
        channel.close();
      }
    }
  }

  private static Void copy(List<FileChannel> in, FileChannel to, AtomicLong next, boolean digests)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(PART);
    long size = in.get(0).size();
    for (long at; (at = next.getAndAdd(PART)) < size; ) {
      for (int k = in.size() - 1; k >= 0; k--) {
        buffer.clear().limit((int) Math.min(PART, size - at));
        while (buffer.hasRemaining()) {
          in.get(k).read(buffer, at + buffer.position());
        }
      }
      buffer.flip();
      if (digests) {
        Sha256.of(buffer);
      }
      while (buffer.hasRemaining()) {
        to.write(buffer, at + buffer.position());
      }
    }
    to.force(true);
    return null;
  }
}
