// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.merganser.analysis.recurrent.Picture;
import org.merganser.compute.Workspace;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.data.ImageForm;
import org.merganser.method.Setting;
import org.merganser.similarity.LinearCka;
import org.merganser.torch.recurrent.RecurrentUnit;
import org.merganser.torch.recurrent.RnnInit;
import org.merganser.torch.recurrent.VanillaRnn;

/**
 * What each step of a recurrent network makes of images that it reads row by row, and of the blank
 * rows after them: the trained output layer against a fresh linear probe, clusters, manifolds and
 * effective dimension, similarity of all steps, and the map without input before and after training
 * (spectrum, Lyapunov exponents, slow points, recurrence), and images that come early, late or
 * incomplete.
 *
 * <p>After Horoi, Lajoie and Wolf 2020 (arXiv 2001.03255): tanh units without biases, read at the
 * last step.
 */
public final class RnnDynamicsExperiment extends Experiment {
  static final String ID = "rnn-dynamics";

  /** Steps of drift after which output layer and probe are compared with those at the end. */
  static final int SOON = 5;

  /** Test images that the debiased CKA of two steps takes at least. */
  private static final int SIMILAR = LinearCka.debiased().minimumSamples();

  /** Settings. */
  public record Options(
      Runs runs,
      @Setting("a folder of grey images: the IDX files of MNIST and its relatives, or .npy arrays")
          String data,
      @Setting(value = "training images, from the first; 6000, or all, unless set", min = 10)
          OptionalInt train,
      @Setting(value = "hidden units", min = 2) int hidden,
      @Setting(value = "epochs of training", min = 1) int epochs,
      @Setting(value = "images of a step of training", min = 1) int batch,
      @Setting(value = "rate of Adam", above = 0) double lr,
      @Setting(value = "largest norm of the gradient", above = 0) double clipNorm,
      @Setting(value = "steps without input after the image", min = SOON) int drift,
      @Setting(value = "rows by which images come late, or are short, at most", min = 1) int shifts,
      @Setting(value = "Lyapunov exponents, from the largest", min = 1) int exponents,
      @Setting(value = "states that slow points are searched from", min = 1) int starts,
      @Setting("how the film shows states") Picture film) {

    /** 200 units, 12 epochs, 28 steps of drift, 1000 starts, a film by PHATE. */
    public static Options defaults() {
      return new Options(
          Runs.defaults(),
          ExperimentOptions.EMBEDDED,
          OptionalInt.empty(),
          200,
          12,
          100,
          1e-3,
          1,
          28,
          8,
          10,
          1000,
          Picture.PHATE);
    }

    DataSet load() throws IOException {
      return data.equals(ExperimentOptions.EMBEDDED)
          ? ImageFiles.embedded(ImageForm.VECTORS, train)
          : ImageFiles.folder(Path.of(data), ImageForm.VECTORS, train);
    }

    /** That reads rows. */
    VanillaRnn network(int width, int classes) {
      return VanillaRnn.of(width, hidden, classes, RecurrentUnit.Plain.TANH)
          .withBias(false)
          .withInit(RnnInit.GAUSSIAN, RnnInit.GAUSSIAN);
    }
  }

  private final Options options;

  public RnnDynamicsExperiment(Options options) {
    super(ID, options, options.runs());
    if (options.exponents() > options.hidden()) {
      throw new IllegalArgumentException(
          "%d exponents of %d hidden units; ask for at most as many as there are units"
              .formatted(options.exponents(), options.hidden()));
    }
    this.options = options;
  }

  @Override
  String title() {
    return "What recurrent steps make of images";
  }

  @Override
  Groups groups() {
    return new SeedGroups();
  }

  private void check(RowImages rows, String name) {
    if (options.shifts() >= rows.steps()) {
      throw new IllegalArgumentException(
          "images of %d rows have none left after %d; set shifts lower"
              .formatted(rows.steps(), options.shifts()));
    }
    if (rows.test().size() < SIMILAR) {
      throw new IllegalArgumentException(
          "the similarity of steps (debiased CKA) takes %d test images, those of %s are %d; add some"
              .formatted(SIMILAR, name, rows.test().size()));
    }
    if (rows.test().size() < options.film().least()) {
      throw new IllegalArgumentException(
          "a film by %s takes %d test images, there are %d; set film to pca"
              .formatted(options.film(), options.film().least(), rows.test().size()));
    }
  }

  private final class SeedGroups implements Groups {
    private DataSet images;
    private RowImages rows;

    @Override
    public void open(Runner run) throws IOException {
      images = run.watch().time("data", options::load);
      rows = RowImages.of(images);
      check(rows, images.name());
    }

    @Override
    public Findings find(int index, Runner run) throws IOException {
      return run.journal().found(index, Journal.digest(images), () -> found(index, run));
    }

    private Findings found(int index, Runner run) throws IOException {
      Findings found = new Findings(new ExperimentResult.Training(1, 0));
      Workspace ws = run.ws();
      try (Workspace own =
          Workspace.builder()
              .backend(ws.backend())
              .threads(ws.threads())
              .seed(run.seed(index))
              .progress(ws.progress())
              .cancellation(ws.cancellation())
              .open()) {
        new RnnDynamicsSeed(options, rows, index, found, run.watch(), own).run();
      }
      return found;
    }

    @Override
    public Told told(List<Findings> seeds, Runner run) {
      VanillaRnn network = options.network(rows.width(), rows.classes());
      long parameters = network.size(network.learned());
      ExperimentResult.Data data = ExperimentResult.Data.of(images);
      List<ExperimentResult.Row> accuracies = Summary.rows(seeds);
      List<ExperimentResult.Difference> differences = RnnDynamicsTables.differences(seeds);
      String title = title() + ": " + data.name();
      return new Told(
              data,
              parameters,
              RnnDynamicsTables.text(options, rows, data, parameters, seeds.size()),
              accuracies,
              differences,
              RnnDynamicsTables.sections(rows.steps(), accuracies, differences, seeds))
          .withPage("film.html", RnnFilm.page(title, options.film(), rows.steps(), seeds.get(0)));
    }

    @Override
    public void close() {
      if (images != null) {
        images.close();
      }
    }
  }
}
