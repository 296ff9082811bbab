// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.io.FileBytes;
import org.merganser.linalg.Tensor;

/** What readings of tensors share. */
final class Reads {
  private Reads() {}

  /** Fills a new tensor, which is closed when that fails. */
  static Tensor into(Tensor tensor, Checkpoint checkpoint, String name, Workspace ws)
      throws IOException {
    try {
      checkpoint.read(name, tensor, ws);
      return tensor;
    } catch (IOException | RuntimeException | Error e) {
      tensor.close();
      throw e;
    }
  }

  /** Reads bytes of a file: into a tensor on the host, or through one. */
  static void file(FileBytes file, long begin, Tensor into, Workspace ws) throws IOException {
    if (into.memory().device() == Device.HOST) {
      file.read(begin, into.memory().slice(0, into.bytes()));
      return;
    }
    try (Tensor host = Tensor.allocate(into.dtype(), into.shape())) {
      file.read(begin, host.memory());
      into.copyFrom(host, ws);
    }
  }
}
