// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.model.Objective;

/** NP Merge of one model after the other. */
final class NpRounds {
  private NpRounds() {}

  static List<NpMerger.Result> run(
      Objective objective,
      NpMerger.Options options,
      MergeProblem problem,
      NpMerger.Realign realign,
      Workspace ws)
      throws IOException {
    List<NpMerger.Result> rounds = new ArrayList<>();
    Checkpoint merged = problem.models().get(0);
    try {
      for (int j = 2; j <= problem.models().size(); j++) {
        NpMerger round = NpMerger.of(objective, ofRound(options, j));
        Checkpoint next = realign.align(merged, problem.models().get(j - 1));
        rounds.add(round.learn(new MergeProblem(List.of(merged, next), problem.counters()), ws));
        merged = rounds.get(rounds.size() - 1).model();
      }
    } catch (IOException | RuntimeException e) {
      rounds.forEach(NpMerger.Result::close);
      throw e;
    }
    return rounds;
  }

  private static NpMerger.Options ofRound(NpMerger.Options options, int j) {
    NpMerger.Options own =
        options.initUniform()
            ? options.withInitUniform(false).withInitial((j - 1.0) / j, 1.0 / j)
            : options;
    // Each round has a state of its own.
    return options
        .state()
        .map(file -> own.withState(file.resolveSibling(file.getFileName() + "." + (j - 1))))
        .orElse(own);
  }
}
