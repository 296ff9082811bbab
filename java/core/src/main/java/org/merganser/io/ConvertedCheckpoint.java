// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/**
 * A checkpoint whose F64, F32, F16 and BF16 tensors are read as one type, rounded to nearest even;
 * others stay. A view: closing it closes nothing.
 */
final class ConvertedCheckpoint implements Checkpoint {
  private final Checkpoint source;
  private final DType dtype;
  private final Map<String, TensorInfo> tensors;

  private ConvertedCheckpoint(Checkpoint source, DType dtype) {
    this.source = source;
    this.dtype = dtype;
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    source
        .tensors()
        .forEach(
            (name, info) ->
                infos.put(
                    name,
                    info.dtype().isArithmetic() ? new TensorInfo(dtype, info.shape()) : info));
    this.tensors = Collections.unmodifiableMap(infos);
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
    return new ConvertedCheckpoint(source, dtype);
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public Map<String, String> metadata() {
    return source.metadata();
  }

  @Override
  public Set<String> stale() {
    return source.stale();
  }

  /**
   * @throws NumericalException when a finite value is beyond the range of the type
   */
  @Override
  public void read(String name, Tensor into, Workspace ws) throws IOException {
    TensorInfo info = info(name);
    into.require("target of " + Names.quote(name), info.dtype(), info.dims());
    if (source.info(name).equals(info)) {
      source.read(name, into, ws);
      return;
    }
    try (Tensor stored = source.readOn(name, ws)) {
      long beyond = into.convertFrom(stored, ws);
      if (beyond > 0) {
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
    }
  }

  @Override
  public String toString() {
    return source + " as " + dtype;
  }
}
