// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.linalg.Tensor;

/** A checkpoint under other names. A view: closing it closes nothing. */
final class RenamedCheckpoint extends CheckpointView {
  private final Checkpoint source;
  private final Map<String, String> sourceName;

  private RenamedCheckpoint(
      Checkpoint source, Map<String, String> sourceName, Map<String, TensorInfo> tensors) {
    super(tensors, List.of(source));
    this.source = source;
    this.sourceName = sourceName;
  }

  /**
   * A view of {@code source}.
   *
   * @param names new name by old name; others stay
   * @throws IncompatibleModelsException when two tensors would have one name
   */
  static RenamedCheckpoint of(Checkpoint source, Map<String, String> names) {
    Map<String, String> sourceName = new LinkedHashMap<>();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    List<String> problems = new ArrayList<>();
    source
        .tensors()
        .forEach(
            (name, info) -> {
              String renamed = names.getOrDefault(name, name);
              String other = sourceName.putIfAbsent(renamed, name);
              infos.put(renamed, info);
              if (other != null) {
                problems.add(
                    Names.quote(other)
                        + " and "
                        + Names.quote(name)
                        + " both become "
                        + Names.quote(renamed));
              }
            });
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("tensors cannot be renamed", problems);
    }
    return new RenamedCheckpoint(source, sourceName, infos);
  }

  /**
   * A view without the prefixes that wrappers of a module put before names, such as {@code module.}
   * (DataParallel) and {@code _orig_mod.} (torch.compile); other names stay.
   *
   * @param prefixes of each name the first that it begins with is taken off
   * @throws IncompatibleModelsException when two tensors would have one name
   */
  static RenamedCheckpoint withoutPrefix(Checkpoint source, List<String> prefixes) {
    Map<String, String> names = new LinkedHashMap<>();
    source.tensors().keySet().forEach(n -> names.put(n, Names.without(prefixes, n)));
    return of(source, names);
  }

  @Override
  public Set<String> stale() {
    Set<String> stale = new LinkedHashSet<>();
    Set<String> inSource = source.stale();
    sourceName.forEach(
        (renamed, name) -> {
          if (inSource.contains(name)) {
            stale.add(renamed);
          }
        });
    return stale;
  }

  @Override
  public long block(String name) {
    info(name);
    return source.block(sourceName.get(name));
  }

  @Override
  public TensorCost cost(String name) {
    info(name);
    return source.cost(sourceName.get(name));
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    source.readRange(sourceName.get(name), from, to, into, ws);
  }
}
