// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.List;
import org.merganser.merge.Merger;
import org.merganser.method.Setting;
import org.merganser.plan.Catalogue;

/** Settings of experiments that merge by methods of the catalogue, with and without repair. */
public record MergeOptions(
    @Setting("mergers to compare, with settings as those of --aligners") String mergers,
    @Setting("rows of merged models after repair") boolean repair,
    @Setting(
            "repairs of networks without batch normalisation, with settings as those of --aligners;"
                + " repair unless set")
        String repairs,
    @Setting(
            "what becomes of scale and shift of batch normalisation: the scale by its spread; both"
                + " mapped like weights, as published; those of the first model; folded into the"
                + " layer before and put back with those of the first model; spread,fold unless set")
        List<BatchNormTreatment> batchNorm) {

  public MergeOptions {
    batchNorm = batchNorm.stream().distinct().toList();
    Choice.of(Catalogue.mergers(), mergers);
    ExperimentOptions.refuse("repairs", !repair && !repairs.isEmpty(), "there is --no-repair");
    ExperimentOptions.refuse("batch-norm", !repair && !batchNorm.isEmpty(), "there is --no-repair");
    if (!repairs.isEmpty()) {
      Choice.of(Catalogue.repairs(), repairs);
    }
  }

  /** The plain mean, and repair. */
  public static MergeOptions defaults() {
    return new MergeOptions("linear", true, "", List.of());
  }

  /** Throws when something is set that the networks do not use, or a merger cannot merge them. */
  void check(ExperimentOptions options) {
    for (Choice<Merger> merger : Choice.of(Catalogue.mergers(), mergers)) {
      Merger.Needs needs = merger.methods().get(0).needs();
      int models = options.models();
      if (needs.base() || needs.objective() || models < needs.fewest() || models > needs.most()) {
        throw new IllegalArgumentException(
            "--mergers: %s needs %s; here are %d models from different seeds"
                .formatted(merger.name(), merger.methods().get(0).requires(), models));
      }
    }
    boolean normalised = options.choice().isBatchNormalised();
    ExperimentOptions.refuse(
        "batch-norm", !normalised && !batchNorm.isEmpty(), "there is no batch normalisation");
    ExperimentOptions.refuse(
        "repairs",
        normalised && !repairs.isEmpty(),
        "networks with batch normalisation are reset, as --batch-norm says");
  }
}
