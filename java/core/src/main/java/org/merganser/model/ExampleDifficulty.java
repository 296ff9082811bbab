// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * How hard examples are, the hardest with the largest score, and what becomes of them by that.
 *
 * <ul>
 *   <li>{@link #el2n}: {@code |p(x) - e_y|}, the distance of the probabilities that a network gives
 *       after a few steps ({@value #EL2N_STEPS} usually) to those of the label, 0 to sqrt 2; the
 *       mean over networks, such as those of several seeds;
 *   <li>{@link #forgettingEvents}: how often an example that was right at an evaluation during
 *       training is wrong at the next; {@link #forgettingEventsOrNeverRight} puts those that are
 *       never right above all.
 * </ul>
 *
 * <p>Sources: Paul, Ganguli and Dziugaite 2021, "Deep Learning on a Data Diet" (EL2N); Toneva et
 * al. 2019, "An Empirical Study of Example Forgetting". Immutable.
 */
public final class ExampleDifficulty {
  /** Steps of training after which EL2N is usually measured. */
  public static final int EL2N_STEPS = 32;

  /** Probabilities in a narrow type sum to 1 no better. */
  private static final double SUM_TOLERANCE = 1e-3;

  private final double[] scores;

  private ExampleDifficulty(double[] scores) {
    this.scores = scores;
  }

  /**
   * By scores of whatever kind.
   *
   * @throws IllegalArgumentException when there are none, or one is not finite
   */
  public static ExampleDifficulty of(double[] scores) {
    requireExamples(scores.length);
    for (int i = 0; i < scores.length; i++) {
      if (!Double.isFinite(scores[i])) {
        throw new IllegalArgumentException("the score of example " + i + " is " + scores[i]);
      }
    }
    return new ExampleDifficulty(scores.clone());
  }

  /**
   * {@code |p - e_y|_2 = sqrt((1 - p_y)^2 + sum of the other p_c^2)}.
   *
   * @param probabilities of an example; they sum to 1
   * @param label its class
   */
  public static double el2n(double[] probabilities, int label) {
    return distance(probabilities, label, 0);
  }

  /**
   * The mean over networks of {@link #el2n(double[], int)}.
   *
   * @param probabilities of each network, [examples x classes]
   * @param labels class of each example
   * @throws ShapeException when there are not as many rows as labels
   * @throws IllegalArgumentException when they are no probabilities, or a label is none of their
   *     classes
   */
  public static ExampleDifficulty el2n(List<Tensor> probabilities, int... labels) {
    requireExamples(labels.length);
    if (probabilities.isEmpty()) {
      throw new IllegalArgumentException("no network has given probabilities");
    }
    double[] means = new double[labels.length];
    for (Tensor each : probabilities) {
      if (each.rank() != 2 || each.dim(0) != labels.length) {
        throw new ShapeException(
            "probabilities are %s for %d labels; give [examples x classes]"
                .formatted(each, labels.length));
      }
      double[] row = new double[Math.toIntExact(each.dim(1))];
      for (int i = 0; i < labels.length; i++) {
        long first = (long) i * row.length;
        Arrays.setAll(row, c -> each.get(first + c));
        means[i] += distance(row, labels[i], i) / probabilities.size();
      }
    }
    return new ExampleDifficulty(means);
  }

  /**
   * The mean over models of one network, after a few steps each: their probabilities are the
   * softmax of what it returns in eval mode.
   */
  public static ExampleDifficulty el2n(
      Network network, List<? extends Checkpoint> models, Inputs.Labelled data, Workspace ws)
      throws IOException {
    int[] labels = new int[Math.toIntExact(data.samples())];
    Arrays.setAll(labels, data::label);
    try (Opened opened = new Opened()) {
      List<Tensor> probabilities = new ArrayList<>();
      for (Checkpoint model : models) {
        try (Tensor logits = Evaluation.logits(network, model, data, ws)) {
          probabilities.add(opened.add(softmax(logits)));
        }
      }
      return el2n(probabilities, labels);
    }
  }

  /** Of the rows, in F64. */
  private static Tensor softmax(Tensor logits) {
    double[] p = logits.toDoubleArray();
    int classes = Math.toIntExact(logits.dim(1));
    for (int from = 0; from < p.length; from += classes) {
      double largest = Double.NEGATIVE_INFINITY;
      double sum = 0;
      for (int c = from; c < from + classes; c++) {
        largest = Math.max(largest, p[c]);
      }
      for (int c = from; c < from + classes; c++) {
        p[c] = Math.exp(p[c] - largest);
        sum += p[c];
      }
      for (int c = from; c < from + classes; c++) {
        p[c] /= sum;
      }
    }
    return Tensor.of(p, logits.shape());
  }

  private static double distance(double[] probabilities, int label, int example) {
    requireClass(label, probabilities.length, example);
    double sum = 0;
    double square = 0;
    for (int c = 0; c < probabilities.length; c++) {
      double p = probabilities[c];
      // Of NaN this is false too.
      if (!(p >= 0)) {
        throw new IllegalArgumentException(
            "the probability of class %d for example %d is %s".formatted(c, example, p));
      }
      sum += p;
      double away = c == label ? 1 - p : p;
      square += away * away;
    }
    if (!(Math.abs(sum - 1) <= SUM_TOLERANCE)) {
      throw new IllegalArgumentException(
          "the probabilities for example %d sum to %s, not 1; give the softmax, not logits"
              .formatted(example, sum));
    }
    return Math.sqrt(square);
  }

  /**
   * Counts changes from right to wrong. An example that is never right has none, as one that is
   * never forgotten: see {@link #forgettingEventsOrNeverRight}.
   *
   * @param right at each evaluation in order, which examples were classified as their label says
   */
  public static ExampleDifficulty forgettingEvents(List<boolean[]> right) {
    if (right.size() < 2) {
      throw new IllegalArgumentException(
          "an example is forgotten from one evaluation to the next; give 2 or more, not "
              + right.size());
    }
    int examples = right.get(0).length;
    requireExamples(examples);
    double[] events = new double[examples];
    for (int e = 0; e < right.size(); e++) {
      requireLength("evaluation " + e, right.get(e).length, examples);
      for (int i = 0; e > 0 && i < examples; i++) {
        events[i] += right.get(e - 1)[i] && !right.get(e)[i] ? 1 : 0;
      }
    }
    return new ExampleDifficulty(events);
  }

  /**
   * The same, but examples that are never right are harder than all others, as Toneva et al. rank
   * them: their score is the number of evaluations.
   *
   * @param right at each evaluation in order, which examples were classified as their label says
   */
  public static ExampleDifficulty forgettingEventsOrNeverRight(List<boolean[]> right) {
    double[] scores = forgettingEvents(right).scores;
    for (int i = 0; i < scores.length; i++) {
      int example = i;
      boolean never = right.stream().noneMatch(each -> each[example]);
      scores[i] = never ? right.size() : scores[i];
    }
    return new ExampleDifficulty(scores);
  }

  /** Number of examples. */
  public int size() {
    return scores.length;
  }

  /** A copy: the score of each example. */
  public double[] scores() {
    return scores.clone();
  }

  /** Examples from the easiest on; of equal ones the first comes first. */
  public int[] order() {
    return IntStream.range(0, scores.length)
        .boxed()
        .sorted(Comparator.comparingDouble(i -> scores[i]))
        .mapToInt(i -> i)
        .toArray();
  }

  /**
   * The part of each example when {@link #order} is cut into so many, 0 the easiest: that of place
   * r of n is {@code floor(r count / n)}, so that sizes differ by 1 at most.
   */
  public int[] buckets(int count) {
    if (count < 1 || count > scores.length) {
      throw new IllegalArgumentException(
          "%d examples are cut into 1 to %d parts, not %d"
              .formatted(scores.length, scores.length, count));
    }
    int[] order = order();
    int[] buckets = new int[scores.length];
    for (int r = 0; r < order.length; r++) {
      buckets[order[r]] = (int) ((long) r * count / order.length);
    }
    return buckets;
  }

  /**
   * What an expert and a model merged of it do with examples of one part.
   *
   * @param examples how many there are
   * @param expert of these, how many the expert gets right
   * @param merged how many the merged model does
   * @param forgotten how many the expert gets right and the merged model wrong
   */
  public record Bucket(int examples, int expert, int merged, int forgotten) {

    public double expertAccuracy() {
      return (double) expert / examples;
    }

    public double mergedAccuracy() {
      return (double) merged / examples;
    }

    /** This part and that of another task, as one. */
    public Bucket plus(Bucket other) {
      return new Bucket(
          examples + other.examples,
          expert + other.expert,
          merged + other.merged,
          forgotten + other.forgotten);
    }

    /** Share of the examples that merging forgot. */
    public double forgottenRate() {
      return (double) forgotten / examples;
    }
  }

  /**
   * What merging forgot, from the easiest part on.
   *
   * @param expert which examples the expert gets right
   * @param merged which the merged model does
   * @param count of parts: 10 for deciles
   */
  public List<Bucket> forgotten(boolean[] expert, boolean[] merged, int count) {
    requireLength("the expert", expert.length, scores.length);
    requireLength("the merged model", merged.length, scores.length);
    int[] bucketOf = buckets(count);
    int[][] sums = new int[count][4];
    for (int i = 0; i < scores.length; i++) {
      int[] sum = sums[bucketOf[i]];
      sum[0]++;
      sum[1] += expert[i] ? 1 : 0;
      sum[2] += merged[i] ? 1 : 0;
      sum[3] += expert[i] && !merged[i] ? 1 : 0;
    }
    List<Bucket> buckets = new ArrayList<>();
    for (int[] sum : sums) {
      buckets.add(new Bucket(sum[0], sum[1], sum[2], sum[3]));
    }
    return buckets;
  }

  /**
   * What a network has learned by heart: the share of examples with a label that is wrong on
   * purpose for which it gives that label.
   *
   * @param right which examples it classifies as their label says, be it wrong
   * @param noisy which labels are wrong
   * @throws IllegalArgumentException when none is
   */
  public static double memorised(boolean[] right, boolean[] noisy) {
    requireLength("the network", right.length, noisy.length);
    int wrong = 0;
    int learned = 0;
    for (int i = 0; i < noisy.length; i++) {
      wrong += noisy[i] ? 1 : 0;
      learned += noisy[i] && right[i] ? 1 : 0;
    }
    if (wrong == 0) {
      throw new IllegalArgumentException(
          "none of %d labels is wrong on purpose; nothing shows what was learned by heart"
              .formatted(noisy.length));
    }
    return (double) learned / wrong;
  }

  /**
   * Which examples a network classifies as their label says: whose largest output is that of their
   * class, the first of equals.
   *
   * @param outputs logits or probabilities, [examples x classes]
   * @throws IllegalArgumentException when a label is no class, or an output not a number
   */
  public static boolean[] right(Tensor outputs, int... labels) {
    if (outputs.rank() != 2 || outputs.dim(0) != labels.length || outputs.dim(1) == 0) {
      throw new ShapeException(
          "outputs are %s for %d labels; give [examples x classes]"
              .formatted(outputs, labels.length));
    }
    int classes = Math.toIntExact(outputs.dim(1));
    boolean[] right = new boolean[labels.length];
    for (int i = 0; i < labels.length; i++) {
      requireClass(labels[i], classes, i);
      long first = (long) i * classes;
      int best = 0;
      for (int c = 0; c < classes; c++) {
        double value = outputs.get(first + c);
        if (Double.isNaN(value)) {
          throw new IllegalArgumentException(
              "output %d for example %d is not a number".formatted(c, i));
        }
        best = value > outputs.get(first + best) ? c : best;
      }
      right[i] = best == labels[i];
    }
    return right;
  }

  private static void requireClass(int label, int classes, int example) {
    if (label < 0 || label >= classes) {
      throw new IllegalArgumentException(
          "label %d of example %d is not in 0..%d".formatted(label, example, classes - 1));
    }
  }

  private static void requireExamples(int examples) {
    if (examples == 0) {
      throw new IllegalArgumentException("no examples");
    }
  }

  private static void requireLength(String what, int found, int wanted) {
    if (found != wanted) {
      throw new IllegalArgumentException(
          "%s is given for %d examples, there are %d".formatted(what, found, wanted));
    }
  }
}
