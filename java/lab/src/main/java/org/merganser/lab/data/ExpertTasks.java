// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.List;
import org.merganser.compute.DType;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Tasks of one network, for experts to be merged.
 *
 * @param name as shown in reports
 * @param tasks all with inputs of one shape and the same number of classes
 */
public record ExpertTasks(String name, List<ExpertTask> tasks) implements AutoCloseable {
  public ExpertTasks {
    tasks = List.copyOf(tasks);
    if (tasks.isEmpty()) {
      throw new IllegalArgumentException(name + ": no tasks");
    }
  }

  /** What all tasks have for pre-training, in a random order; the caller closes it. */
  public Examples mixture(long seed) {
    int total = tasks.stream().mapToInt(task -> task.pretraining().size()).sum();
    int[] place = Seeds.order(total, seed, "experts/mixture");
    long[] shape = tasks.get(0).pretraining().inputs().shape();
    shape[0] = total;
    Tensor inputs = Tensor.allocate(DType.F32, shape);
    int[] labels = new int[total];
    int next = 0;
    for (ExpertTask task : tasks) {
      Examples part = task.pretraining();
      for (int i = 0; i < part.size(); i++) {
        int row = place[next++];
        inputs.rows(row, row + 1).memory().copyFrom(part.inputs().rows(i, i + 1).memory());
        labels[row] = part.label(i);
      }
    }
    return new Examples(inputs, labels, tasks.get(0).pretraining().classes());
  }

  @Override
  public void close() {
    tasks.forEach(ExpertTask::close);
  }
}
