// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.NpState;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.model.Objective.Slot;

/**
 * An interrupted run of {@link NpMerger}: logits, moments, best logits and history, as safetensors.
 * A run that goes on from it ends with the same bytes as one that was not interrupted.
 */
final class NpStateFile {
  private static final String FORMAT = "merganser.np-merge";
  private static final String VERSION = "2";
  private static final String BEST = "best";

  private final Path path;
  private final NpMerger.Options options;
  private final List<Slot> slots;
  private final long seed;

  NpStateFile(NpMerger.Options options, List<Slot> slots, long seed) {
    this.path = options.state().orElseThrow();
    this.options = options;
    this.slots = slots;
    this.seed = seed;
  }

  Path path() {
    return path;
  }

  void delete() throws IOException {
    Files.deleteIfExists(path);
  }

  /** Parts of the state that the optimiser has, by name. */
  private Map<String, Integer> parts() {
    Map<String, Integer> parts = new LinkedHashMap<>();
    parts.put("z", NpState.Z);
    if (options.optimizer() instanceof NpMerger.Optimizer.Adam) {
      parts.put("m", NpState.M);
      parts.put("v", NpState.V);
    } else if (options.optimizer() instanceof NpMerger.Optimizer.Sgd sgd && sgd.momentum() != 0) {
      parts.put("m", NpState.M);
    }
    return parts;
  }

  /** Everything that must be the same for a run to go on. */
  private String description(Fingerprint models) {
    return "form "
        + options.form()
        + ", granularity "
        + options.granularity()
        + ", optimizer "
        + options.optimizer()
        + ", initial coefficients "
        + options.initial()
        + ", pull "
        + options.pull()
        + ", limit "
        + options.limit()
        + ", seed "
        + seed
        + ", models "
        + models
        + ", parameters "
        + slots.stream()
            .map(slot -> slot.name() + " " + slot.info())
            .collect(Collectors.joining("; "));
  }

