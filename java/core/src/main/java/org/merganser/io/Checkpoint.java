// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/**
 * The parameters of a network: an ordered map from names to tensors. It may be a file, tensors in
 * memory, or a view that computes what is asked when it is asked (an aligned or merged model).
 * Concurrent reads are allowed, each with its own Workspace. Interrupting a thread does not disturb
 * the reads and writes of files: they are done, and it stays interrupted ({@link
 * org.merganser.compute.Cancellation} stops work). Reads of what was closed, before or meanwhile,
 * are an {@link IllegalStateException}.
 */
public interface Checkpoint extends AutoCloseable {

  /** Names in order, with type and shape; unmodifiable. */
  Map<String, TensorInfo> tensors();

  /**
   * Reads elements {@code from} (included) to {@code to} (excluded) of a tensor in row-major order:
   * what all other readings consist of. Elements of less than a byte are read in whole bytes.
   *
   * <p>{@link #block} says what is read at once. Views extend {@link CheckpointView}.
   *
   * @param into receives them, on whichever device; of the tensor's type and of any shape of so
   *     many elements
   */
  void readRange(String name, long from, long to, Tensor into, Workspace ws) throws IOException;

  /**
   * How many elements belong together: a range between two multiples of it (or the end) costs what
   * it is, any other what the blocks cost that it touches. 1 for a file, a row where rows are
   * mixed, the whole tensor where each element depends on all. A product of the last dimensions, or
   * a power of two of them, so that of two blocks of a shape the larger is a multiple of the other.
   */
  default long block(String name) {
    return Math.max(1, info(name).size());
  }

  /** Whole blocks, about as many elements as wanted: by which to go through a tensor. */
  default long tile(String name, long wanted) {
    long block = block(name);
    return Math.max(block, wanted / block * block);
  }

  /** What it takes to make a tensor: what plans consist of. Views add what they need themselves. */
  default TensorCost cost(String name) {
    return TensorCost.stored(info(name).bytes());
  }

  /**
   * Reads one tensor.
   *
   * @param into receives it, on whichever device; its type and shape must be those of {@link #info}
   */
  default void read(String name, Tensor into, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    readRange(name, 0, info.size(), into, ws);
  }

  /** String metadata kept beside the tensors; unmodifiable. */
  default Map<String, String> metadata() {
    return Map.of();
  }

  /**
   * Buffers, such as running statistics under a dense map, that no longer describe the model and
   * must be recomputed before it is evaluated.
   */
  default Set<String> stale() {
    return Set.of();
  }

  /** Closes files this has opened. A view does not close what it looks at. */
  @Override
  default void close() {}

  /**
   * Type and shape of one tensor.
   *
   * @throws IncompatibleModelsException when there is none, naming the nearest
   */
  default TensorInfo info(String name) {
    TensorInfo info = tensors().get(name);
    if (info == null) {
      throw new IncompatibleModelsException(
          "missing tensor", List.of(Names.missing(name, tensors().keySet())));
    }
    return info;
  }

  /** Reads one tensor into new memory on the host. */
  default Tensor read(String name, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    return Reads.into(Tensor.allocate(info.dtype(), info.dims()), this, name, ws);
  }

  /** Reads one tensor into new memory where the Workspace computes. */
  default Tensor readOn(String name, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    return Reads.into(Tensor.allocate(info.dtype(), info.dims(), ws), this, name, ws);
  }

  /** Reads rows {@code from} (included) to {@code to} (excluded) of the first dimension. */
  default void readRows(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    TensorInfo info = info(name);
    long[] part = Ranges.rows(name, info, from, to);
    into.require("target of rows of " + Names.quote(name), info.dtype(), part);
    long row = info.dim(0) == 0 ? 0 : info.size() / info.dim(0);
    readRange(name, from * row, to * row, into, ws);
  }

  /**
   * A view whose F64, F32, F16 and BF16 tensors are read as one type, rounded to nearest even; a
   * finite value beyond its range is an error. Closing it closes nothing.
   *
   * @param dtype F64, F32, F16 or BF16
   */
  default Checkpoint as(DType dtype) {
    return ConvertedCheckpoint.of(this, dtype);
  }

  /** A view of the tensors whose names {@code wanted} accepts. Closing it closes nothing. */
  default Checkpoint where(Predicate<String> wanted) {
    return SelectedCheckpoint.where(this, wanted);
  }

  /**
   * A view under other names. Closing it closes nothing.
   *
   * @param names new name by old name; others stay
   * @throws IncompatibleModelsException when two tensors would have one name
   */
  default Checkpoint renamed(Map<String, String> names) {
    return RenamedCheckpoint.of(this, names);
  }

  /**
   * A view without the prefixes that wrappers of a module put before names, such as {@code module.}
   * (DataParallel) and {@code _orig_mod.} (torch.compile); other names stay. Closing it closes
   * nothing.
   *
   * @param prefixes of each name the first that it begins with is taken off
   * @throws IncompatibleModelsException when two tensors would have one name
   */
  default Checkpoint withoutPrefix(List<String> prefixes) {
    return RenamedCheckpoint.withoutPrefix(this, prefixes);
  }

  /** Number of elements of all tensors. */
  default long parameters() {
    return tensors().values().stream().mapToLong(TensorInfo::size).sum();
  }
}
