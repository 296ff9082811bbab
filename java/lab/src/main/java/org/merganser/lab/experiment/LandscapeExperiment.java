// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.lab.report.Report;
import org.merganser.lab.report.Section;
import org.merganser.method.Setting;

/**
 * What the loss looks like around minima that generalise well and badly. Networks are trained with
 * and without weight decay and augmentation, and on random labels; from points beside each minimum
 * training goes on, and all that it visits is embedded (PHATE) and summed up (persistent homology
 * of the loss on a graph of neighbours). Asked is whether these numbers tell good minima from bad
 * ones, and whether they do so better than those of samples on lines and planes.
 *
 * <p>After Horoi et al. 2022, "Exploring the Geometry and Topology of Neural Network Loss
 * Landscapes" (arXiv 2102.00485), at the scale of minutes.
 */
public final class LandscapeExperiment extends Experiment {
  static final String ID = "landscape";

  /** Settings. */
  public record Options(
      Runs runs,
      @Setting("a folder of grey images: the IDX files of MNIST and its relatives, or .npy arrays")
          String data,
      @Setting(value = "training images, from the first; 6000, or all, unless set", min = 10)
          OptionalInt train,
      @Setting("what is trained") LandscapeArchitecture network,
      @Setting(value = "hidden units of the layers of mlp; 256,128 unless set", min = 1)
          List<Integer> hidden,
      @Setting(
              value = "channels of the first convolution of cnn, then twice as many; 16 unless set",
              min = 1)
          OptionalInt channels,
      @Setting("how the networks are trained") List<LandscapeMinimum> minima,
      @Setting(value = "epochs of training", min = 1) int baseEpochs,
      @Setting(value = "rate of SGD at first, a tenth in each of three stages", above = 0)
          double baseLr,
      @Setting(value = "weight decay of wd-aug and wd", above = 0) double weightDecay,
      @Setting(value = "pixels around an image that wd-aug crops from", min = 0) int padding,
      @Setting(value = "images of a step", min = 1) int batch,
      @Setting(value = "random directions of jumps", min = 2) int directions,
      @Setting(value = "steps of jumps, 1 as long as the weights", above = 0) List<Double> steps,
      @Setting(value = "epochs of training after a jump", min = 1) int epochs,
      @Setting(value = "its constant rate of SGD", above = 0) double lr,
      @Setting(
              value = "part of the training images that it does not see, as in the paper",
              min = 0,
              below = 1)
          double heldOut,
      @Setting(value = "neighbour whose distance is the bandwidth of PHATE", min = 1) int knn,
      @Setting(value = "neighbours of a sample in the graphs of persistence", min = 1) int k,
      @Setting("keep all samples in OUT/samples: P numbers of four bytes each") boolean keepSamples,
      @Setting(
              "trained networks by the hash of their recipe: what is there is not trained again;"
                  + " models in the folder of --out unless set")
          Optional<Path> cache) {
    public Options {
      hidden = List.copyOf(hidden);
      minima = List.copyOf(minima);
      steps = List.copyOf(steps);
    }

    /** A perceptron, all minima from three seeds, jumps as in the paper. */
    public static Options defaults() {
      Runs usual = Runs.defaults();
      return new Options(
          new Runs(3, usual.seed(), usual.keep(), usual.out()),
          ExperimentOptions.EMBEDDED,
          OptionalInt.empty(),
          LandscapeArchitecture.MLP,
          List.of(),
          OptionalInt.empty(),
          List.of(LandscapeMinimum.values()),
          60,
          0.05,
          1e-3,
          2,
          128,
          4,
          List.of(0.25, 0.5, 0.75, 1.0),
          40,
          1e-3,
          0.1,
          5,
          20,
          false,
          Optional.empty());
    }

    DataSet load() throws IOException {
      return data.equals(ExperimentOptions.EMBEDDED)
          ? ImageFiles.embedded(ImageForm.VECTORS, train)
          : ImageFiles.folder(Path.of(data), ImageForm.VECTORS, train);
    }

    List<Integer> widths() {
      return hidden.isEmpty() ? List.of(256, 128) : hidden;
    }

    int firstChannels() {
      return channels.orElse(16);
    }

    double longestStep() {
      return steps.get(steps.size() - 1);
    }

    int samples() {
      return directions * steps.size() * (epochs + 1);
    }
  }

