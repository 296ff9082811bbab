// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import java.io.IOException;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/** Parameters as libtorch computes with them, where it computes. */
public final class Loading {
  private Loading() {}

  /**
   * A tensor as another type; new memory.
   *
   * @param device the host or that of the Workspace
   */
  public static Tensor as(DType dtype, Checkpoint theta, String name, Device device, Workspace ws)
      throws IOException {
    Tensor stored = device == Device.HOST ? theta.read(name, ws) : theta.readOn(name, ws);
    if (stored.dtype() == dtype) {
      return placed(stored, device, ws);
    }
    try (stored) {
      return placed(stored.to(dtype, ws), device, ws);
    }
  }

  /** A tensor that is given away, on a device. */
  public static Tensor placed(Tensor found, Device device, Workspace ws) {
    if (found.memory().device() == device) {
      return found;
    }
    try (found) {
      return device == Device.HOST ? found.toHost(ws) : found.on(ws);
    }
  }
}
