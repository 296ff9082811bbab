// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntUnaryOperator;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.merganser.analysis.recurrent.FixedPoint;
import org.merganser.analysis.recurrent.FixedPoints;
import org.merganser.analysis.recurrent.Nonlinearity;
import org.merganser.analysis.recurrent.Orbits;
import org.merganser.analysis.recurrent.Picture;
import org.merganser.analysis.recurrent.RecurrentMap;
import org.merganser.analysis.recurrent.RepresentationDynamics;
import org.merganser.analysis.recurrent.Spectrum;
import org.merganser.analysis.recurrent.StepJacobian;
import org.merganser.analysis.recurrent.StepReport;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.experiment.Findings.Found;
import org.merganser.lab.experiment.RnnDynamicsTables.Dynamics;
import org.merganser.lab.experiment.RnnDynamicsTables.Length;
import org.merganser.lab.experiment.RnnDynamicsTables.Point;
import org.merganser.lab.experiment.RnnDynamicsTables.Return;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.recurrent.RnnSession;
import org.merganser.torch.recurrent.RnnTraining;
import org.merganser.torch.recurrent.Sequences;
import org.merganser.torch.recurrent.VanillaRnn;

/** One trained network, step by step; its Workspace has its seed. */
final class RnnDynamicsSeed {
  private static final double NOISE = 0.1;
  private static final int POINTS_TOLD = 10;

  /** Test images that orbits without input go on from. */
  private static final int ORBITS = 8;

  private final RnnDynamicsExperiment.Options options;
  private final RowImages rows;
  private final int index;
  private final Findings found;
  private final Stopwatch watch;
  private final Workspace ws;
  private final VanillaRnn network;

  RnnDynamicsSeed(
      RnnDynamicsExperiment.Options options,
      RowImages rows,
      int index,
      Findings found,
      Stopwatch watch,
      Workspace ws) {
    this.options = options;
    this.rows = rows;
    this.index = index;
    this.found = found;
    this.watch = watch;
    this.ws = ws;
    this.network = options.network(rows.width(), rows.classes());
  }

  void run() throws IOException {
    long batches = (rows.train().size() + options.batch() - 1L) / options.batch();
    RnnTraining.Options how =
        RnnTraining.Options.adam(options.lr(), options.epochs() * batches)
            .withBatch(options.batch())
            .withClipNorm(options.clipNorm());
    try (MemoryCheckpoint start = network.initialise(ws.seed());
        RnnTraining trained =
            watch.time("train", () -> RnnTraining.of(network, start, rows.train(), how, ws))) {
      if (trained.diverged().isPresent()) {
        throw new NumericalException(
            "network " + index + ": " + trained.diverged().get() + "; set lr lower");
      }
      options.runs().keep(index, "rnn", trained.model(), ws);
      watch.run("steps", () -> steps(trained.model()));
      watch.run("dynamics", () -> dynamics("before", start));
      watch.run("dynamics", () -> dynamics("after", trained.model()));
      watch.run("lengths", () -> lengths(trained.model()));
    }
  }

  private RecurrentMap map(Checkpoint model) throws IOException {
    return RecurrentMap.of(model, "", Nonlinearity.tanh(), ws);
  }

  /** What each step holds, and how alike they are. */
  private void steps(Checkpoint model) throws IOException {
    RecurrentMap map = map(model);
    Sequences train = rows.train();
    Sequences test = rows.test();
    float[] trainPixels = RowImages.pixels(train);
    float[] testPixels = RowImages.pixels(test);
    List<StepReport> reports = new ArrayList<>();
    int all = rows.steps() + options.drift();
    try (Matrix readout = readout(model);
        Orbits trainStates = new Orbits(map, train.size(), ws);
        Orbits testStates = new Orbits(map, test.size(), ws);
        RepresentationDynamics dynamics =
            new RepresentationDynamics(
                readout,
                bias(model),
                train.labels(),
                test.labels(),
                RepresentationDynamics.Options.defaults().withPicture(picture()),
                ws)) {
      for (int t = 0; t < all; t++) {
        reports.add(
            dynamics.accept(
                advance(trainStates, trainPixels, train, t),
                advance(testStates, testPixels, test, t)));
        ws.progress().report("steps of network " + (index + 1), t + 1, all);
      }
      found.data().put("similarity", dynamics.similarity());
      int[] labels = test.labels();
      found.data().put("labels", IntStream.of(dynamics.kept()).map(i -> labels[i]).toArray());
    }
    found.data().put("steps", reports);
    rows(model, reports);
  }

  /** The film shows the first network. */
  private Picture picture() {
    return index == 0 ? options.film() : Picture.PCA;
  }

  private Matrix advance(Orbits states, float[] pixels, Sequences of, int step) {
    if (step >= rows.steps()) {
      return states.drift();
    }
    try (Matrix inputs = RowImages.step(pixels, of, step)) {
      return states.advance(inputs);
    }
  }

  private Matrix readout(Checkpoint model) throws IOException {
    return Matrix.of(wide(model, "readout.weight"));
  }

  private double[] bias(Checkpoint model) throws IOException {
    try (Tensor bias = wide(model, "readout.bias")) {
      return bias.toDoubleArray();
    }
  }

