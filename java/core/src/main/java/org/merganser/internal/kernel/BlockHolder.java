// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

/**
 * What lies outside the heap: memory and tensors. Their bytes as native routines take them are not
 * in their API: the rest of the library reaches them through {@link Block#of} and {@link
 * Block#view(BlockHolder, long, int)}.
 */
public abstract class BlockHolder {
  protected abstract Block block();

  /** A buffer over a part, on the host, for a while; the range is checked. */
  protected abstract Block.View view(long offset, int length);
}
