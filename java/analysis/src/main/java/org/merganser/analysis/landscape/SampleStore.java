// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.merganser.analysis.geometry.SampleRows;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.io.PartialFile;
import org.merganser.io.Npy;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * Samples of a landscape in a folder, each a row of F32 and a line of a table: {@code samples.txt},
 * which says what they are, and for every trajectory {@code NAME.npy} with its rows, differences
 * from the minimum, and {@code NAME.csv} with its lines. A trajectory is there as a whole or not at
 * all, so that sampling which was interrupted is opened again and goes on with those that lack; in
 * the end the bytes are the same. Rows are read by position and never held together.
 *
 * <p>Rows are differences: distances and centred products are those of theta itself, but its angles
 * need theta*, which {@code GramMatrix.raw} takes as the origin.
 *
 * <p>The samples are those of the trajectories that are there, in the order of the plan.
 * Trajectories can be written by several threads, and by several processes.
 */
public final class SampleStore implements SampleRows, AutoCloseable {
  private static final String PLAN = "samples.txt";

  private final Path folder;
  private final SamplePlan plan;
  private final TreeMap<Integer, Part> parts = new TreeMap<>();

  /** What is there of a trajectory. */
  private record Part(Npy rows, double[][] table) {}

  private SampleStore(Path folder, SamplePlan plan) {
    this.folder = folder;
    this.plan = plan;
  }

  /**
   * Opens the store of a plan: a new one, or what there is of it.
   *
   * @throws FormatException when the folder has samples of another plan or without one, or a file
   *     is damaged
   */
  public static SampleStore open(Path folder, SamplePlan plan) throws IOException {
    Path path = folder.resolve(PLAN);
    if (Files.exists(path)) {
      SamplePlan found = SamplePlan.parse(path.toString(), Files.readString(path));
      if (!found.equals(plan)) {
        throw new FormatException(
            "%s: these are samples of something else (%s); name another folder, or delete the folder %s"
                .formatted(path, plan.differs(found), folder));
      }
    } else {
      requireNone(folder, plan);
      Files.createDirectories(folder);
      write(path, plan.text());
    }
    return open(folder);
  }

  /** Trajectories without their plan are of who knows what. */
  private static void requireNone(Path folder, SamplePlan plan) {
    for (String trajectory : plan.trajectories()) {
      for (String suffix : List.of(".csv", ".npy")) {
        Path file = folder.resolve(trajectory + suffix);
        if (Files.exists(file)) {
          throw new FormatException(
              "%s: there are samples, but no %s that says of what; name another folder, or delete the folder %s"
                  .formatted(file, PLAN, folder));
        }
      }
    }
  }

  /**
   * Opens what there is.
   *
   * @throws FormatException when a file is damaged
   */
  public static SampleStore open(Path folder) throws IOException {
    Path path = folder.resolve(PLAN);
    if (!Files.exists(path)) {
      throw new IOException(folder + ": no samples here, there is no " + PLAN);
    }
    SamplePlan plan = SamplePlan.parse(path.toString(), Files.readString(path));
    try (Opened opened = new Opened()) {
      SampleStore store = opened.add(new SampleStore(folder, plan));
      for (int t = 0; t < plan.trajectories().size(); t++) {
        if (Files.exists(store.path(t, ".csv"))) {
          store.take(t);
        }
      }
      opened.release();
      return store;
    }
  }

  private static void write(Path path, String text) throws IOException {
    try (PartialFile out = new PartialFile(path)) {
      out.write(UTF_8.encode(text));
      out.commit();
    }
  }

  private Path path(int trajectory, String suffix) {
    return folder.resolve(plan.trajectories().get(trajectory) + suffix);
  }

  private synchronized void take(int trajectory) throws IOException {
    double[][] table = table(trajectory);
    Path path = path(trajectory, ".npy");
    Npy rows = Npy.open(path);
    if (!rows.info().equals(info())) {
      rows.close();
      throw new FormatException("%s is %s, not %s".formatted(path, rows.info(), info()));
    }
    Part before = parts.put(trajectory, new Part(rows, table));
    if (before != null) {
      before.rows().close();
    }
  }

  private TensorInfo info() {
    return TensorInfo.of(DType.F32, plan.rows(), plan.width());
  }

  private double[][] table(int trajectory) throws IOException {
    Path path = path(trajectory, ".csv");
    List<String> lines = Files.readAllLines(path);
    if (lines.size() != plan.rows() + 1 || !lines.get(0).equals(heading())) {
      throw new FormatException(
          "%s has %d lines, not %d and %s above them; delete it, and it is sampled again"
              .formatted(path, lines.size(), plan.rows(), heading()));
    }
    double[][] table = new double[plan.rows()][];
    for (int i = 0; i < table.length; i++) {
      String line = lines.get(i + 1);
      try {
        table[i] = Arrays.stream(line.split(",")).mapToDouble(Double::parseDouble).toArray();
      } catch (NumberFormatException e) {
        throw damaged(path, i, line, e);
      }
      if (table[i].length != plan.columns().size()) {
        throw damaged(path, i, line, null);
      }
    }
    return table;
  }

