// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Sequences of one length with what is to be said of them: a class at the last step, or one at each
 * step. Immutable, on the heap; steps that are codes become vectors batch by batch.
 */
public final class Sequences {
  private final Values values;
  private final int steps;
  private final int width;
  private final int[][] targets;
  private final int classes;
  private final int scoredFrom;
  private final int streamLength;

  /** A change of the statistics of inputs, value by value. */
  public sealed interface Change {
    /**
     * @param x a value of the input
     * @param step of the sequence, from 0
     * @param steps of the sequence
     */
    double apply(double x, int step, int steps);

    /** {@code scale x + shift}. */
    record Affine(double scale, double shift) implements Change {
      @Override
      public double apply(double x, int step, int steps) {
        return scale * x + shift;
      }
    }

    /**
     * Pixels in [0, 1] of images whose bytes were standardised, {@code (pixel - mean) / sd}:
     * exactly those of the bytes, so that a blank one is 0.
     */
    record Pixels(double mean, double sd) implements Change {
      @Override
      public double apply(double x, int step, int steps) {
        return Math.round(255 * (sd * x + mean)) / 255.0;
      }
    }

    /**
     * Values above 0 times {@code 1 + amplitude sin(2 pi frequency t/steps + phase)}.
     *
     * @param frequency periods of a sequence
     */
    record Sin(double frequency, double phase, double amplitude) implements Change {
      @Override
      public double apply(double x, int step, int steps) {
        double turn = 2 * Math.PI * frequency * step / steps + phase;
        return x > 0 ? x * (1 + amplitude * Math.sin(turn)) : x;
      }
    }

    /**
     * Values times {@code 1 + delta} at steps strictly between two, as parts of a sequence: the
     * authors' (200, 400) of 784 is (0.255, 0.51).
     */
    record Step(double delta, double from, double to) implements Change {
      @Override
      public double apply(double x, int step, int steps) {
        double at = (double) step / steps;
        return at > from && at < to ? x * (1 + delta) : x;
      }
    }
  }

  /** Where the values come from. */
  interface Values {
    /** Writes those of one sequence, [steps x width]. */
    void write(int sequence, float[] into, int at);
  }

  private Sequences(
      Values values,
      int steps,
      int width,
      int[][] targets,
      int classes,
      int scoredFrom,
      int streamLength) {
    this.values = values;
    this.steps = steps;
    this.width = width;
    this.targets = targets;
    this.classes = classes;
    this.scoredFrom = scoredFrom;
    this.streamLength = streamLength;
  }

  /**
   * @param targets of each sequence: one class, that of the last step, or one for each step
   * @param scoredFrom step from which on answers count for the accuracy
   * @param streamLength windows of a text that follow one another, which carry their states on; 0
   *     when sequences are independent
   */
  static Sequences of(
      Values values,
      int steps,
      int width,
      int[][] targets,
      int classes,
      int scoredFrom,
      int streamLength) {
    requireSize(targets.length, steps, width);
    for (int i = 0; i < targets.length; i++) {
      if (targets[i].length != targets[0].length
          || targets[i].length != 1 && targets[i].length != steps) {
        throw new ShapeException(
            "sequence "
                + i
                + " of "
                + steps
                + " steps has "
                + targets[i].length
                + " targets; give one, or one for each step, to all");
      }
      for (int target : targets[i]) {
        if (target < 0 || target >= classes) {
          throw new IllegalArgumentException(
              "target " + target + " of sequence " + i + " is not in 0.." + (classes - 1));
        }
      }
    }
    return new Sequences(values, steps, width, targets, classes, scoredFrom, streamLength);
  }

  private static void requireSize(int size, int steps, int width) {
    if (size == 0 || steps == 0 || width == 0) {
      throw new ShapeException(
          "sequences need at least one sequence, step and value of a step, not "
              + size
              + " sequences of "
              + steps
              + " steps of "
              + width
              + " values");
    }
  }

  /**
   * Vectors with a class each.
   *
   * @param inputs [sequence][step][value], all of one length
   * @throws ShapeException naming a sequence of another length
   */
  public static Sequences of(float[][][] inputs, int[] labels, int classes) {
    if (inputs.length != labels.length) {
      throw new ShapeException(inputs.length + " sequences have " + labels.length + " labels");
    }
    int steps = inputs.length == 0 ? 0 : inputs[0].length;
    int width = steps == 0 ? 0 : inputs[0][0].length;
    requireSize(inputs.length, steps, width);
    float[] all = new float[Math.multiplyExact(Math.multiplyExact(inputs.length, steps), width)];
    for (int i = 0; i < inputs.length; i++) {
      if (inputs[i].length != steps) {
        throw new ShapeException(
            "sequence "
                + i
                + " has "
                + inputs[i].length
                + " steps, sequence 0 has "
                + steps
                + "; cut or pad them to one length, which the network is read at the end of");
      }
      for (int t = 0; t < steps; t++) {
        if (inputs[i][t].length != width) {
          throw new ShapeException(
              "step "
                  + t
                  + " of sequence "
                  + i
                  + " has "
                  + inputs[i][t].length
                  + " values, the first step "
                  + width);
        }
        System.arraycopy(inputs[i][t], 0, all, (i * steps + t) * width, width);
      }
    }
    return dense(all, steps, width, single(labels), classes);
  }