  void save(NpState np, NpHistory history, List<Tensor> best, Workspace ws) throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(FORMAT, VERSION);
    metadata.put("run", description(history.fingerprint()));
    metadata.put(
        "losses", history.losses().stream().map(String::valueOf).collect(Collectors.joining(" ")));
    metadata.put(
        "heldOut",
        history.stopping().evaluations().stream()
            .map(evaluation -> evaluation.step() + ":" + evaluation.score())
            .collect(Collectors.joining(" ")));
    Safetensors.write(new Parts(np, best), metadata, path, ws);
  }

  /**
   * Goes on from the file, when there is one.
   *
   * @param best gets the best logits, when the run had been evaluated on held-out data
   * @throws IncompatibleModelsException when the file is of another run
   */
  void load(NpState np, NpHistory history, List<Tensor> best, Workspace ws) throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    try (Checkpoint file = Safetensors.open(path)) {
      String version = file.metadata().get(FORMAT);
      if (!VERSION.equals(version)) {
        throw new FormatException(
            path
                + (version == null
                    ? ": no state of NP Merge"
                    : ": state of NP Merge of version " + version + ", read is " + VERSION)
                + "; name another file, or delete this one to start anew");
      }
      String wanted = description(history.fingerprint());
      String found = file.metadata().get("run");
      if (!wanted.equals(found)) {
        throw new IncompatibleModelsException(
            path + " is the state of another run; delete it to start anew",
            List.of("it has: " + found, "asked is: " + wanted));
      }
      List<Double> losses = words(file, "losses").map(Double::valueOf).toList();
      List<HeldOut> evaluations = words(file, "heldOut").map(NpStateFile::evaluation).toList();
      requireWhole(file, np, losses, evaluations);
      for (int s = 0; s < slots.size(); s++) {
        String name = slots.get(s).name();
        if (file.tensors().containsKey(BEST + "." + name)) {
          best.add(file.readOn(BEST + "." + name, ws));
          np.load(s, NpState.Z, best.get(s).size(), Block.of(best.get(s))); // checks its numbers
        }
        for (Map.Entry<String, Integer> part : parts().entrySet()) {
          try (Tensor resident = file.readOn(part.getKey() + "." + name, ws)) {
            np.load(s, part.getValue(), resident.size(), Block.of(resident));
          }
        }
      }
      history.losses().addAll(losses);
      evaluations.forEach(each -> history.stopping().add(each.step(), each.score()));
      np.resume(history.step());
    } catch (NumberFormatException | IndexOutOfBoundsException e) {
      throw damaged("numbers of its history cannot be read", e);
    } catch (IllegalArgumentException e) {
      throw damaged(e.getMessage(), e);
    }
  }

  /** Everything that the run will read or count by, before any of it is used. */
  private void requireWhole(
      Checkpoint file, NpState np, List<Double> losses, List<HeldOut> evaluations)
      throws FormatException {
    if (losses.size() > options.steps()) {
      throw damaged(
          losses.size() + " losses, but a run of " + options.steps() + " steps; run it for more",
          null);
    }
    long before = -1;
    for (HeldOut evaluation : evaluations) {
      if (evaluation.step() <= before || evaluation.step() > losses.size()) {
        throw damaged(
            "an evaluation on held-out data after step "
                + evaluation.step()
                + " of "
                + losses.size(),
            null);
      }
      before = evaluation.step();
    }
    List<String> needed = new ArrayList<>(parts().keySet());
    boolean found =
        evaluations.stream().anyMatch(evaluation -> Double.isFinite(evaluation.score()));
    if (found || slots.stream().anyMatch(s -> file.tensors().containsKey(BEST + "." + s.name()))) {
      needed.add(BEST);
    }
    for (int s = 0; s < slots.size(); s++) {
      TensorInfo wanted = TensorInfo.of(DType.F32, np.size(s));
      for (String part : needed) {
        String name = part + "." + slots.get(s).name();
        TensorInfo info = file.tensors().get(name);
        if (!wanted.equals(info)) {
          throw damaged(
              "tensor '"
                  + name
                  + "' is "
                  + (info == null ? "missing" : info)
                  + ", needed "
                  + wanted,
              null);
        }
      }
    }
  }

  private FormatException damaged(String what, Throwable cause) {
    return new FormatException(path + ": damaged: " + what + "; delete it to start anew", cause);
  }

  private static Stream<String> words(Checkpoint file, String key) {
    return Stream.of(file.metadata().getOrDefault(key, "").split(" "))
        .filter(word -> !word.isEmpty());
  }

  private static HeldOut evaluation(String text) {
    int colon = text.indexOf(':');
    return new HeldOut(
        Long.parseLong(text.substring(0, Math.max(0, colon))),
        Double.parseDouble(text.substring(colon + 1)));
  }

  /** The state as a checkpoint: a part is copied when it is read. */
  private final class Parts implements Checkpoint {
    private final NpState np;
    private final List<Tensor> best;
    private final Map<String, TensorInfo> infos = new LinkedHashMap<>();

    Parts(NpState np, List<Tensor> best) {
      this.np = np;
      this.best = best;
      for (int s = 0; s < slots.size(); s++) {
        TensorInfo info = TensorInfo.of(DType.F32, np.size(s));
        for (String part : parts().keySet()) {
          infos.put(part + "." + slots.get(s).name(), info);
        }
        if (!best.isEmpty()) {
          infos.put(BEST + "." + slots.get(s).name(), info);
        }
      }
    }

    @Override
    public Map<String, TensorInfo> tensors() {
      return infos;
    }

    /** The native state gives whole parts, which are the blocks. */
    @Override
    public void readRange(String name, long from, long to, Tensor into, Workspace ws) {
      long size = info(name).size();
      if (to - from == size) {
        copy(name, into, ws);
        return;
      }
      try (Tensor whole = Tensor.allocate(DType.F32, size);
          Tensor wanted = whole.rows(from, to);
          Tensor flat = into.reshape(to - from)) {
        copy(name, whole, ws);
        flat.copyFrom(wanted, ws);
      }
    }

    private void copy(String name, Tensor into, Workspace ws) {
      String part = name.substring(0, name.indexOf('.'));
      int slot = slot(name.substring(part.length() + 1));
      if (part.equals(BEST)) {
        into.copyFrom(best.get(slot), ws);
        return;
      }
      np.read(slot, parts().get(part), into.size(), Block.of(into));
    }

    private int slot(String name) {
      for (int s = 0; s < slots.size(); s++) {
        if (slots.get(s).name().equals(name)) {
          return s;
        }
      }
      throw new IllegalArgumentException("no slot '" + name + "'");
    }
  }
}
