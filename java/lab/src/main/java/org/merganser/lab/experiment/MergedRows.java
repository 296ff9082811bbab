// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentSet;
import org.merganser.align.FeatureMap;
import org.merganser.align.NormRule;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.merge.Merger;
import org.merganser.model.Inputs;
import org.merganser.plan.Catalogue;
import org.merganser.repair.BatchNormFold;
import org.merganser.repair.Repair;
import org.merganser.repair.RepairProblem;
import org.merganser.torch.TorchNetwork;

/** Rows of aligned models: merged by every merger, as they are and repaired in every way. */
final class MergedRows {
  private static final String USUAL_REPAIRS = "repair";
  private static final List<BatchNormTreatment> USUAL_TREATMENTS =
      List.of(BatchNormTreatment.SPREAD, BatchNormTreatment.FOLD);

  private final Pair pair;
  private final List<Choice<Merger>> mergers;
  private final List<Choice<Repair>> repairs;
  private final List<BatchNormTreatment> treatments;

  MergedRows(Pair pair, MergeOptions options) {
    boolean normalised = !pair.network().batchNorms().isEmpty();
    this.pair = pair;
    this.mergers = Choice.of(Catalogue.mergers(), options.mergers());
    this.repairs =
        !options.repair() || normalised
            ? List.of()
            : Choice.of(
                Catalogue.repairs(),
                options.repairs().isEmpty() ? USUAL_REPAIRS : options.repairs());
    this.treatments =
        !options.repair() || !normalised
            ? List.of()
            : options.batchNorm().isEmpty() ? USUAL_TREATMENTS : options.batchNorm();
  }

  /** From maps to a model. */
  @FunctionalInterface
  private interface Merge {
    MemoryCheckpoint of(AlignmentSet maps, Merger merger) throws IOException;
  }

  /**
   * In the order of the table.
   *
   * @param maps of each of the settings of the aligner
   */
  List<Row> of(Choice<Aligner> aligner, List<AlignmentSet> maps) {
    List<Row> rows = new ArrayList<>();
    for (Choice<Merger> merger : mergers) {
      String end = mergers.size() == 1 ? "" : "+" + merger.name();
      String name = aligner.name() + end;
      String meaning = aligner.summary() + "; " + merger.summary();
      rows.add(new Row(name, meaning, ways(aligner, merger, maps, this::merged)));
      for (Choice<Repair> repair : repairs) {
        List<Row.Way> ways = new ArrayList<>();
        for (int i = 0; i < repair.methods().size(); i++) {
          Repair one = repair.methods().get(i);
          String how = repair.methods().size() == 1 ? "" : repair.settings().get(i);
          ways(aligner, merger, maps, (found, method) -> repaired(one, found, method))
              .forEach(way -> ways.add(new Row.Way(join(way.settings(), how), way.job())));
        }
        rows.add(new Row(name + "+" + repair.name(), meaning + "; " + repair.summary(), ways));
      }
      for (BatchNormTreatment treatment : treatments) {
        rows.add(
            new Row(
                name + "+" + treatment.row(),
                meaning + "; " + treatment.meaning(),
                ways(aligner, merger, maps, treated(treatment))));
      }
    }
    return rows;
  }

  /** Every setting of the aligner with every setting of the merger. */
  private static List<Row.Way> ways(
      Choice<Aligner> aligner, Choice<Merger> merger, List<AlignmentSet> maps, Merge merge) {
    List<Row.Way> ways = new ArrayList<>();
    for (int i = 0; i < maps.size(); i++) {
      AlignmentSet found = maps.get(i);
      String aligned = maps.size() == 1 ? "" : aligner.settings().get(i);
      for (int j = 0; j < merger.methods().size(); j++) {
        Merger method = merger.methods().get(j);
        String how = merger.methods().size() == 1 ? "" : merger.settings().get(j);
        ways.add(new Row.Way(join(aligned, how), () -> merge.of(found, method)));
      }
    }
    return ways;
  }

  private static String join(String one, String other) {
    return one.isEmpty() || other.isEmpty() ? one + other : one + "; " + other;
  }

  private MemoryCheckpoint merged(AlignmentSet maps, Merger merger) throws IOException {
    return merged(pair.network(), pair.models(), maps.alignments(), NormRule.spread(), merger);
  }

  private MemoryCheckpoint merged(
      TorchNetwork network,
      List<? extends Checkpoint> models,
      List<Alignment> maps,
      NormRule rule,
      Merger merger)
      throws IOException {
    List<Checkpoint> aligned = pair.aligned(models, maps, rule);
    try {
      return pair.merge(network, aligned, merger);
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private MemoryCheckpoint repaired(Repair repair, AlignmentSet maps, Merger merger)
      throws IOException {
    TorchNetwork network = pair.network();
    List<Checkpoint> aligned = pair.aligned(pair.models(), maps.alignments(), NormRule.spread());
    try (MemoryCheckpoint merged = pair.merge(network, aligned, merger)) {
      Inputs inputs = pair.options().batches(pair.options().few(pair.sample()));
      RepairProblem broken =
          new RepairProblem(network, merged, aligned, merger.shares(aligned.size()), inputs);
      return pair.watch().time("repair", () -> repair.apply(broken, pair.ws()));
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }

  private Merge treated(BatchNormTreatment treatment) {
    return switch (treatment) {
      case SPREAD -> (maps, merger) -> reset(maps, NormRule.spread(), merger);
      case MAPPED -> (maps, merger) -> reset(maps, NormRule.mapped(), merger);
      case REFERENCE ->
          (maps, merger) -> reset(maps, NormRule.reference(pair.models().get(0)), merger);
      case FOLD -> this::folded;
    };
  }

  private MemoryCheckpoint reset(AlignmentSet maps, NormRule rule, Merger merger)
      throws IOException {
    try (MemoryCheckpoint merged =
        merged(pair.network(), pair.models(), maps.alignments(), rule, merger)) {
      return pair.reset(merged);
    }
  }

  /** Models without normalisation have the same features, so the maps are the same too. */
  private MemoryCheckpoint folded(AlignmentSet found, Merger merger) throws IOException {
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
    try (MemoryCheckpoint merged = merged(plain, folded, maps, NormRule.spread(), merger)) {
      return pair.reset(fold.unfold(merged, pair.models().get(0)));
    }
  }
}
