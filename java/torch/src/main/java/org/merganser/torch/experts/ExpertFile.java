// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.merganser.internal.Opened;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.lora.LoraAdapter;
import org.merganser.model.EarlyStopping.HeldOut;
import org.merganser.torch.experts.Expert.Kept;
import org.merganser.torch.experts.Expert.Scores;
import org.merganser.torch.experts.Expert.Watched;

/**
 * An expert as tensors, so that it is kept as any model is: {@code kept/STEP/NAME}, {@code
 * best/STEP/NAME}, {@code watched/STEP}, and F64 of losses [steps], scores [kept and best x 4] and
 * evaluations [n x 2].
 *
 * @param digests of the base, for adapters
 */
record ExpertFile(String task, Optional<LoraAdapter.Settings> lora, Map<String, String> digests) {
  private static final String KEPT = "kept/";
  private static final String BEST = "best/";
  private static final String WATCHED = "watched/";
  private static final String LOSSES = "losses";
  private static final String SCORES = "scores";
  private static final String HELD_OUT = "heldOut";

  /** What is kept after a step, with the adapter that the tensors are. */
  Kept kept(long step, Map<String, Tensor> tensors, Scores train, Scores heldOut) {
    MemoryCheckpoint trained =
        MemoryCheckpoint.of(tensors, lora.isPresent() ? digests : Map.of(), Set.of());
    Optional<LoraAdapter> adapter =
        lora.map(
            settings ->
                LoraAdapter.of(
                    new LoraAdapter.Settings(
                        task + " after " + step + " steps",
                        settings.base(),
                        settings.rank(),
                        settings.alpha(),
                        settings.rootOfRank()),
                    trained));
    return new Kept(step, trained, adapter, train, heldOut);
  }

  /**
   * Tensors of the expert, which goes on to own them, and new ones.
   *
   * @param made gets those
   */
  MemoryCheckpoint pack(Expert expert, Opened made) {
    Map<String, Tensor> all = new LinkedHashMap<>();
    List<Double> scores = new ArrayList<>();
    expert.kept().forEach(kept -> add(KEPT, kept, all, scores));
    expert.best().ifPresent(kept -> add(BEST, kept, all, scores));
    expert.watched().forEach(w -> all.put(WATCHED + w.step(), w.probabilities()));
    all.put(LOSSES, made.add(doubles(expert.losses(), expert.losses().size())));
    all.put(SCORES, made.add(doubles(scores, scores.size() / 4, 4)));
    List<Double> evaluations = new ArrayList<>();
    for (HeldOut each : expert.heldOut()) {
      evaluations.add((double) each.step());
      evaluations.add(each.score());
    }
    if (!evaluations.isEmpty()) {
      all.put(HELD_OUT, made.add(doubles(evaluations, evaluations.size() / 2, 2)));
    }
    return MemoryCheckpoint.of(all);
  }

  private static void add(String prefix, Kept kept, Map<String, Tensor> all, List<Double> scores) {
    kept.tensors()
        .tensors()
        .keySet()
        .forEach(name -> all.put(prefix + kept.step() + "/" + name, kept.tensors().tensor(name)));
    scores.addAll(
        List.of(
            kept.train().loss(),
            kept.train().accuracy(),
            kept.heldOut().loss(),
            kept.heldOut().accuracy()));
  }

  private static Tensor doubles(List<Double> values, long... shape) {
    return Tensor.of(values.stream().mapToDouble(Double::doubleValue).toArray(), shape);
  }

  /** The expert of the tensors, which it owns from then on. */
  Expert unpack(MemoryCheckpoint packed) {
    try (Opened opened = new Opened()) {
      opened.add(packed);
      Map<Long, Map<String, Tensor>> kept = new TreeMap<>();
      Map<Long, Map<String, Tensor>> best = new TreeMap<>();
      Map<Long, Tensor> watched = new TreeMap<>();
      for (String name : packed.tensors().keySet()) {
        String[] parts = name.split("/", 3);
        if (name.startsWith(WATCHED)) {
          watched.put(Long.valueOf(parts[1]), packed.tensor(name));
        } else if (parts.length == 3) {
          (name.startsWith(KEPT) ? kept : best)
              .computeIfAbsent(Long.valueOf(parts[1]), s -> new LinkedHashMap<>())
              .put(parts[2], packed.tensor(name));
        }
      }
      double[] scores = values(packed, SCORES);
      List<Kept> all = new ArrayList<>();
      kept.forEach((step, tensors) -> all.add(kept(step, tensors, scores, all.size())));
      Optional<Kept> last =
          best.entrySet().stream()
              .findFirst()
              .map(each -> kept(each.getKey(), each.getValue(), scores, all.size()));
      List<Double> losses = new ArrayList<>();
      for (double loss : values(packed, LOSSES)) {
        losses.add(loss);
      }
      List<HeldOut> heldOut = new ArrayList<>();
      if (packed.tensors().containsKey(HELD_OUT)) {
        double[] each = values(packed, HELD_OUT);
        for (int i = 0; i < each.length; i += 2) {
          heldOut.add(new HeldOut((long) each[i], each[i + 1]));
        }
      }
      List<Watched> seen = new ArrayList<>();
      watched.forEach((step, probabilities) -> seen.add(new Watched(step, probabilities)));
      opened.release();
      return new Expert(task, all, last, losses, heldOut, seen);
    }
  }

  /** Of a tensor that is no part of the expert, which ends here. */
  private static double[] values(MemoryCheckpoint packed, String name) {
    try (Tensor tensor = packed.tensor(name)) {
      return tensor.toDoubleArray();
    }
  }

  private Kept kept(long step, Map<String, Tensor> tensors, double[] scores, int row) {
    return kept(
        step,
        tensors,
        new Scores(scores[4 * row], scores[4 * row + 1]),
        new Scores(scores[4 * row + 2], scores[4 * row + 3]));
  }
}
