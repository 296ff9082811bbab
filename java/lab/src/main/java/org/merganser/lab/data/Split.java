// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.torch.Examples;

/** Which training samples each model sees, as in Horoi et al. 2024. */
public enum Split {
  /** All of them. */
  NONE("none"),
  /**
   * Two models. Of the first half of the classes model 0 gets the first 20% of the samples and
   * model 1 the others; of the second half the reverse.
   */
  EIGHTY_TWENTY("80-20"),
  /**
   * Of each class, shuffled, the models get proportions drawn from Dirichlet(0.5, ..., 0.5),
   * rounded down; what rounding leaves is dealt at random.
   */
  DIRICHLET("dirichlet"),
  /** Each model has classes of its own, drawn at random, as many as the others (or one less). */
  CLASSES("classes");

  private static final int FIRST_PART = 5;

  private final String id;

  Split(String id) {
    this.id = id;
  }

  /** As on the command line. */
  @Override
  public String toString() {
    return id;
  }

  /** Throws unless this many models can share this many classes. */
  public void check(int models, int classes) {
    if (this == EIGHTY_TWENTY && models != 2) {
      throw new IllegalArgumentException("the split 80-20 is for 2 models, not " + models);
    }
    if (this == CLASSES && models > classes) {
      throw new IllegalArgumentException(
          "the split by classes needs a class for each model: %d models, %d classes"
              .formatted(models, classes));
    }
  }

  /**
   * Indices of the samples of each model, increasing.
   *
   * @throws IllegalArgumentException when a model would get none
   */
  public List<int[]> samples(int[] labels, int classes, int models, long seed) {
    check(models, classes);
    int[] modelOf = new int[labels.length];
    switch (this) {
      case NONE -> {
        return Collections.nCopies(models, indices(modelOf, 0));
      }
      case EIGHTY_TWENTY -> eightyTwenty(labels, classes, modelOf);
      case DIRICHLET -> dirichlet(labels, classes, models, seed, modelOf);
      case CLASSES -> {
        int[] owner = owners(classes, models, seed);
        Arrays.setAll(modelOf, i -> owner[labels[i]]);
      }
    }
    List<int[]> samples = parts(modelOf, models);
    for (int k = 0; k < models; k++) {
      if (samples.get(k).length == 0) {
        throw new IllegalArgumentException(
            "the split %s with seed %s leaves model %s without samples; use more samples or another seed"
                .formatted(id, seed, k));
      }
    }
    return samples;
  }

  /** The examples of each model; those of {@link #NONE} share the memory of {@code all}. */
  public List<Examples> apply(Examples all, int models, long seed) {
    check(models, all.classes());
    if (this == NONE) {
      return Collections.nCopies(models, all);
    }
    return samples(all.labels(), all.classes(), models, seed).stream().map(all::select).toList();
  }

  /** The classes of each model under {@link #CLASSES}, increasing. */
  public static List<int[]> classes(int classes, int models, long seed) {
    CLASSES.check(models, classes);
    return parts(owners(classes, models, seed), models);
  }

  private static List<int[]> parts(int[] modelOf, int models) {
    return IntStream.range(0, models).mapToObj(model -> indices(modelOf, model)).toList();
  }

  private static void eightyTwenty(int[] labels, int classes, int[] modelOf) {
    for (int c = 0; c < classes; c++) {
      int[] own = indices(labels, c);
      boolean firstHalf = 2 * c < classes;
      for (int i = 0; i < own.length; i++) {
        modelOf[own[i]] = i < own.length / FIRST_PART == firstHalf ? 0 : 1;
      }
    }
  }

  private static void dirichlet(int[] labels, int classes, int models, long seed, int[] modelOf) {
    for (int c = 0; c < classes; c++) {
      SplittableRandom random = Seeds.stream(seed, "split/dirichlet/" + c);
      int[] own = indices(labels, c);
      shuffle(own, random);
      // Gamma(1/2) is half a chi-square of one degree of freedom; the half cancels.
      double[] weights =
          DoubleStream.generate(random::nextGaussian).limit(models).map(z -> z * z).toArray();
      double sum = 0;
      for (double weight : weights) {
        sum += weight;
      }
      int at = 0;
      for (int k = 0; k < models; k++) {
        int count = (int) Math.min(own.length - at, Math.floor(weights[k] / sum * own.length));
        for (int end = at + count; at < end; at++) {
          modelOf[own[at]] = k;
        }
      }
      while (at < own.length) {
        modelOf[own[at++]] = random.nextInt(models);
      }
    }
  }

  private static int[] owners(int classes, int models, long seed) {
    int[] order = IntStream.range(0, classes).toArray();
    shuffle(order, Seeds.stream(seed, "split/classes"));
    int[] owner = new int[classes];
    for (int i = 0; i < classes; i++) {
      owner[order[i]] = i % models;
    }
    return owner;
  }

  /** Where a value is, increasing. */
  private static int[] indices(int[] values, int value) {
    return IntStream.range(0, values.length).filter(i -> values[i] == value).toArray();
  }

  private static void shuffle(int[] values, SplittableRandom random) {
    for (int i = values.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int value = values[i];
      values[i] = values[j];
      values[j] = value;
    }
  }
}
