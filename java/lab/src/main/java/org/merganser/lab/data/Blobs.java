// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Small synthetic data that need no file: 30 Gaussian blobs in R^8 (centres of deviation 2.2, unit
 * noise), label = blob mod 10, seen through {@code x = tanh(z A) B + 0.3 noise} in R^64 with
 * entries of A of variance 1/8 and of B of variance 1/64; each feature standardised by the training
 * samples.
 */
public final class Blobs {
  private static final int BLOBS = 30;
  private static final int LATENT = 8;
  private static final int FEATURES = 64;
  private static final int CLASSES = 10;
  private static final int TEST = 4000;
  private static final int MAX_TRAIN = 1_000_000;

  /** Number of training samples unless told otherwise. */
  public static final int TRAIN = 6000;

  private Blobs() {}

  /** One draw of the data; the seed decides everything. */
  public static DataSet draw(int train, long seed) {
    if (train < 2 || train > MAX_TRAIN) {
      throw new IllegalArgumentException(
          "cannot draw " + train + " training samples of blobs; ask for 2 to " + MAX_TRAIN);
    }
    double[] centres = normal(seed, "centres", BLOBS * LATENT, 2.2);
    double[] a = normal(seed, "a", LATENT * FEATURES, Math.sqrt(1.0 / LATENT));
    double[] b = normal(seed, "b", FEATURES * FEATURES, Math.sqrt(1.0 / FEATURES));
    SplittableRandom random = Seeds.stream(seed, "blobs/samples");
    // In this order, so that the samples before do not depend on how many come after.
    int total = train + TEST + DataSet.VALIDATION;
    double[][] x = new double[total][];
    int[] labels = new int[total];
    for (int i = 0; i < total; i++) {
      int blob = random.nextInt(BLOBS);
      labels[i] = blob % CLASSES;
      x[i] = observe(latent(centres, blob, random), a, b, random);
    }
    standardise(x, train);
    return new DataSet(
        "blobs",
        examples(x, labels, 0, train),
        Optional.of(examples(x, labels, train + TEST, total)),
        examples(x, labels, train, train + TEST),
        Optional.empty());
  }

  private static double[] latent(double[] centres, int blob, SplittableRandom random) {
    double[] z = new double[LATENT];
    Arrays.setAll(z, d -> centres[blob * LATENT + d] + random.nextGaussian());
    return z;
  }

  private static double[] observe(double[] z, double[] a, double[] b, SplittableRandom random) {
    // StrictMath: the same bits on every JVM.
    double[] hidden = Arrays.stream(times(z, a)).map(StrictMath::tanh).toArray();
    double[] x = times(hidden, b);
    Arrays.setAll(x, f -> x[f] + 0.3 * random.nextGaussian());
    return x;
  }

  /** A row times a matrix of {@value #FEATURES} columns. */
  private static double[] times(double[] row, double[] matrix) {
    double[] product = new double[FEATURES];
    for (int d = 0; d < row.length; d++) {
      for (int f = 0; f < FEATURES; f++) {
        product[f] += row[d] * matrix[d * FEATURES + f];
      }
    }
    return product;
  }

  private static void standardise(double[][] x, int train) {
    for (int f = 0; f < FEATURES; f++) {
      double mean = 0;
      for (int i = 0; i < train; i++) {
        mean += x[i][f] / train;
      }
      double variance = 0;
      for (int i = 0; i < train; i++) {
        variance += (x[i][f] - mean) * (x[i][f] - mean) / train;
      }
      double sd = Math.sqrt(variance);
      for (double[] row : x) {
        row[f] = (row[f] - mean) / sd;
      }
    }
  }

  private static Examples examples(double[][] x, int[] labels, int from, int to) {
    float[] values = new float[(to - from) * FEATURES];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) x[from + i / FEATURES][i % FEATURES];
    }
    int[] classes = Arrays.copyOfRange(labels, from, to);
    return new Examples(Tensor.of(values, to - from, FEATURES), classes, CLASSES);
  }

  private static double[] normal(long seed, String name, int count, double deviation) {
    SplittableRandom random = Seeds.stream(seed, "blobs/" + name);
    double[] values = new double[count];
    Arrays.setAll(values, i -> random.nextGaussian() * deviation);
    return values;
  }
}
