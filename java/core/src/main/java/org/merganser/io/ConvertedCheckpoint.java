// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/**
 * A checkpoint whose F64, F32, F16 and BF16 tensors are read as one type, rounded to nearest even;
 * others stay. A view: closing it closes nothing.
 */
final class ConvertedCheckpoint extends CheckpointView {
  /** Elements that are converted at once. */
  private static final long TILE = 1 << 20;

  private final Checkpoint source;
  private final DType dtype;

  private ConvertedCheckpoint(Checkpoint source, DType dtype, Map<String, TensorInfo> tensors) {
    super(tensors, List.of(source));
    this.source = source;
    this.dtype = dtype;
  }

  /**
   * A view of {@code source}.
   *
   * @param dtype F64, F32, F16 or BF16
   */
  static ConvertedCheckpoint of(Checkpoint source, DType dtype) {
    if (!dtype.isArithmetic()) {
      throw new IllegalArgumentException(
          "cannot convert to " + dtype + "; F64, F32, F16 and BF16 are computed in");
    }
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    source
        .tensors()
        .forEach(
            (name, info) ->
                infos.put(
                    name,
                    info.dtype().isArithmetic() ? new TensorInfo(dtype, info.shape()) : info));
    return new ConvertedCheckpoint(source, dtype, infos);
  }

  /**
   * @throws NumericalException when a finite value is beyond the range of the type
   */
  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    if (source.info(name).dtype() == into.dtype()) {
      source.readRange(name, from, to, into, ws);
    } else if (convert(name, from, to, into, ws) > 0) {
      refuse(name, ws);
    }
  }

  /** Returns how many finite values became infinite. */
  private long convert(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    long tile = source.tile(name, TILE);
    long beyond = 0;
    long begin = from;
    do {
      long end = Math.min(to, begin + tile);
      try (Tensor stored =
              Tensor.allocate(source.info(name).dtype(), new long[] {end - begin}, ws);
          Tensor part = part(into, begin - from, end - from)) {
        source.readRange(name, begin, end, stored, ws);
        beyond += part.convertFrom(stored, ws);
      }
      begin += tile;
    } while (begin < to);
    return beyond;
  }

  /** Counts in the whole tensor, whichever part was asked for. */
  private void refuse(String name, Workspace ws) throws IOException {
    TensorInfo stored = source.info(name);
    long tile = source.tile(name, TILE);
    long beyond = 0;
    for (long from = 0; from < stored.size(); from += tile) {
      long to = Math.min(stored.size(), from + tile);
      try (Tensor part = Tensor.allocate(dtype, new long[] {to - from}, ws)) {
        beyond += convert(name, from, to, part, ws);
      }
    }
    throw new NumericalException(
        Names.quote(name)
            + " "
            + stored
            + ": "
            + beyond
            + " values are beyond the range of "
            + dtype
            + "; convert to "
            + (dtype == DType.F16 ? "BF16 or F32" : dtype == DType.BF16 ? "F32" : "F64")
            + " instead");
  }

  @Override
  public String toString() {
    return source + " as " + dtype;
  }
}
