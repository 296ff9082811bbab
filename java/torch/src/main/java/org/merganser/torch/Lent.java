// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Tensor;

/**
 * Tensors of ours that libtorch reads in place: they stay until this is closed, whoever closes
 * them.
 */
final class Lent implements AutoCloseable {
  private final List<Block> blocks = new ArrayList<>();

  Lent(Collection<Tensor> tensors) {
    try {
      for (Tensor tensor : tensors) {
        Block.of(tensor).acquire();
        blocks.add(Block.of(tensor));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  @Override
  public void close() {
    blocks.forEach(Block::release);
    blocks.clear();
  }
}