  /**
   * Samples cut into steps: the values of each, in order, in {@code steps} pieces. Images of 28 x
   * 28 pixels give their rows with 28 steps, their pixels with 784.
   *
   * @throws ShapeException when the steps do not divide the values
   */
  public static Sequences cut(Examples examples, int steps) {
    int size = values(examples);
    if (steps < 1 || size % steps != 0) {
      throw new ShapeException(
          "samples of " + size + " values do not cut into " + steps + " steps of equal width");
    }
    int[] labels = examples.labels();
    float[] all = examples.inputs().toFloatArray();
    return dense(all, steps, size / steps, single(labels), examples.classes());
  }

  /** The values of samples one by one, all in the same random order. */
  public static Sequences permuted(Examples examples, long seed) {
    int size = values(examples);
    int[] order = Seeds.order(size, seed, "permuted");
    float[] plain = examples.inputs().toFloatArray();
    float[] all = new float[plain.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = plain[i / size * size + order[i % size]];
    }
    return dense(all, size, 1, single(examples.labels()), examples.classes());
  }

  private static int values(Examples examples) {
    return Math.toIntExact(examples.inputs().size() / examples.size());
  }

  private static int[][] single(int... labels) {
    return Arrays.stream(labels).mapToObj(label -> new int[] {label}).toArray(int[][]::new);
  }

  private static Sequences dense(float[] all, int steps, int width, int[][] targets, int classes) {
    int length = steps * width;
    Values values = (i, into, at) -> System.arraycopy(all, i * length, into, at, length);
    return of(values, steps, width, targets, classes, 0, 0);
  }

  /** The same with the statistics of the inputs changed. */
  public Sequences changed(Change change) {
    Values other =
        (i, into, at) -> {
          values.write(i, into, at);
          for (int k = 0; k < steps * width; k++) {
            into[at + k] = (float) change.apply(into[at + k], k / width, steps);
          }
        };
    return new Sequences(other, steps, width, targets, classes, scoredFrom, streamLength);
  }

  /** Some of them in the order given, as independent ones. */
  public Sequences select(int... sequences) {
    for (int i : sequences) {
      if (i < 0 || i >= size()) {
        throw new IllegalArgumentException(
            "there is no sequence " + i + "; they are 0.." + (size() - 1));
      }
    }
    int[] which = sequences.clone();
    int[][] wanted = Arrays.stream(which).mapToObj(i -> targets[i]).toArray(int[][]::new);
    Values some = (i, into, at) -> values.write(which[i], into, at);
    return of(some, steps, width, wanted, classes, scoredFrom, 0);
  }

  /** The first of them. */
  public Sequences first(int count) {
    return select(IntStream.range(0, count).toArray());
  }

  /** Number of sequences. */
  public int size() {
    return targets.length;
  }

  /** Steps of each. */
  public int steps() {
    return steps;
  }

  /** Values of a step. */
  public int width() {
    return width;
  }

  /** Classes that targets are of. */
  public int classes() {
    return classes;
  }

  /** Whether each step has a target, not only the last. */
  public boolean everyStep() {
    return targets[0].length != 1 || steps == 1;
  }

  /** A copy: the targets of a sequence, one or as many as steps. */
  public int[] targets(int sequence) {
    return targets[sequence].clone();
  }

  /** The class of each sequence at its last step. */
  public int[] labels() {
    return Arrays.stream(targets).mapToInt(t -> t[t.length - 1]).toArray();
  }

  /** Some sequences as F32 [sequences x steps x width]; a new tensor. */
  public Tensor inputs(int... sequences) {
    int length = steps * width;
    float[] batch = new float[Math.multiplyExact(sequences.length, length)];
    for (int k = 0; k < sequences.length; k++) {
      values.write(sequences[k], batch, k * length);
    }
    return Tensor.of(batch, sequences.length, steps, width);
  }

  int scoredFrom() {
    return scoredFrom;
  }

  int streamLength() {
    return streamLength;
  }

  /** Targets of some sequences in the order of logits: of all sequences at a step, by steps. */
  long[] targetsByStep(int... sequences) {
    int each = targets[0].length;
    long[] found = new long[sequences.length * each];
    for (int k = 0; k < found.length; k++) {
      found[k] = targets[sequences[k % sequences.length]][k / sequences.length];
    }
    return found;
  }

  /** As {@code 6000 sequences of 28 steps of 28 values}. */
  @Override
  public String toString() {
    return size() + " sequences of " + steps + " steps of " + width + " values";
  }
}
