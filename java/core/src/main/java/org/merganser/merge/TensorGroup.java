// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Access;
import org.merganser.merge.TensorMerger.Statistic;
import org.merganser.merge.TensorMerger.Tile;

/** The tensors of one name in the models of a problem, the base after them, read in tiles. */
final class TensorGroup implements TensorMerger.Group {
  /** Elements of a tile. Sums over a tensor are formed tile by tile: it is part of results. */
  static final long TILE = 1 << 20;

  /** Elements for one thread, of all models about what the caches of its core hold. */
  static final long CACHED = 1 << 17;

  /** Bytes of a line of the caches. */
  private static final long LINE = 64;

  private final MergeProblem problem;
  private final String name;
  private final TensorMerger method;
  private final List<Checkpoint> inputs;
  private final TensorInfo info;

  /** Of each model, in the type that is computed in; none where the method reads them otherwise. */
  private final List<Checkpoint> weighing = new ArrayList<>();

  /** Whether {@link #tiles} has seen every element of every model. */
  private boolean seenWhole;

  /** Leads from where a value is read to where it is known what that means. */
  static final class NotFinite extends RuntimeException {
    private static final long serialVersionUID = 1;

    NotFinite() {
      super(null, null, false, false);
    }
  }

  /**
   * @param inputs the models, and the base after them
   */
  TensorGroup(MergeProblem problem, List<Checkpoint> inputs, String name, TensorMerger method) {
    this.problem = problem;
    this.name = name;
    this.method = method;
    this.inputs = inputs;
    this.info = inputs.get(0).info(name);
    boolean fisher = method.needs().importance() == Merger.Importance.FISHER;
    if (fisher && !importances().isEmpty()) {
      problem.importances().forEach(each -> weighing.add(each.as(wide())));
    }
  }

  private DType wide() {
    return info.dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  @Override
  public List<TensorInfo> importances() {
    return problem.importances().stream()
        .map(each -> each.tensors().get(name))
        .filter(found -> found != null)
        .toList();
  }

  @Override
  public Tensor importance(int k, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Tensor found = opened.add(problem.importances().get(k).readOn(name, ws));
      requireImportance(found, k, ws);
      Tensor converted = found.dtype() == DType.F64 ? found : opened.add(found.to(DType.F64, ws));
      opened.release();
      if (converted != found) {
        found.close();
      }
      return converted;
    }
  }

