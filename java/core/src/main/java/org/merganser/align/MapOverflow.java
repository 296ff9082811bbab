// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * Refuses finite parameters that a map takes out of the range of their type. What is not finite in
 * the model itself is passed on.
 */
final class MapOverflow {
  private static final long TILE = 1 << 20;

  private final Alignment alignment;
  private final Checkpoint source;

  /** Tensors with values that are not finite before they are mapped. */
  private final Set<String> given = ConcurrentHashMap.newKeySet();

  MapOverflow(Alignment alignment, Checkpoint source) {
    this.alignment = alignment;
    this.source = source;
  }

  /**
   * @param mapped some of the tensor, mapped
   * @throws NumericalException when it has other values than finite ones and the source has none
   */
  void check(String name, Tensor mapped, Workspace ws) throws IOException {
    if (isFinite(mapped, ws) || given.contains(name)) {
      return;
    }
    if (isFinite(name, ws)) {
      List<String> spaces =
          alignment.architecture().bindings(name).stream().map(axis -> axis.space().id()).toList();
      throw new NumericalException(
          Names.quote(name)
              + " "
              + source.info(name)
              + ": finite, and beyond the range of "
              + mapped.dtype()
              + " once it is mapped (spaces "
              + spaces
              + "); read the model in a wider type (--dtype, Checkpoint.as), or look at the maps"
              + " (inspect)");
    }
    given.add(name);
  }

  private boolean isFinite(String name, Workspace ws) throws IOException {
    long size = source.info(name).size();
    long tile = source.tile(name, TILE);
    for (long from = 0; from < size; from += tile) {
      long[] part = {Math.min(size, from + tile) - from};
      try (Tensor stored = Tensor.allocate(source.info(name).dtype(), part, ws)) {
        source.readRange(name, from, from + part[0], stored, ws);
        if (!isFinite(stored, ws)) {
          return false;
        }
      }
    }
    return true;
  }

  private static boolean isFinite(Tensor part, Workspace ws) {
    return Kernels.of(ws).tensors().nonFinite(part.dtype().code(), part.size(), Block.of(part))[0]
        == 0;
  }
}