  private final Options options;

  public LandscapeExperiment(Options options) {
    super(ID, options, options.runs());
    check(options);
    this.options = options;
  }

  private static void check(Options options) {
    String network = "network " + options.network().id() + " does not use it";
    boolean mlp = options.network() == LandscapeArchitecture.MLP;
    ExperimentOptions.refuse("hidden", !mlp && !options.hidden().isEmpty(), network);
    ExperimentOptions.refuse("channels", mlp && options.channels().isPresent(), network);
    List<LandscapeMinimum> minima = options.minima();
    if (minima.isEmpty() || new HashSet<>(minima).size() < minima.size()) {
      throw new IllegalArgumentException(
          "minima must be ways of training, each once, at least one, not "
              + minima.stream().map(LandscapeMinimum::id).toList());
    }
    List<Double> steps = options.steps();
    if (steps.isEmpty() || !steps.stream().sorted().distinct().toList().equals(steps)) {
      throw new IllegalArgumentException(
          "steps must be lengths of jumps in increasing order, each once, at least one, not "
              + steps);
    }
    int least = LandscapeProbes.least(options.samples(), options.directions());
    int needed = Math.max(options.k() + 1, options.knn() + 2);
    if (least < needed) {
      throw new IllegalArgumentException(
          ("%d directions x %d steps x %d epochs give %d samples, and %d on lines or the plane; k"
                  + " %d and knn %d need %d: set epochs higher, or these lower")
              .formatted(
                  options.directions(),
                  steps.size(),
                  options.epochs() + 1,
                  options.samples(),
                  least,
                  options.k(),
                  options.knn(),
                  needed));
    }
  }

  @Override
  String title() {
    return "Landscapes around good and bad minima";
  }

  Options options() {
    return options;
  }

  @Override
  public ExperimentResult run(Workspace ws) throws IOException {
    Optional<Path> out = options.runs().out();
    return run(
        out.isPresent()
            ? out.get().resolve("samples")
            : Files.createTempDirectory("merganser-landscape"),
        ws);
  }

  /**
   * @param samples the folder for them; without one for results it goes, whatever happens
   */
  ExperimentResult run(Path samples, Workspace ws) throws IOException {
    Stopwatch watch = new Stopwatch();
    List<Findings> seeds = new ArrayList<>();
    try (DataSet data = watch.time("data", options::load)) {
      LandscapeImages images = LandscapeImages.of(data);
      long parameters = 0;
      for (int index = 0; index < options.runs().seeds(); index++) {
        LandscapeSeed seed = new LandscapeSeed(this, index, data, images, watch, ws);
        seeds.add(seed.run(samples));
        parameters = seed.parameters();
      }
      return result(ExperimentResult.Data.of(data), parameters, seeds, watch, ws);
    } finally {
      if (options.runs().out().isPresent()) {
        SampleFolders.removeEmpty(samples);
      } else {
        SampleFolders.removeAll(samples);
      }
    }
  }

  private ExperimentResult result(
      ExperimentResult.Data data,
      long parameters,
      List<Findings> seeds,
      Stopwatch watch,
      Workspace ws)
      throws IOException {
    List<ExperimentResult.Row> rows = Summary.rows(seeds);
    List<Section<?>> sections =
        new LandscapeTables(options, LandscapeFound.of(options, seeds), ws).sections(rows);
    sections.add(1, Section.data("pairs", Summary.accuracies(seeds)));
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("experiment", ID);
    facts.put("seed", options.runs().seed());
    facts.put("seeds", options.runs().seeds());
    facts.put("data", data);
    facts.put("parameters", parameters);
    facts.put("settings", ResultReport.settings(this));
    ExperimentResult.Training training =
        seeds.stream()
            .map(Findings::training)
            .reduce(new ExperimentResult.Training(0, 0), ExperimentResult.Training::plus);
    Report report =
        new Report(
            title() + ": " + data.name(),
            LandscapeTables.text(options, data, parameters),
            facts,
            sections,
            ResultReport.made(ws),
            watch.seconds());
    return new ExperimentResult(
        data, parameters, rows, Summary.accuracies(seeds), List.of(), training, report);
  }
}