  private void requireImportance(Tensor part, int k, Workspace ws) {
    long[] found = nonFinite(part, ws);
    if (found[0] > 0) {
      throw new NumericalException(
          "the importance of model %d: %s holds values that are not finite; measure it anew"
              .formatted(k, Names.quote(name)));
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public TensorInfo info() {
    return info;
  }

  @Override
  public int models() {
    return problem.models().size();
  }

  /** Elements of a row; a vector is one. */
  static long row(TensorInfo info) {
    long row = info.rank() < 2 ? info.size() : Tensor.size(tail(info));
    return Math.max(1, row);
  }

  /**
   * Elements to merge at once. No more than the caches hold, so that a part of a tensor costs its
   * share of the whole: larger buffers also cost the pages that they are made of, each time.
   */
  static long tile(Workspace ws) {
    return ws.device() == Device.HOST ? Math.min(TILE, CACHED * ws.threads()) : TILE;
  }

  private static long[] tail(TensorInfo info) {
    return Arrays.copyOfRange(info.dims(), 1, info.rank());
  }

  @Override
  public void tiles(Statistic statistic, Workspace ws) throws IOException {
    tiles(TILE, statistic, ws);
  }

  @Override
  public void rows(Statistic statistic, Workspace ws) throws IOException {
    long row = row(info);
    tiles(Math.max(1, TILE / row) * row, statistic, ws);
  }

  /** Whether everything was seen, and so was finite, by a method that lets nothing else pass. */
  boolean wasSeenWhole() {
    return seenWhole;
  }

  private void tiles(long tile, Statistic statistic, Workspace ws) throws IOException {
    seenWhole |= pass(tile, statistic, ws);
  }

  private boolean pass(long tile, Statistic statistic, Workspace ws) throws IOException {
    long block = 1;
    for (Checkpoint input : inputs) {
      block = Math.max(block, input.block(name));
    }
    if (block <= tile) {
      return each(0, info.size(), tile, 0, Access.ELEMENTS, true, statistic, ws);
    }
    // Blocks that are larger than a tile would be computed again for each.
    return each(
        0,
        info.size(),
        Math.max(1, info.size()),
        0,
        Access.ELEMENTS,
        true,
        all -> {
          for (long from = 0; from < info.size() && !statistic.enough(); from += tile) {
            try (Opened parts = new Opened()) {
              long begin = from;
              long end = Math.min(info.size(), from + tile);
              Tile part = all.map(each -> parts.add(each.rows(begin, end)));
              statistic.add(new Tile(begin, part.models(), part.base(), part.importances()));
            }
          }
        },
        ws);
  }

  /**
   * Goes through a range in tiles of the method's shape.
   *
   * @param like where results go: what is read lies to the lines of the caches as that does
   * @param checks whether what is read must be finite; importances must be always
   */
  void each(long from, long to, long tile, Tensor like, boolean checks, Statistic use, Workspace ws)
      throws IOException {
    long lead = like.address() % LINE / info.dtype().bytes(1);
    each(from, to, tile, lead, method.access(this), checks, use, ws);
  }

  /** Returns whether it came to the end: a use may need no more. */
  private boolean each(
      long from,
      long to,
      long tile,
      long lead,
      Access access,
      boolean checks,
      Statistic use,
      Workspace ws)
      throws IOException {
    // One allocation for all models, each so many elements after the beginning of a line.
    long most = (lead + Math.min(tile, to - from) + LINE - 1) / LINE * LINE;
    long[] all = {inputs.size() * most};
    long[] allWeighing = {weighing.size() * most};
    try (Tensor buffer = Tensor.allocate(info.dtype(), all, ws);
        Tensor weights = weighing.isEmpty() ? null : Tensor.allocate(wide(), allWeighing, ws)) {
      long begin = from;
      // Models are read even where there is nothing: of closed ones that is refused.
      do {
        ws.cancellation().check();
        long end = Math.min(to, begin + tile);
        try (Opened parts = new Opened()) {
          List<Tensor> read = new ArrayList<>();
          for (int k = 0; k < inputs.size(); k++) {
            Tensor part = parts.add(rows(buffer, k * most + lead, end - begin));
            inputs.get(k).readRange(name, begin, end, part, ws);
            if (checks) {
              requireFinite(part, ws);
            }
            read.add(parts.add(part.reshape(shape(access, end - begin))));
          }
          List<Tensor> importances = new ArrayList<>();
          for (int k = 0; k < weighing.size(); k++) {
            Tensor part = parts.add(rows(weights, k * most, end - begin));
            weighing.get(k).readRange(name, begin, end, part, ws);
            requireImportance(part, k, ws);
            importances.add(parts.add(part.reshape(shape(access, end - begin))));
          }
          Optional<Tensor> base = problem.base().map(b -> read.get(models()));
          use.add(new Tile(begin, read.subList(0, models()), base, importances));
        }
        begin += tile;
      } while (begin < to && !use.enough());
      return begin >= to;
    }
  }

  private static Tensor rows(Tensor buffer, long from, long elements) {
    return buffer.rows(from, from + elements);
  }

  private long[] shape(Access access, long elements) {
    if (access == Access.WHOLE) {
      return info.dims();
    }
    if (access == Access.ELEMENTS) {
      return new long[] {elements};
    }
    long row = row(info);
    if (info.rank() < 2) {
      return new long[] {elements / row, row};
    }
    long[] shape = info.dims();
    shape[0] = elements / row;
    return shape;
  }

  @Override
  public Tensor model(int k, Workspace ws) throws IOException {
    return whole(problem.models().get(k), ws);
  }

  @Override
  public Tensor base(Workspace ws) throws IOException {
    return whole(problem.base().orElseThrow(), ws);
  }

  private Tensor whole(Checkpoint input, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Tensor tensor = opened.add(input.readOn(name, ws));
      requireFinite(tensor, ws);
      opened.release();
      return tensor;
    }
  }

  private void requireFinite(Tensor part, Workspace ws) {
    if (!method.propagates() && nonFinite(part, ws)[0] > 0) {
      throw new NotFinite();
    }
  }

  /** The same of all models and the base, whatever the method lets pass. */
  static void requireFinite(Tile tile, Workspace ws) {
    tile.map(
        part -> {
          if (nonFinite(part, ws)[0] > 0) {
            throw new NotFinite();
          }
          return part;
        });
  }

  /** Number of non-finite values and index of the first. */
  static long[] nonFinite(Tensor part, Workspace ws) {
    return Kernels.of(ws).tensors().nonFinite(part.dtype().code(), part.size(), Block.of(part));
  }

  /** What is wrong, with the numbers of the whole tensor of the first model that is. */
  NumericalException notFinite(Workspace ws) throws IOException {
    return NonFiniteInput.of(name, inputs, models(), ws);
  }

  /**
   * A buffer such as a causal mask holds infinities on purpose. When all models have the same
   * bytes, these are what they give; NaN and what differs stays an error.
   */
  boolean isMask(Workspace ws) throws IOException {
    long tile = inputs.get(0).tile(name, TILE);
    for (long from = 0; from < info.size(); from += tile) {
      try (Tensor part = reference(from, Math.min(info.size(), from + tile), ws)) {
        for (long i = 0; i < part.size(); i++) {
          if (Double.isNaN(part.get(i))) {
            return false;
          }
        }
      }
    }
    return differing(ws) == 0;
  }

  /** A range of the first model, on the host. */
  Tensor reference(long from, long to, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Tensor part = opened.add(Tensor.allocate(info.dtype(), to - from));
      inputs.get(0).readRange(name, from, to, part, ws);
      opened.release();
      return part;
    }
  }

