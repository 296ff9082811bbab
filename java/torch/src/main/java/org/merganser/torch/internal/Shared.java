// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.Device;
import org.merganser.internal.kernel.Block;

/**
 * Tensors of ours that libtorch reads and writes in place: they stay until this is closed, whoever
 * closes them. Opened inside {@link Libtorch#call}.
 */
public final class Shared implements AutoCloseable {
  private final List<Block> blocks = new ArrayList<>();
  private final Set<Device> devices = EnumSet.noneOf(Device.class);
  private final Map<String, Tensor> views = new LinkedHashMap<>();

  public Shared(Map<String, org.merganser.linalg.Tensor> ours) {
    try {
      ours.forEach(this::add);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /** One tensor; see {@link #only}. */
  public Shared(org.merganser.linalg.Tensor ours) {
    this(Map.of("", ours));
  }

  @SuppressWarnings("try")
  private void add(String name, org.merganser.linalg.Tensor ours) {
    Block block = Block.of(ours);
    block.acquire();
    blocks.add(block);
    devices.add(ours.memory().device());
    try (PointerScope scope = new PointerScope()) {
      Tensor view = Bridge.share(ours);
      // Outlives the scope, which takes what was made on the way.
      view.retainReference();
      views.put(name, view);
    }
  }

  /** By their names, in order. */
  public Map<String, Tensor> all() {
    return Collections.unmodifiableMap(views);
  }

  public Tensor only() {
    return views.get("");
  }

  @Override
  public void close() {
    // What libtorch has begun to write must not reach memory that is free.
    devices.forEach(Placement::finish);
    views.values().forEach(Tensor::close);
    views.clear();
    blocks.forEach(Block::release);
    blocks.clear();
  }
}
