// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Device;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Natives;
import org.merganser.linalg.Tensor;

/** Tensors as another library lends them. */
public final class Lent {
  private Lent() {}

  /** Whether device memory is that of the fake device, whose streams are addresses of it. */
  public static boolean onFakeDevice(Workspace ws) {
    return ws.device() == Device.CUDA && Natives.cudaDevice().contains("fake device");
  }

  /** A view of a tensor of which a library is said to work on the stream. */
  public static Tensor on(long stream, Tensor tensor) {
    Memory own = tensor.memory();
    return Tensor.over(
        Memory.wrap(own.address(), own.bytes(), own.device(), stream, own),
        tensor.dtype(),
        tensor.shape());
  }

  /** On the default stream. */
  public static Tensor view(Tensor tensor) {
    return Tensor.wrap(
        tensor.address(), tensor.dtype(), tensor.shape(), tensor.memory().device(), tensor);
  }
}