  /** The end of the run of units from an element of {@code part} on that are finite, or not. */
  long run(Tensor part, long from) {
    long unit = unit();
    boolean finite = isFinite(part, from, unit);
    long to = from + unit;
    while (to < part.size() && isFinite(part, to, unit) == finite) {
      to += unit;
    }
    return Math.min(to, part.size());
  }

  /** Whether the elements that a result depends on, from one of {@code part} on, are finite. */
  boolean isFinite(Tensor part, long from) {
    return isFinite(part, from, unit());
  }

  private long unit() {
    return switch (method.access(this)) {
      case ELEMENTS -> 1;
      case ROWS -> row(info);
      case WHOLE -> Math.max(1, info.size());
    };
  }

  private static boolean isFinite(Tensor part, long from, long unit) {
    for (long i = from; i < Math.min(part.size(), from + unit); i++) {
      if (!Double.isFinite(part.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** A model that has other bytes than the reference, or 0; the base is the last. */
  int differing(Workspace ws) throws IOException {
    long tile = 1;
    for (Checkpoint input : inputs) {
      tile = Math.max(tile, input.tile(name, TILE));
    }
    for (long from = 0; from < info.size(); from += tile) {
      long to = Math.min(info.size(), from + tile);
      try (Tensor first = reference(from, to, ws);
          Tensor other = Tensor.allocate(info.dtype(), to - from)) {
        for (int k = 1; k < inputs.size(); k++) {
          inputs.get(k).readRange(name, from, to, other, ws);
          if (!other.sameBytes(first)) {
            return k;
          }
        }
      }
    }
    return 0;
  }
}