  private Tensor wide(Checkpoint model, String name) throws IOException {
    try (Tensor stored = model.read(name, ws)) {
      Tensor wide = Tensor.allocate(DType.F64, stored.shape());
      wide.convertFrom(stored, ws);
      return wide;
    }
  }

  private void rows(Checkpoint model, List<StepReport> reports) throws IOException {
    int end = rows.steps() - 1;
    try (RnnSession session = network.open(model, ws)) {
      RnnSession.Score test = session.score(rows.test());
      found
          .rows()
          .put(
              "network",
              new Found(
                  "as it is used: read at the last row",
                  new Evaluation(test.accuracy(), test.loss()),
                  new Evaluation(Double.NaN, Double.NaN),
                  ""));
    }
    add("half", "at half of the rows", reports.get(rows.steps() / 2 - 1));
    add("end", "at the last row", reports.get(end));
    add(
        "drift",
        RnnDynamicsExperiment.SOON + " steps later",
        reports.get(end + RnnDynamicsExperiment.SOON));
  }

  private void add(String when, String meaning, StepReport report) {
    Evaluation none = new Evaluation(Double.NaN, Double.NaN);
    found
        .rows()
        .put(
            "readout-" + when,
            new Found(
                "the output layer " + meaning,
                new Evaluation(report.readout(), Double.NaN),
                none,
                ""));
    found
        .rows()
        .put(
            "probe-" + when,
            new Found(
                "a fresh probe " + meaning, new Evaluation(report.probe(), Double.NaN), none, ""));
  }

  /** The map without input. */
  private void dynamics(String when, Checkpoint model) throws IOException {
    RecurrentMap map = map(model);
    double[][] starts = new double[options.starts()][];
    List<double[]> last = visited(map, starts);
    FixedPoints points = FixedPoints.find(map, starts, FixedPoints.Options.defaults(), ws);
    FreeOrbits orbits = FreeOrbits.of(map, last, options.exponents(), ws);
    int size = map.dimension();
    Spectrum spectrum = Spectrum.of(List.of(map.recurrent()), size, ws).get(0);
    double[] singular = StepJacobian.singularValues(map.recurrent(), size, ws);
    found
        .map("dynamics")
        .put(
            when,
            new Dynamics(
                spectrum.radius(),
                singular[0],
                boxed(spectrum.real()),
                boxed(spectrum.imaginary()),
                orbits.exponents(),
                orbits.halfRun(),
                points.fixed().size(),
                points.slow().size(),
                points.lost(),
                points.points().stream().filter(FixedPoint::isStable).count(),
                points.points().stream()
                    .mapToInt(FixedPoint::unstableDirections)
                    .average()
                    .orElse(0),
                new Return(
                    orbits.steps(), orbits.strength(), orbits.recurrence().size(), orbits.count()),
                points.points().stream().limit(POINTS_TOLD).map(Point::of).toList()));
  }

  private static List<Double> boxed(double... values) {
    return DoubleStream.of(values).boxed().toList();
  }

  /**
   * States that test images led to, at random steps of them and of the drift, with some noise.
   *
   * @return states after the last row of some images, which the seed draws
   */
  private List<double[]> visited(RecurrentMap map, double[][] starts) {
    Sequences test = rows.test();
    float[] pixels = RowImages.pixels(test);
    SplittableRandom random = Seeds.stream(ws.seed(), "starts");
    int all = rows.steps() + options.drift();
    int[] steps = random.ints(starts.length, 0, all).toArray();
    int[] samples = random.ints(starts.length, 0, test.size()).toArray();
    int[] order = Seeds.order(test.size(), ws.seed(), "orbits");
    List<double[]> last = new ArrayList<>();
    try (Orbits orbits = new Orbits(map, test.size(), ws)) {
      for (int t = 0; t < all; t++) {
        Matrix states = advance(orbits, pixels, test, t);
        for (int s = 0; s < starts.length; s++) {
          if (steps[s] == t) {
            starts[s] = states.row(samples[s]);
            for (int i = 0; i < starts[s].length; i++) {
              starts[s][i] += NOISE * random.nextGaussian();
            }
          }
        }
        if (t == rows.steps() - 1) {
          IntStream.of(order).limit(ORBITS).forEach(sample -> last.add(states.row(sample)));
        }
      }
    }
    return last;
  }

  /** Images that come late, early, with blank rows, or not to their end. */
  private void lengths(Checkpoint model) throws IOException {
    int steps = rows.steps();
    List<Length> lengths = new ArrayList<>();
    try (RnnSession session = network.open(model, ws)) {
      for (int shift = 0; shift <= options.shifts(); shift++) {
        int k = shift;
        lengths.add(
            new Length(
                k,
                accuracy(session, steps + k, t -> t - k),
                accuracy(session, steps + k, t -> t),
                accuracy(session, steps - k, t -> t),
                accuracy(session, steps, t -> t - k),
                accuracy(session, steps, t -> t + k)));
        ws.progress().report("lengths of network " + (index + 1), k + 1, options.shifts() + 1);
      }
    }
    found.data().put("lengths", lengths);
  }

  private double accuracy(RnnSession session, int steps, IntUnaryOperator row) throws IOException {
    return session.score(rows.changed(steps, row)).accuracy();
  }
}
