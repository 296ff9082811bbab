// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/** A checkpoint that counts what is read of it, and what memory was in use when it was. */
public final class Counted implements Checkpoint {
  private final Checkpoint source;
  private final AtomicLong elements = new AtomicLong();
  private long most;

  public Counted(Checkpoint source) {
    this.source = source;
  }

  /** Elements read so far. */
  public long elements() {
    return elements.get();
  }

  /** Most bytes of native memory in use during a reading. */
  public long mostBytes() {
    return most;
  }

  @Override
  public Map<String, TensorInfo> tensors() {
    return source.tensors();
  }

  @Override
  public Map<String, String> metadata() {
    return source.metadata();
  }

  @Override
  public Set<String> stale() {
    return source.stale();
  }

  @Override
  public void readRange(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    elements.addAndGet(to - from);
    most = Math.max(most, Natives.allocatedBytes());
    source.readRange(name, from, to, into, ws);
  }

  @Override
  public long block(String name) {
    return source.block(name);
  }
}