  private FormatException damaged(Path path, int row, String line, Exception cause) {
    return new FormatException(
        "%s: line %d is not %d numbers: %s; delete it, and it is sampled again"
            .formatted(path, row + 2, plan.columns().size(), Names.quote(line)),
        cause);
  }

  private String heading() {
    return String.join(",", plan.columns());
  }

  public SamplePlan plan() {
    return plan;
  }

  /** Numbers of the trajectories that lack, in order. */
  public synchronized List<Integer> missing() {
    List<Integer> missing = new ArrayList<>();
    for (int t = 0; t < plan.trajectories().size(); t++) {
      if (!parts.containsKey(t)) {
        missing.add(t);
      }
    }
    return missing;
  }

  /** Begins to write a trajectory; what another one wrote of it is replaced on commit. */
  public Writer begin(int trajectory) throws IOException {
    return new Writer(trajectory);
  }

  /** Rows and lines of a trajectory, one after the other; nothing of it stays without a commit. */
  public final class Writer implements AutoCloseable {
    private final int trajectory;
    private final PartialFile rows;
    private final StringBuilder lines = new StringBuilder(heading());
    private int written;

    private Writer(int trajectory) throws IOException {
      this.trajectory = trajectory;
      ByteBuffer header = Npy.header(info());
      rows = new PartialFile(path(trajectory, ".npy"), header.limit() + info().bytes());
      rows.write(header);
    }

    /**
     * Appends a sample.
     *
     * @param row P numbers
     * @param columns what the table says about it
     */
    public void append(float[] row, double... columns) throws IOException {
      if (row.length != plan.width() || columns.length != plan.columns().size()) {
        throw new ShapeException(
            "a sample of %d numbers with %d columns; the samples here have %d and %d"
                .formatted(row.length, columns.length, plan.width(), plan.columns().size()));
      }
      if (written == plan.rows()) {
        throw new IllegalStateException(
            "trajectory %s has its %d samples"
                .formatted(plan.trajectories().get(trajectory), written));
      }
      try (Tensor values = Tensor.of(row, row.length)) {
        for (long at = 0; at < values.bytes(); ) {
          int chunk = (int) Math.min(values.bytes() - at, 1 << 24);
          rows.write(values.buffer(at, chunk));
          at += chunk;
        }
      }
      lines.append(
          Arrays.stream(columns)
              .mapToObj(Double::toString)
              .collect(Collectors.joining(",", "\n", "")));
      written++;
    }

    /** Makes the trajectory one of the store. */
    public void commit() throws IOException {
      if (written != plan.rows()) {
        throw new IllegalStateException(
            "trajectory %s has %d of its %d samples"
                .formatted(plan.trajectories().get(trajectory), written, plan.rows()));
      }
      rows.commit();
      write(path(trajectory, ".csv"), lines.append('\n').toString());
      take(trajectory);
    }

    @Override
    public void close() throws IOException {
      rows.close();
    }
  }

  @Override
  public synchronized long samples() {
    return (long) parts.size() * plan.rows();
  }

  @Override
  public long width() {
    return plan.width();
  }

  @Override
  public DType dtype() {
    return DType.F32;
  }

  @Override
  public void read(long sample, long from, long to, Tensor into, Workspace ws) throws IOException {
    read(Math.toIntExact(sample), from, to, into);
  }

  private synchronized void read(int sample, long from, long to, Tensor into) throws IOException {
    long begin = sample % plan.rows() * plan.width();
    part(sample).rows().readRange(begin + from, begin + to, into);
  }

  private synchronized Part part(int sample) {
    if (sample < 0 || sample >= samples()) {
      throw new IllegalArgumentException(
          "there is no sample %d of %d in %s".formatted(sample, samples(), folder));
    }
    return List.copyOf(parts.values()).get(sample / plan.rows());
  }

  /** A sample: theta - theta*, P numbers. */
  public float[] row(int sample) throws IOException {
    try (Tensor row = Tensor.allocate(DType.F32, plan.width())) {
      read(sample, 0, plan.width(), row);
      return row.toFloatArray();
    }
  }

  /**
   * A column of the table.
   *
   * @return for every sample
   */
  public synchronized double[] column(String name) {
    int column = plan.columns().indexOf(name);
    if (column < 0) {
      throw new IllegalArgumentException(
          "no column %s; there are %s".formatted(Names.quote(name), plan.columns()));
    }
    return parts.values().stream()
        .flatMap(part -> Arrays.stream(part.table()))
        .mapToDouble(line -> line[column])
        .toArray();
  }

  /** Some of the samples, in the order given; a view, for which this must stay open. */
  public SampleRows select(int... samples) {
    Arrays.stream(samples).forEach(this::part);
    return new SampleRows() {
      @Override
      public long samples() {
        return samples.length;
      }

      @Override
      public long width() {
        return plan.width();
      }

      @Override
      public DType dtype() {
        return DType.F32;
      }

      @Override
      public void read(long sample, long from, long to, Tensor into, Workspace ws)
          throws IOException {
        SampleStore.this.read(samples[(int) sample], from, to, into);
      }
    };
  }

  @Override
  public synchronized void close() {
    parts.values().forEach(part -> part.rows().close());
    parts.clear();
  }
}
