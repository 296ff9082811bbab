// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.SimilarityGrid;

/**
 * What each step of a recurrent network does to its representation of labelled sequences, step
 * after step: accuracy of the output layer against that of a fresh linear probe, effective
 * dimension, scatter, clusters and manifolds of the classes ({@link StepReport}), and in the end
 * how similar steps are (CKA). States are given one step at a time, as {@link Orbits} has them; of
 * each only {@code kept} samples are kept, which the seed of the Workspace draws: samples may be
 * sorted by class.
 *
 * <p>After Horoi, Lajoie and Wolf 2020 (arXiv 2001.03255).
 */
public final class RepresentationDynamics implements AutoCloseable {
  private static final double SHARE = 0.9;

  /** Settings. */
  public record Options(
      @Setting(value = "penalty of the probe", above = 0) double lambda,
      @Setting(
              value = "test samples that pairs are taken of: distances, silhouettes, CKA, pictures",
              min = 4)
          int kept,
      @Setting(value = "draws of the first centres of k-means", min = 1) int draws,
      @Setting("pictures of the states") Picture picture) {
    public Options {
      Settings.check(Options.class, lambda, kept, draws, picture);
    }

    /** A penalty of 0.1, pairs of 500 samples, 4 draws, principal components. */
    public static Options defaults() {
      return new Options(0.1, 500, 4, Picture.PCA);
    }

    public Options withLambda(double value) {
      return Settings.with(this, "lambda", value);
    }

    public Options withKept(int value) {
      return Settings.with(this, "kept", value);
    }

    public Options withDraws(int value) {
      return Settings.with(this, "draws", value);
    }

    public Options withPicture(Picture value) {
      return Settings.with(this, "picture", value);
    }
  }

  private final Matrix readout;
  private final double[] bias;
  private final int[] trainLabels;
  private final int[] testLabels;
  private final int classes;
  private final Options options;
  private final int[] drawn;
  private final Workspace ws;
  private final Map<String, Matrix> kept = new LinkedHashMap<>();
  private double[][] picture;

  /**
   * @param readout W, [classes x H] on the host
   * @param bias c, [classes]
   * @param trainLabels of the training states, from 0
   * @param testLabels of the test states
   */
  public RepresentationDynamics(
      Matrix readout,
      double[] bias,
      int[] trainLabels,
      int[] testLabels,
      Options options,
      Workspace ws) {
    if (trainLabels.length == 0 || testLabels.length == 0) {
      throw new IllegalArgumentException(
          "no samples: %d to fit probes on, %d to test them with"
              .formatted(trainLabels.length, testLabels.length));
    }
    this.classes = Math.toIntExact(readout.rows());
    if (bias.length != classes) {
      throw new ShapeException(bias.length + " biases for a readout that is a " + readout);
    }
    for (int label :
        IntStream.concat(Arrays.stream(trainLabels), Arrays.stream(testLabels)).toArray()) {
      if (label < 0 || label >= classes) {
        throw new IllegalArgumentException(
            "label " + label + " of a readout of " + classes + " classes");
      }
    }
    if (Math.min(options.kept(), testLabels.length) < options.picture().least()) {
      throw new IllegalArgumentException(
          "pictures by %s take %d test samples, not %d of which %d are kept; take PCA"
              .formatted(
                  options.picture(), options.picture().least(), testLabels.length, options.kept()));
    }
    this.readout = readout.transpose();
    this.bias = bias.clone();
    this.trainLabels = trainLabels.clone();
    this.testLabels = testLabels.clone();
    this.options = options;
    this.drawn =
        Arrays.copyOf(
            Seeds.order(testLabels.length, ws.seed(), "kept"),
            Math.min(options.kept(), testLabels.length));
    this.ws = Orbits.host(ws);
  }

  /**
   * The next step.
   *
   * @param train [N x H] on the host
   * @param test likewise
   * @throws NumericalException naming the first step, sample and unit that is not finite
   */
  public StepReport accept(Matrix train, Matrix test) {
    int step = kept.size() + 1;
    check("training", train, trainLabels.length, step);
    check("test", test, testLabels.length, step);
    PrincipalComponents components = PrincipalComponents.of(test, ws);
    ClassGeometry geometry = ClassGeometry.of(test, testLabels, ws);
    Matrix some = drawn(test);
    kept.put(String.valueOf(step), some);
    Distances distances;
    Picture.Plane plane;
    try (Matrix between = Distances.between(some, ws)) {
      distances =
          Distances.of(between, IntStream.of(drawn).map(sample -> testLabels[sample]).toArray());
      plane = options.picture().plane(components, some, between, ws);
    }
    int[] clusters = KMeans.clusters(test, classes, options.draws(), "k-means/" + step, ws);
    Partition partition = new Partition(clusters, testLabels);
    picture =
        picture == null ? plane.points() : PrincipalComponents.aligned(plane.points(), picture);
    return new StepReport(
        step,
        RidgeProbe.accuracy(test, readout, bias, testLabels, ws),
        RidgeProbe.accuracy(train, trainLabels, test, testLabels, options.lambda(), ws),
        components.participationRatio(),
        components.count(SHARE),
        geometry.within(),
        geometry.between(),
        ClassGeometry.ratio(geometry.between(), geometry.within()),
        geometry.fisher(),
        distances.within(),
        distances.between(),
        distances.silhouette(),
        partition.adjustedRandIndex(),
        partition.normalisedInformation(),
        geometry.radius(),
        geometry.dimension(),
        geometry.centreCorrelation(),
        Arrays.stream(picture).map(p -> List.of(p[0], p[1])).toList(),
        plane.warnings());
  }

  private void check(String what, Matrix states, int samples, int step) {
    if (states.rows() != samples || states.columns() != readout.rows()) {
      throw new ShapeException(
          "%s states of step %d are a %s, needed %d x %d"
              .formatted(what, step, states, samples, readout.rows()));
    }
    int size = Math.toIntExact(states.columns());
    double[] values = states.asTensor().toDoubleArray();
    for (int at = 0; at < values.length; at++) {
      if (!Double.isFinite(values[at])) {
        throw new NumericalException(
            "the %s state of step %d, sample %d is %s in unit %d"
                .formatted(what, step, at / size, values[at], at % size));
      }
    }
  }

  private Matrix drawn(Matrix states) {
    return Matrix.of(IntStream.of(drawn).mapToObj(states::row).toArray(double[][]::new));
  }

  /** Numbers of the test samples that are kept, in the order of pictures. */
  public int[] kept() {
    return drawn.clone();
  }

  /**
   * Linear CKA, debiased, of the kept samples between all steps so far, [T x T]; NaN where a step
   * has no variance.
   *
   * @throws IllegalStateException before any step
   */
  public double[][] similarity() {
    if (kept.isEmpty()) {
      throw new IllegalStateException("no steps: states of at least one are needed");
    }
    return SimilarityGrid.compute(LinearCka.debiased(), kept, kept, ws).values();
  }

  /** Frees what is kept. */
  @Override
  public void close() {
    new ArrayList<>(kept.values()).forEach(Matrix::close);
    readout.close();
    ws.close();
  }
}
