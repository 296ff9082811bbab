// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.io.function.IOBiFunction;
import org.apache.commons.io.function.IOTriFunction;
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

  /** What every merged model has a row for; names and summaries are the ends of those of rows. */
  private final List<Choice<Way>> endings = new ArrayList<>();

  /** From maps to a model. */
  private interface Way extends IOBiFunction<AlignmentSet, Merger, MemoryCheckpoint> {}

  /** What a merged model, which it takes over, becomes beside the aligned ones. */
  private interface Finish
      extends IOTriFunction<MemoryCheckpoint, List<Checkpoint>, Merger, MemoryCheckpoint> {}

  MergedRows(Pair pair, MergeOptions options) {
    this.pair = pair;
    this.mergers = Choice.of(Catalogue.mergers(), options.mergers());
    add("", "", merged(NormRule.spread(), (merged, aligned, merger) -> merged));
    if (options.repair() && pair.network().batchNorms().isEmpty()) {
      String ids = options.repairs().isEmpty() ? USUAL_REPAIRS : options.repairs();
      for (Choice<Repair> repair : Choice.of(Catalogue.repairs(), ids)) {
        List<Way> ways = repair.methods().stream().map(this::repaired).toList();
        endings.add(
            new Choice<>("+" + repair.name(), "; " + repair.summary(), ways, repair.settings()));
      }
    } else if (options.repair()) {
      List<BatchNormTreatment> treatments =
          options.batchNorm().isEmpty() ? USUAL_TREATMENTS : options.batchNorm();
      treatments.forEach(t -> add("+" + t.row(), "; " + t.meaning(), treated(t)));
    }
  }

  private void add(String name, String meaning, Way way) {
    endings.add(new Choice<>(name, meaning, List.of(way), List.of("")));
  }

  /**
   * In the order of the table.
   *
   * @param maps of an aligner
   */
  List<Row> of(Choice<AlignmentSet> maps) {
    List<Row> rows = new ArrayList<>();
    for (Choice<Merger> merger : mergers) {
      String name = maps.name() + (mergers.size() == 1 ? "" : "+" + merger.name());
      String meaning = maps.summary() + "; " + merger.summary();
      for (Choice<Way> ending : endings) {
        List<Row.Way> ways = ways(maps, merger, ending);
        rows.add(new Row(name + ending.name(), meaning + ending.summary(), ways));
      }
    }
    return rows;
  }

  /** All settings of all. */
  private static List<Row.Way> ways(
      Choice<AlignmentSet> maps, Choice<Merger> merger, Choice<Way> ending) {
    List<Row.Way> ways = new ArrayList<>();
    for (int e = 0; e < ending.methods().size(); e++) {
      for (int a = 0; a < maps.methods().size(); a++) {
        for (int m = 0; m < merger.methods().size(); m++) {
          Way way = ending.methods().get(e);
          AlignmentSet found = maps.methods().get(a);
          Merger method = merger.methods().get(m);
          String settings =
              Stream.of(maps.settings().get(a), merger.settings().get(m), ending.settings().get(e))
                  .filter(text -> !text.isEmpty())
                  .collect(Collectors.joining("; "));
          ways.add(new Row.Way(settings, () -> way.apply(found, method)));
        }
      }
    }
    return ways;
  }

  private Way merged(NormRule rule, Finish finish) {
    return (maps, merger) -> {
      List<Checkpoint> aligned = pair.aligned(pair.models(), maps.alignments(), rule);
      try {
        return finish.apply(pair.merge(pair.network(), aligned, merger), aligned, merger);
      } finally {
        aligned.forEach(Checkpoint::close);
      }
    };
  }

  private Way repaired(Repair repair) {
    return merged(
        NormRule.spread(),
        (merged, aligned, merger) -> {
          Inputs inputs = pair.options().batches(pair.options().few(pair.sample()));
          List<Double> shares = merger.shares(aligned.size());
          try (merged) {
            RepairProblem broken =
                new RepairProblem(pair.network(), merged, aligned, shares, inputs);
            return pair.watch().time("repair", () -> repair.apply(broken, pair.ws()));
          }
        });
  }

  private Way treated(BatchNormTreatment treatment) {
    return switch (treatment) {
      case SPREAD -> reset(NormRule.spread());
      case MAPPED -> reset(NormRule.mapped());
      case REFERENCE -> reset(NormRule.reference(pair.models().get(0)));
      case FOLD -> this::folded;
    };
  }

  private Way reset(NormRule rule) {
    return merged(rule, (merged, aligned, merger) -> pair.reset(merged));
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
    List<Checkpoint> aligned = pair.aligned(folded, maps, NormRule.spread());
    try (MemoryCheckpoint merged = pair.merge(plain, aligned, merger)) {
      return pair.reset(fold.unfold(merged, pair.models().get(0)));
    } finally {
      aligned.forEach(Checkpoint::close);
    }
  }
}
