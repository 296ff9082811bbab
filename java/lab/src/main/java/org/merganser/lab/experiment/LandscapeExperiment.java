// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.lab.report.Section;
import org.merganser.method.Setting;
import org.merganser.torch.TorchNetwork;

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
      @Setting(value = "samples of a jump: epoch 0, as it is, and on", min = 2) int epochs,
      @Setting(value = "constant rate of SGD after a jump", above = 0) double lr,
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

    TorchNetwork network(LandscapeImages images) {
      return network.build(this, images.side(), Math.toIntExact(images.train().classes()));
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
      return directions * steps.size() * epochs;
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
                  options.epochs(),
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

  @Override
  Groups groups() throws IOException {
    Optional<Path> out = options.runs().out();
    return groups(
        out.isPresent()
            ? out.get().resolve("samples")
            : Files.createTempDirectory("merganser-landscape"));
  }

  /**
   * @param samples the folder for them; without one for results it goes, whatever happens
   */
  Groups groups(Path samples) {
    return new SeedGroups(samples);
  }

  private final class SeedGroups implements Groups {
    private final Path samples;
    private DataSet data;
    private LandscapeImages images;

    SeedGroups(Path samples) {
      this.samples = samples;
    }

    @Override
    public void open(Runner run) throws IOException {
      data = run.watch().time("data", options::load);
      images = LandscapeImages.of(data);
    }

    @Override
    public Findings find(int index, Runner run) throws IOException {
      return new LandscapeSeed(options, index, data, images, run).run(samples);
    }

    @Override
    public Told told(List<Findings> seeds, Runner run) throws IOException {
      ExperimentResult.Data summary = ExperimentResult.Data.of(data);
      long parameters = options.network(images).size();
      List<ExperimentResult.Row> rows = Summary.rows(seeds);
      LandscapeFound found = LandscapeFound.of(options, seeds);
      List<Section<?>> sections = new LandscapeTables(options, found, run.ws()).sections(rows);
      sections.add(1, Section.data("pairs", Summary.accuracies(seeds)));
      String text = LandscapeTables.text(options, summary, parameters);
      return new Told(summary, parameters, text, rows, List.of(), sections);
    }

    @Override
    public void close() throws IOException {
      if (data != null) {
        data.close();
      }
      if (options.runs().out().isPresent()) {
        SampleFolders.removeEmpty(samples);
      } else {
        SampleFolders.removeAll(samples);
      }
    }
  }
}
