// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentSet;
import org.merganser.align.FeatureMap;
import org.merganser.align.NormRule;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Inputs;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.Repair;
import org.merganser.repair.RepairProblem;
import org.merganser.repair.RepairRescale;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

/** What aligned models are merged into, one row of the table each. */
final class AlignedMerges {
  private final CcaMergeOptions options;
  private final PairRuns runs;
  private final Stopwatch watch;
  private final Workspace ws;

  /** From maps to a model. */
  @FunctionalInterface
  interface Merge {
    MemoryCheckpoint of(PairRuns.Pair pair, AlignmentSet found) throws IOException;
  }

  AlignedMerges(CcaMergeOptions options, PairRuns runs, Workspace ws) {
    this.options = options;
    this.runs = runs;
    this.watch = runs.watch();
    this.ws = ws;
  }

  /** By id of the row, in order. */
  Map<String, Merge> rows(String aligner, TorchNetwork network) {
    Map<String, Merge> rows = new LinkedHashMap<>();
    rows.put(aligner, this::plain);
    if (options.repair() && network.batchNorms().isEmpty()) {
      Repair repair = RepairRescale.measured();
      rows.put(aligner + "+" + repair.id(), (pair, found) -> repaired(repair, pair, found));
    } else if (options.repair()) {
      for (BatchNormTreatment treatment : options.treatments()) {
        rows.put(
            treatment.row(aligner),
            switch (treatment) {
              case SPREAD -> (pair, found) -> reset(pair, found, NormRule.spread());
              case MAPPED -> (pair, found) -> reset(pair, found, NormRule.mapped());
              case REFERENCE ->
                  (pair, found) -> reset(pair, found, NormRule.reference(pair.models().get(0)));
              case FOLD -> this::folded;
            });
      }
    }
    return rows;
  }

  private MemoryCheckpoint plain(PairRuns.Pair pair, AlignmentSet found) throws IOException {
    List<Checkpoint> aligned = aligned(pair.models(), found.alignments(), NormRule.spread());
    try {
      return average(pair.network(), aligned);
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private MemoryCheckpoint repaired(Repair repair, PairRuns.Pair pair, AlignmentSet found)
      throws IOException {
    TorchNetwork network = pair.network();
    // REPAIR takes as many passes as there are layers, so it gets fewer images.
    Examples sample =
        options.settings().network().isConvolutional()
            ? pair.sample().first(Math.min(PairRuns.IMAGES, pair.sample().size()))
            : pair.sample();
    List<Checkpoint> aligned = aligned(pair.models(), found.alignments(), NormRule.spread());
    try (MemoryCheckpoint merged = average(network, aligned)) {
      RepairProblem broken = RepairProblem.of(network, merged, aligned, runs.batches(sample));
      return watch.time("repair", () -> repair.apply(broken, ws));
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private MemoryCheckpoint reset(PairRuns.Pair pair, AlignmentSet found, NormRule rule)
      throws IOException {
    List<Checkpoint> aligned = aligned(pair.models(), found.alignments(), rule);
    try (MemoryCheckpoint merged = average(pair.network(), aligned)) {
      return reset(pair, merged);
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private MemoryCheckpoint reset(PairRuns.Pair pair, Checkpoint merged) throws IOException {
    Inputs inputs = runs.batches(pair.sample());
    return watch.time(
        "repair", () -> new BatchNormReset().apply(merged, pair.network(), inputs, ws));
  }

  /** Models without normalisation have the same features, so the maps are the same too. */
  private MemoryCheckpoint folded(PairRuns.Pair pair, AlignmentSet found) throws IOException {
    TorchNetwork plain = pair.network().folded();
    BatchNormFold fold = BatchNormFold.of(pair.network());
    List<Checkpoint> folded = pair.models().stream().map(fold::fold).toList();
    // Not closed: their maps belong to those found.
    List<Alignment> maps = new ArrayList<>();
    for (Alignment alignment : found.alignments()) {
      Map<String, FeatureMap> own = new LinkedHashMap<>();
      alignment.spaces().forEach((id, space) -> own.put(id, space.map()));
      maps.add(Alignment.of(alignment.method(), plain.architecture(), own));
    }
    List<Checkpoint> aligned = aligned(folded, maps, NormRule.spread());
    try (MemoryCheckpoint merged = average(plain, aligned)) {
      return reset(pair, fold.unfold(merged, pair.models().get(0)));
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private List<Checkpoint> aligned(
      List<? extends Checkpoint> models, List<Alignment> maps, NormRule rule) throws IOException {
    return watch.time("merge", () -> runs.aligned(models, maps, rule));
  }

  private MemoryCheckpoint average(TorchNetwork network, List<Checkpoint> aligned)
      throws IOException {
    return watch.time("merge", () -> runs.average(network, aligned));
  }
}
