// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Six tasks that need no file, of which the half is common: inputs of task t are {@code x = m_t +
 * z} in R^48, z normal and m_t of deviation 0.5, and the label is the largest of 8 values
 *
 * <pre>
 *   sqrt(1/2) f(x) + sqrt(1/2) f_t(x),   f(x) = tanh(1.5 x A) B
 * </pre>
 *
 * f shared, f_t of the task; A [48 x 48] and B [48 x 8] with normal entries of variance 1/48. From
 * so few examples a task can be learned only in part, so that long training learns the others by
 * heart. They are meant for networks with a last layer for each task.
 */
public final class SyntheticTasks {
  private static final int TASKS = 6;
  private static final int FEATURES = 48;
  private static final int HIDDEN = 48;
  private static final int CLASSES = 8;
  private static final double SHIFT = 0.5;
  private static final double GAIN = 1.5;
  private static final int MOST = 1_000_000;

  /** Examples of each task unless told otherwise. */
  public static final TaskSizes SIZES = new TaskSizes(1000, 1000, 500, 2000);

  private SyntheticTasks() {}

  /** A random function of two layers. */
  private record Teacher(double[] a, double[] b) {
    static Teacher of(long seed, String name) {
      return new Teacher(
          normal(seed, name + "/a", FEATURES * HIDDEN, Math.sqrt(1.0 / FEATURES)),
          normal(seed, name + "/b", HIDDEN * CLASSES, Math.sqrt(1.0 / HIDDEN)));
    }

    double[] values(double[] x) {
      // StrictMath: the same bits on every JVM.
      double[] hidden =
          Arrays.stream(times(x, a, HIDDEN)).map(v -> StrictMath.tanh(GAIN * v)).toArray();
      return times(hidden, b, CLASSES);
    }
  }

  /** With {@link #SIZES}. */
  public static ExpertTasks draw(double noise, long seed) {
    return draw(SIZES, noise, seed);
  }

  /**
   * One draw of the tasks; the seed decides everything.
   *
   * @param noise share of wrong training labels; inputs and right labels do not depend on it
   */
  public static ExpertTasks draw(TaskSizes sizes, double noise, long seed) {
    LabelNoise.requireRate(noise);
    for (int size : List.of(sizes.pretraining(), sizes.train(), sizes.heldOut(), sizes.test())) {
      if (size > MOST) {
        throw new IllegalArgumentException(
            "cannot draw " + size + " examples of a task; ask for " + MOST + " at most");
      }
    }
    Teacher shared = Teacher.of(seed, "experts/shared");
    List<ExpertTask> tasks = new ArrayList<>();
    for (int t = 0; t < TASKS; t++) {
      tasks.add(new Drawing(shared, "task-" + t, seed).task(sizes, noise));
    }
    return new ExpertTasks("synthetic", tasks);
  }

  /** Of one task. */
  private static final class Drawing {
    private final Teacher shared;
    private final Teacher own;
    private final double[] mean;
    private final String name;
    private final long seed;

    Drawing(Teacher shared, String name, long seed) {
      this.shared = shared;
      this.own = Teacher.of(seed, "experts/" + name);
      this.mean = normal(seed, "experts/" + name + "/mean", FEATURES, SHIFT);
      this.name = name;
      this.seed = seed;
    }

    ExpertTask task(TaskSizes sizes, double noise) {
      int[] classes = IntStream.range(0, CLASSES).toArray();
      double[][] train = inputs("train", sizes.train());
      LabelNoise labels =
          LabelNoise.of(labels(train), classes, noise, seed, "experts/" + name + "/noise");
      return new ExpertTask(
          name,
          classes,
          part("pretraining", sizes.pretraining()),
          examples(train, labels.labels()),
          labels.noisy(),
          part("held-out", sizes.heldOut()),
          part("test", sizes.test()));
    }

    private Examples part(String part, int count) {
      double[][] x = inputs(part, count);
      return examples(x, labels(x));
    }

    /** A stream for each part, so that none depends on how many others there are. */
    private double[][] inputs(String part, int count) {
      SplittableRandom random = Seeds.stream(seed, "experts/" + name + "/" + part);
      double[][] x = new double[count][FEATURES];
      for (double[] row : x) {
        Arrays.setAll(row, f -> mean[f] + random.nextGaussian());
      }
      return x;
    }

    private int[] labels(double[][] x) {
      return Arrays.stream(x).mapToInt(this::label).toArray();
    }

    private int label(double[] x) {
      double[] common = shared.values(x);
      double[] special = own.values(x);
      int best = 0;
      for (int c = 1; c < CLASSES; c++) {
        // Equal shares: their root does not change which is largest.
        best = common[c] + special[c] > common[best] + special[best] ? c : best;
      }
      return best;
    }
  }

  private static Examples examples(double[][] x, int[] labels) {
    float[] values = new float[Math.multiplyExact(x.length, FEATURES)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) x[i / FEATURES][i % FEATURES];
    }
    return new Examples(Tensor.of(values, x.length, FEATURES), labels, CLASSES);
  }

  /** A row times a matrix. */
  private static double[] times(double[] row, double[] matrix, int columns) {
    double[] product = new double[columns];
    for (int d = 0; d < row.length; d++) {
      for (int c = 0; c < columns; c++) {
        product[c] += row[d] * matrix[d * columns + c];
      }
    }
    return product;
  }

  private static double[] normal(long seed, String name, int count, double deviation) {
    SplittableRandom random = Seeds.stream(seed, name);
    double[] values = new double[count];
    Arrays.setAll(values, i -> random.nextGaussian() * deviation);
    return values;
  }
}
