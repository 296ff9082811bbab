// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.analysis.recurrent.Picture;
import org.merganser.analysis.recurrent.StepReport;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.IdxFolder;
import org.merganser.lab.data.ImageFiles;
import org.merganser.lab.experiment.RnnDynamicsTables.Dynamics;
import org.merganser.lab.experiment.RnnDynamicsTables.Length;
import org.merganser.lab.experiment.RnnDynamicsTables.Return;
import org.merganser.lab.report.Json;
import org.merganser.lab.report.Section;
import org.merganser.method.Settings;
import org.merganser.torch.recurrent.RnnSession;
import org.merganser.torch.recurrent.Sequences;
import org.merganser.torch.recurrent.VanillaRnn;

/** The experiment at the scale of seconds: what it finds, its film, going on, what it refuses. */
class RnnDynamicsExperimentTest {
  @TempDir Path folder;

  private static RnnDynamicsExperiment.Options options(Map<String, String> more) {
    Map<String, String> all =
        new HashMap<>(
            Map.of(
                "hidden", "24",
                "train", "500",
                "epochs", "3",
                "batch", "20",
                "drift", "6",
                "shifts", "2",
                "exponents", "3",
                "starts", "20",
                "film", "pca"));
    all.putAll(more);
    return Settings.of(RnnDynamicsExperiment.Options.defaults()).parse("", all);
  }

