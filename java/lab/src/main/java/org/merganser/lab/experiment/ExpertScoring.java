// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.lab.data.ExpertTask;
import org.merganser.linalg.Tensor;
import org.merganser.model.ExampleDifficulty;
import org.merganser.torch.Examples;

/**
 * Tells how often models are right on tasks.
 *
 * @param difficulty of the training examples of each task
 */
record ExpertScoring(List<ExpertTask> tasks, List<ExampleDifficulty> difficulty) {
  private static final int TENTHS = 10;

  /** A model, or one for each task. */
  @FunctionalInterface
  interface Model {
    /** Logits [samples x classes], a new tensor. */
    Tensor logits(int task, Examples data, Workspace ws) throws IOException;
  }

  /**
   * What was found.
   *
   * @param right of each task, which training examples
   */
  record Scored(TaskScores scores, List<boolean[]> right) {}

  Scored score(Model model, Workspace ws) throws IOException {
    List<Double> heldOut = new ArrayList<>();
    List<Double> test = new ArrayList<>();
    List<Double> training = new ArrayList<>();
    List<Double> memorised = new ArrayList<>();
    List<boolean[]> right = new ArrayList<>();
    for (int t = 0; t < tasks.size(); t++) {
      ExpertTask task = tasks.get(t);
      heldOut.add(part(right(model, t, task.heldOut(), ws)));
      test.add(part(right(model, t, task.test(), ws)));
      boolean[] own = right(model, t, task.train(), ws);
      training.add(part(own));
      if (task.noisySamples().length > 0) {
        memorised.add(ExampleDifficulty.memorised(own, task.noisy()));
      }
      right.add(own);
    }
    List<Double> deciles = byTenth(right, right, ExampleDifficulty.Bucket::mergedAccuracy);
    return new Scored(new TaskScores(heldOut, test, training, memorised, deciles), right);
  }

  /** Mean accuracy over tasks on the examples that choices are made on. */
  double heldOut(Model model, Workspace ws) throws IOException {
    double sum = 0;
    for (int t = 0; t < tasks.size(); t++) {
      sum += part(right(model, t, tasks.get(t).heldOut(), ws));
    }
    return sum / tasks.size();
  }

  /** By tenth, what part of the examples the expert is right on and the merged model is not. */
  List<Double> forgotten(Scored expert, Scored merged) {
    return byTenth(expert.right(), merged.right(), ExampleDifficulty.Bucket::forgottenRate);
  }

  /** Mean over tasks. */
  private List<Double> byTenth(
      List<boolean[]> expert,
      List<boolean[]> merged,
      ToDoubleFunction<ExampleDifficulty.Bucket> value) {
    double[] means = new double[TENTHS];
    for (int t = 0; t < tasks.size(); t++) {
      List<ExampleDifficulty.Bucket> tenths =
          difficulty.get(t).forgotten(expert.get(t), merged.get(t), TENTHS);
      for (int d = 0; d < TENTHS; d++) {
        means[d] += value.applyAsDouble(tenths.get(d)) / tasks.size();
      }
    }
    return Arrays.stream(means).boxed().toList();
  }

  /** Which samples the model says the class of, of the classes of the task. */
  private boolean[] right(Model model, int task, Examples data, Workspace ws) throws IOException {
    int[] classes = tasks.get(task).classes();
    boolean[] right = new boolean[data.size()];
    try (Tensor logits = model.logits(task, data, ws)) {
      long columns = logits.dim(1);
      for (int i = 0; i < right.length; i++) {
        int best = classes[0];
        for (int c : classes) {
          double value = logits.get(i * columns + c);
          if (Double.isNaN(value)) {
            throw new NumericalException(
                "%s: the output for class %d of example %d is not a number"
                    .formatted(tasks.get(task).name(), c, i));
          }
          best = value > logits.get(i * columns + best) ? c : best;
        }
        right[i] = best == data.label(i);
      }
    }
    return right;
  }

  private static double part(boolean[] right) {
    return IntStream.range(0, right.length).filter(i -> right[i]).count() / (double) right.length;
  }
}
