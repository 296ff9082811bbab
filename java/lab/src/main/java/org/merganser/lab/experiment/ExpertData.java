// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.merganser.lab.data.ExpertTasks;
import org.merganser.lab.data.ImageForm;
import org.merganser.lab.data.ImageTasks;
import org.merganser.lab.data.SyntheticTasks;
import org.merganser.lab.data.TaskSizes;

/** The tasks that settings of {@link UndertrainingExperiment} ask for. */
final class ExpertData {
  private ExpertData() {}

  /**
   * @param wrong part of the training labels
   */
  static ExpertTasks load(UndertrainingExperiment.Options options, double wrong, long seed)
      throws IOException {
    if (options.heldOut().orElse(1) == 0) {
      throw new IllegalArgumentException(
          "held-out is 0: lambda, and when to stop, are chosen on held-out examples of every task;"
              + " give at least 1");
    }
    if (options.isSynthetic()) {
      return SyntheticTasks.draw(sizes(options, SyntheticTasks.SIZES), wrong, seed);
    }
    ImageForm form = options.network().readsPlanes() ? ImageForm.PLANES : ImageForm.VECTORS;
    ImageTasks kind = options.tasks().orElse(ImageTasks.ROTATIONS);
    TaskSizes sizes = sizes(options, kind.sizes());
    return options.data().equals(ExperimentOptions.EMBEDDED)
        ? kind.embedded(form, sizes, wrong, seed)
        : kind.folder(Path.of(options.data()), OptionalInt.empty(), form, sizes, wrong, seed);
  }

  private static TaskSizes sizes(UndertrainingExperiment.Options options, TaskSizes usual) {
    return new TaskSizes(
        usual.pretraining(),
        options.train().orElse(usual.train()),
        options.heldOut().orElse(usual.heldOut()),
        options.test().orElse(usual.test()));
  }
}