  private static ExperimentResult run(Map<String, String> more) throws IOException {
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      return new RnnDynamicsExperiment(options(more)).run(ws);
    }
  }

  @Test
  void probesReadWhatTheOutputLayerDoesNotYet() throws IOException {
    String keep = folder.resolve("kept").toString();
    String out = folder.resolve("out").toString();
    Map<String, String> given = Map.of("seeds", "2", "keep", keep, "out", out);
    ExperimentResult result = run(given);
    assertThat(result.rows())
        .extracting(ExperimentResult.Row::method)
        .containsExactly(
            "network",
            "readout-half",
            "probe-half",
            "readout-end",
            "probe-end",
            "readout-drift",
            "probe-drift");
    assertThat(result.difference("probe-half", "readout-half").mean()).isGreaterThan(.2);
    // States in F64 say what the network says in F32, but for a few images between two classes.
    assertThat(result.row("readout-end").accuracy())
        .isCloseTo(result.row("network").accuracy(), within(.002));
    Claim claim = (Claim) result.section("claims").get(0);
    assertThat(claim.value().mean())
        .isEqualTo(result.difference("probe-half", "readout-half").mean(), within(1e-12));
    assertThat(claim.held()).isEqualTo(claim.value().low() > 0);
    Claim holds = (Claim) result.section("claims").get(3);
    assertThat(holds.required()).isEqualTo("above -0.03");
    assertThat(holds.value().mean())
        .isEqualTo(result.difference("probe-drift", "probe-end").mean(), within(1e-12));
    assertThat(holds.held()).isEqualTo(holds.value().low() > -.03);
    assertThat(result.report().tables()).contains("held", "exponent 1", "probe-half");

    List<Findings> seeds = journal();
    assertThat(seeds).hasSize(2);
    for (int i = 0; i < 2; i++) {
      check(seeds.get(i));
      checkLengths(seeds.get(i), folder.resolve("kept/pair-" + i + "/rnn.safetensors"));
    }
    checkHalfRuns(result, seeds);
    try (Checkpoint kept = Safetensors.open(folder.resolve("kept/pair-1/rnn.safetensors"))) {
      assertThat(kept.tensors()).containsKeys("weight_ih_l0", "weight_hh_l0", "readout.weight");
    }
    assertGoesOn(given, result);
  }

  /** What is there is found, the rest computed on one thread, and the same is told. */
  private void assertGoesOn(Map<String, String> given, ExperimentResult result) throws IOException {
    Path lost = files().get(0);
    String before = Files.readString(lost);
    Files.delete(lost);
    RnnDynamicsExperiment second = new RnnDynamicsExperiment(options(given));
    ExperimentResult again;
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      again = second.run(ws);
    }
    assertThat(again.training()).isEqualTo(new ExperimentResult.Training(1, 1));
    assertThat(lost).content().isEqualTo(before);
    assertThat(told(again)).isEqualTo(told(result));
    assertThat(again.report().pages()).isEqualTo(result.report().pages());
    second.write(again);
    assertThat(folder.resolve("out/results.json")).exists();
    Film film = film(Files.readString(folder.resolve("out/film.html")));
    assertThat(film.frames()).hasSize(34);
    assertThat(film.trained()).isEqualTo(28);
    assertThat(film.plane()).contains("principal components");
    assertThat(folder.resolve("out/unfinished")).doesNotExist();
  }

  /** But for times. */
  private static Map<String, Object> told(ExperimentResult result) {
    Map<String, Object> json = result.report().json();
    json.remove("seconds");
    return json;
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("out/unfinished"))) {
      return files.sorted().toList();
    }
  }

  private List<Findings> journal() throws IOException {
    List<Findings> all = new ArrayList<>();
    for (Path file : files()) {
      all.add(Json.read(file, Findings.class));
    }
    return all;
  }

  private static void check(Findings seed) {
    StepReport[] reports = RnnDynamicsTables.reports(seed);
    assertThat(reports).hasSize(28 + 6);
    assertThat(reports[33].step()).isEqualTo(34);
    double[][] similarity = Json.convert(seed.data().get("similarity"), double[][].class);
    assertThat(similarity).hasDimensions(34, 34);
    assertThat(similarity[27][27]).isCloseTo(1, within(1e-12));
    for (String when : List.of("before", "after")) {
      Dynamics dynamics = RnnDynamicsTables.dynamics(seed, when);
      assertThat(dynamics.real()).hasSize(24);
      assertThat(dynamics.exponents()).hasSize(3);
      int used = dynamics.points().stream().mapToInt(p -> p.starts()).sum();
      // Ten points are told at most.
      if (dynamics.points().size() < 10) {
        assertThat(dynamics.lost() + used).isEqualTo(20);
      }
      assertThat(dynamics.lost() + used).isLessThanOrEqualTo(20);
      assertThat(dynamics.back().orbits()).isEqualTo(8);
      assertThat(dynamics.back().steps() == null).isEqualTo(dynamics.back().returning() == 0);
      assertThat(dynamics.norm()).isGreaterThanOrEqualTo(dynamics.radius());
    }
    Length[] lengths = Json.convert(seed.data().get("lengths"), Length[].class);
    assertThat(lengths).hasSize(3);
    double accuracy = seed.row("network").test().accuracy();
    assertThat(List.of(lengths[0].late(), lengths[0].held(), lengths[0].cut(), lengths[0].down()))
        .containsOnly(accuracy);
  }

  private static void checkHalfRuns(ExperimentResult result, List<Findings> seeds) {
    assertThat(cells(result, "exponent 2")).hasSize(2).doesNotContain("-");
    List<Dynamics> trained =
        seeds.stream().map(seed -> RnnDynamicsTables.dynamics(seed, "after")).toList();
    for (int i = 0; i < 2; i++) {
      int at = i;
      Measured off = Measured.of(trained.stream().map(d -> d.halfRun().get(at)).toList());
      assertThat(cells(result, i == 0 ? "off at half" : "2 off at half").get(1))
          .isEqualTo(off.text("%.4f"));
    }
  }

  /** Of the map without input, before and after training. */
  private static List<String> cells(ExperimentResult result, String heading) {
    return result.report().sections().stream()
        .filter(section -> section.id().equals("dynamics"))
        .flatMap(section -> section.columns().stream())
        .filter(column -> column.heading().equals(heading))
        .findFirst()
        .orElseThrow()
        .cells();
  }

  /** Images whose rows are moved here, one by one, to the network that was kept. */
  private static void checkLengths(Findings seed, Path kept) throws IOException {
    Length[] lengths = Json.convert(seed.data().get("lengths"), Length[].class);
    StepReport[] reports = RnnDynamicsTables.reports(seed);
    VanillaRnn network = options(Map.of()).network(28, 10);
    try (Workspace ws = Workspace.builder().threads(1).open();
        DataSet images = ImageFiles.embedded(500);
        Checkpoint model = Safetensors.open(kept);
        RnnSession session = network.open(model, ws)) {
      Sequences test = RowImages.of(images).test();
      float[] pixels = RowImages.pixels(test);
      for (int k = 1; k <= 2; k++) {
        assertThat(lengths[k].k()).isEqualTo(k);
        float[][][] up = new float[test.size()][28][28];
        float[][][] down = new float[test.size()][28][28];
        for (int row = 0; row < test.size() * 28; row++) {
          float[] values = Arrays.copyOfRange(pixels, row * 28, (row + 1) * 28);
          int t = row % 28;
          if (t >= k) {
            up[row / 28][t - k] = values;
          }
          if (t + k < 28) {
            down[row / 28][t + k] = values;
          }
        }
        assertThat(lengths[k].up())
            .isEqualTo(session.score(Sequences.of(up, test.labels(), 10)).accuracy());
        assertThat(lengths[k].down())
            .isEqualTo(session.score(Sequences.of(down, test.labels(), 10)).accuracy());
        // Without biases blank rows before an image change nothing, those after it are drift.
        assertThat(lengths[k].late()).isCloseTo(lengths[0].late(), within(.002));
        assertThat(lengths[k].held()).isCloseTo(reports[27 + k].readout(), within(.002));
        assertThat(lengths[k].cut()).isCloseTo(reports[27 - k].readout(), within(.002));
      }
    }
  }

  private Film film(String page) throws IOException {
    int from = page.indexOf("const film = ") + "const film = ".length();
    String json = page.substring(from, page.indexOf(";\n", from));
    Film film = Json.read(Files.writeString(folder.resolve("film.json"), json), Film.class);
    for (List<Double> frame : film.frames()) {
      assertThat(frame).hasSize(2 * film.labels().size()).allMatch(at -> Math.abs(at) <= 1);
    }
    assertThat(page).doesNotContain("src=", "href=", "/*FILM*/");
    return film;
  }

  private record Film(
      String title,
      String plane,
      int trained,
      List<Integer> labels,
      List<Double> readout,
      List<Double> probe,
      List<Double> ratio,
      List<Double> dimension,
      List<List<Double>> frames,
      List<List<String>> warnings) {}

  @Test
  void pixelsAreThoseOfTheBytes() throws IOException {
    try (DataSet images = ImageFiles.embedded(50)) {
      float[] pixels = RowImages.pixels(RowImages.of(images).train());
      int blank = 0;
      for (float pixel : pixels) {
        assertThat(pixel).isEqualTo(Math.round(255 * pixel) / 255f);
        blank += pixel == 0 ? 1 : 0;
      }
      assertThat(blank).isGreaterThan(pixels.length / 4);
    }
  }

  @Test
  void itRunsOnAFolderOfTheUser() throws IOException {
    Path data = IdxFolder.write(folder.resolve("digits"), 60, 40, 10);
    Map<String, String> given =
        Map.of("data", data.toString(), "train", "60", "epochs", "1", "film", "phate");
    ExperimentResult result = run(given);
    assertThat(result.data().name()).isEqualTo("digits");
    assertThat(result.section("steps")).hasSize(10 + 6);
    // The same networks in another plane.
    Film film = film(result.report().pages().get("film.html"));
    Map<String, String> plain = new HashMap<>(given);
    plain.put("film", "pca");
    ExperimentResult other = run(plain);
    Film components = film(other.report().pages().get("film.html"));
    assertThat(film.plane()).contains("PHATE");
    assertThat(film.frames()).hasSize(16).doesNotContainAnyElementsOf(components.frames());
    assertThat(film.probe()).isEqualTo(components.probe());
    assertThat(RnnDynamicsExperiment.Options.defaults().film()).isEqualTo(Picture.PHATE);
  }

  /** There is no second one to tell. */
  @Test
  void oneExponentIsNoTwo() throws IOException {
    Path data = IdxFolder.write(folder.resolve("one"), 60, 40, 10);
    ExperimentResult result =
        run(Map.of("data", data.toString(), "train", "60", "epochs", "1", "exponents", "1"));
    assertThat(cells(result, "exponent 1")).doesNotContain("-");
    assertThat(cells(result, "exponent 2")).containsExactly("-", "-");
    assertThat(cells(result, "2 off at half")).containsExactly("-", "-");
    assertThat(result.section("dynamics").get(0).toString()).contains("second=null");
  }

  @Test
  void aFilmByPhateTakesSomeImages() throws IOException {
    Path data = IdxFolder.write(folder.resolve("few"), 60, 6, 10);
    Map<String, String> given = Map.of("data", data.toString(), "train", "60", "film", "phate");
    assertThatThrownBy(() -> run(given))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a film by PHATE takes 7 test images, there are 6; set film to pca");
  }

  @Test
  void theSimilarityOfStepsTakesSomeImages() throws IOException {
    Path data = IdxFolder.write(folder.resolve("three"), 60, 3, 10);
    Map<String, String> given = Map.of("data", data.toString(), "train", "60");
    assertThatThrownBy(() -> run(given))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "the similarity of steps (debiased CKA) takes 4 test images, those of three are 3; add"
                + " some");
  }

  /**
   * Images sorted by class, with a first row that is blank and a second that is in half of them.
   */
  @Test
  void rowsThatAreBlank() throws IOException {
    Path data = IdxFolder.write(folder.resolve("sorted"), 60, 40, 10);
    byte[] pixels = new byte[40 * 100];
    byte[] labels = new byte[40];
    for (int at = 0; at < pixels.length; at++) {
      int image = at / 100;
      int row = at % 100 / 10;
      boolean blank = row == 0 || row == 1 && image % 2 == 0;
      pixels[at] = (byte) (blank ? 0 : (image * 37 + at * 11) % 200 + 20);
      labels[image] = (byte) (image / 14);
    }
    Files.delete(data.resolve("t10k-images-idx3-ubyte.gz"));
    Files.delete(data.resolve("t10k-labels-idx1-ubyte.gz"));
    Files.write(data.resolve("t10k-images-idx3-ubyte"), IdxFolder.idx(pixels, 40, 10, 10));
    Files.write(data.resolve("t10k-labels-idx1-ubyte"), IdxFolder.idx(labels, 40));
    Map<String, String> given = new HashMap<>();
    given.put("data", data.toString());
    given.put("train", "60");
    given.put("epochs", "1");
    given.put("film", "phate");
    given.put("out", folder.resolve("out").toString());
    ExperimentResult result = run(given);
    Film film = film(result.report().pages().get("film.html"));
    assertThat(film.labels()).hasSize(40).contains(0, 1, 2);
    assertThat(film.labels().subList(0, 14)).contains(0, 1, 2);
    assertThat(film.warnings()).hasSize(16);
    assertThat(film.warnings().get(0)).isEmpty();
    assertThat(film.warnings().get(1)).contains("190 pairs of points lie at distance 0");
    double[][] similarity =
        Json.convert(journal().get(0).data().get("similarity"), double[][].class);
    assertThat(List.of(similarity[0][0], similarity[0][9])).containsOnly(Double.NaN);
    assertThat(RnnDynamicsCharts.mean(List.<double[][]>of(similarity))[0]).containsOnly(0);
  }

  @Test
  void orbitsThatDoNotComeBackAreLeftOut() throws IOException {
    List<Findings> seeds = new ArrayList<>();
    for (Return back : List.of(new Return(58., .85, 6, 8), new Return(null, null, 0, 8))) {
      List<Double> one = List.of(0.);
      Dynamics dynamics = new Dynamics(1, 1, one, one, one, one, 0, 0, 0, 0, 0, back, List.of());
      Findings seed = new Findings(new ExperimentResult.Training(1, 0));
      seed.map("dynamics").put("before", dynamics);
      seed.map("dynamics").put("after", dynamics);
      seeds.add(seed);
    }
    Section<?> section = RnnDynamicsCharts.dynamics(seeds);
    assertThat(Json.text(section.rows()))
        .contains("\"recurrence\":{\"mean\":58.0,\"pairs\":[58.0],\"leftOut\":1}")
        .contains("\"strength\":{\"mean\":0.85,\"pairs\":[0.85],\"leftOut\":1}");
    assertThat(section.columns().get(section.columns().size() - 1).cells())
        .containsOnly("58.0 (0.85; 6 of 8), -");
  }

  @Test
  void settingsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> new RnnDynamicsExperiment(options(Map.of("exponents", "25"))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("25 exponents of 24 hidden units; ask for at most as many as there are units");
    assertThatThrownBy(() -> run(Map.of("shifts", "28")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("images of 28 rows have none left after 28; set shifts lower");
    assertThatThrownBy(() -> options(Map.of("drift", "3")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("drift must be at least 5");
    assertThatThrownBy(() -> run(Map.of("data", folder.resolve("none").toString())))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("does not exist");
  }
}
