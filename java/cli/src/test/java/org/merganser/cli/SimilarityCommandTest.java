// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.io.Npy;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Catalogue;

class SimilarityCommandTest {
  private static final double[] X = {
    0, 3, 6, 7, 0, 4, 3, 3, 3, 10, 8, 1, 6, 4, 2, 2, 9, 5, 9, 1, 0, 5, 6, 10
  };
  private static final double[] Y = {3, 1, 8, 2, 4, 7, 9, 5, 6, 6, 1, 8, 7, 0, 2, 3};

  @TempDir Path temp;

  private Path x;
  private Path y;

  @BeforeEach
  void write() throws IOException {
    x = file("a/x.npy", Tensor.of(X, 8, 3));
    y = file("b/y.npy", Tensor.of(Y, 8, 2));
  }

  @Test
  void measuresAreWrittenByTheirText() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run =
        Cli.run(
            "similarity",
            x,
            y,
            "--measure",
            "cka-linear",
            "--measure",
            "rsa:compare=pearson",
            "--out",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .contains("cka-linear                       0.6404  biased, 8 samples\n")
        .contains("results  " + out.resolve("results.json") + "\n")
        .endsWith("report   " + out.resolve("report.html") + "\n");
    Map<String, Double> values = values(out);
    assertThat(values).containsOnlyKeys("cka-linear", "rsa:compare=pearson");
    assertThat(values.get("cka-linear")).isBetween(0.64035677595, 0.64035677605);
    assertThat(values.get("rsa:compare=pearson")).isBetween(0.48976821445, 0.48976821455);
  }

  /** Those that have no value here say why, and are null. */
  @Test
  void withoutAChoiceThereAreAll() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run = Cli.run("similarity", x, y, "--out", out);
    assertThat(run.code()).isZero();
    Map<String, Double> values = values(out);
    assertThat(List.copyOf(values.keySet())).isEqualTo(Catalogue.measures().ids());
    assertThat(values).containsEntry("knn-jaccard", null);
    assertThat(run.out()).contains("knn-jaccard needs at least 11 samples, not 8");
    assertThat(Files.readString(out.resolve("results.json")))
        .contains("\"reason\" : \"knn-jaccard needs at least 11 samples, not 8\"");
  }

  @Test
  void aPairIsAskedHowFarItCanBeBelieved() throws IOException {
    Path out = temp.resolve("out");
    Cli.Run run =
        Cli.run("similarity", x, y, "--measure", "cka-linear", "--reliability", "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("CKA reliability   n=8  X 8x3 (dPR 2.36)  Y 8x2 (dPR 1.83)   linear kernel")
        .contains("biased      0.6404   95% [0.367, 0.914] jackknife     chance level 0.2973")
        .contains("p = 0.0184 (exact, 740/40320)")
        .contains("WARNING SMALL_SAMPLE");
    assertThat(flat(out, "reliability.json")).contains("\"p\":0.018353174603174604");
    assertThat(Files.readString(out.resolve("reliability.svg"))).startsWith("<svg");
    assertThat(Files.readString(out.resolve("report.html")))
        .contains("<td>cka-linear</td><td class=\"n\">0.6404</td>", "SMALL_SAMPLE");
    assertThat(Cli.run("similarity", x, y, "--out", out).out()).contains("results.json (replaced)");
  }

  /** Layers have names of their own on each side, and every cell is computed. */
  @Test
  void foldersAreAGrid() throws IOException {
    Path out = temp.resolve("out");
    grid();
    Cli.Run run =
        Cli.run(
            "similarity",
            x.getParent(),
            y.getParent(),
            "--measure",
            "cka-linear",
            "--measure",
            "cka-linear-debiased",
            "--measure",
            "procrustes-normalised",
            "--measure",
            "rsa",
            "--out",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .startsWith("plan     products of features, ")
        .contains("cka-linear-debiased  debiased, feature route, 8 samples, sample\n")
        .contains("procrustes-normalised  biased, feature route, 8 samples, sample\n")
        .contains("rsa  biased, pairs route, 8 samples, sample\n")
        .contains("  x      0.6803   1.0000   0.4850        -\n");
    assertThat(grid(out, "cka-linear"))
        .usingRecursiveComparison()
        .withComparatorForType(near(), Double.class)
        .isEqualTo(
            Map.of(
                "x",
                row(0.6912113007, 1.0, 0.6403567760),
                "x01",
                row(0.2779036529, 0.8862768072, 0.6253195732)));
    assertThat(grid(out, "cka-linear-debiased"))
        .usingRecursiveComparison()
        .withComparatorForType(near(), Double.class)
        .isEqualTo(
            Map.of(
                "x",
                row(0.6803215201, 1.0, 0.4850088392),
                "x01",
                row(0.2584777016, 0.8838552918, 0.4451670305)));
    assertThat(grid(out, "procrustes-normalised").get("x").get("y"))
        .isCloseTo(0.7365086538, within(1e-9));
    assertThat(grid(out, "rsa").get("x").get("y")).isCloseTo(0.3723237977, within(1e-10));
    assertThat(flat(out, "results.json"))
        .contains("\"x\":{\"zero\":\"'zero'ofBisthesameforallsamples,ordiffersinonealone\"}")
        .contains("\"plan\":{\"kind\":\"feature\"");
    assertThat(Files.readString(out.resolve("cka-linear.csv")))
        .startsWith("layerA,layerB,biased,debiased,p,chance,")
        .contains("\nx,y,0.64035677", "\nx,zero,,,");
    String svg = Files.readString(out.resolve("cka-linear.svg"));
    assertThat(svg).contains("<title>x, y: 0.6404</title>", "'zero' of B is the same");
    assertThat(Files.readString(out.resolve("report.html")))
        .contains(Base64.getEncoder().encodeToString(svg.getBytes(StandardCharsets.UTF_8)));
  }

  private void grid() throws IOException {
    file("a/x01.npy", columns(0, 1));
    file("b/x.npy", Tensor.of(X, 8, 3));
    file("b/only2.npy", columns(2));
    file("b/zero.npy", Tensor.of(new double[8], 8, 1));
  }

  private static Tensor columns(int... kept) {
    double[] values = new double[8 * kept.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = X[i / kept.length * 3 + kept[i % kept.length]];
    }
    return Tensor.of(values, 8, kept.length);
  }

  private static Map<String, Double> row(double only2, double x, double y) {
    Map<String, Double> row = new LinkedHashMap<>();
    row.put("only2", only2);
    row.put("x", x);
    row.put("y", y);
    row.put("zero", null);
    return row;
  }

  private static Comparator<Double> near() {
    return (a, b) -> Math.abs(a - b) < 1e-10 ? 0 : Double.compare(a, b);
  }

  @Test
  void aGridIsAskedHowFarItCanBeBelieved() throws IOException {
    Path out = temp.resolve("out");
    grid();
    Cli.Run run =
        Cli.run("similarity", x.getParent(), y.getParent(), "--reliability", "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out())
        .contains("CKA reliability   n=8  2 x 4 layers   linear kernel")
        .containsPattern(
            "  x +y +0\\.6404 +0\\.4850 +0\\.2973 +0\\.0184 +0\\.0[0-9]+  #2 -0\\.0906")
        .contains("layer 'zero' is constant");
    assertThat(Files.readString(out.resolve("reliability.csv")))
        .startsWith("layerA,layerB,biased,debiased,p,q,chance,")
        .contains("\nx,y,0.64035677");
    assertThat(flat(out, "reliability.json"))
        .contains("{\"a\":\"x\",\"b\":\"y\",\"biased\":0.64035677")
        .contains("{\"a\":\"x\",\"b\":\"zero\",\"biased\":null");
    assertThat(Files.readString(out.resolve("reliability.svg"))).contains("<circle");
    assertThat(Files.readString(out.resolve("report.html"))).contains("Benjamini and Hochberg");
  }

  /** Positions: all in a row, averaged, or each for itself. */
  @Test
  void positionsBecomeRows() throws IOException {
    double[] twice = twice(X);
    double[] apart = new double[2 * X.length];
    for (int i = 0; i < X.length; i++) {
      apart[2 * i] = X[i] + 3 * (i % 5);
      apart[2 * i + 1] = X[i] - 3 * (i % 5);
    }
    Path same = file("same.npy", Tensor.of(twice, 8, 3, 2));
    Path mean = file("mean.npy", Tensor.of(apart, 8, 3, 2));
    assertThat(flattened(same, y, "sample")).isCloseTo(0.6403567760, within(1e-10));
    assertThat(flattened(mean, y, "sample")).isNotCloseTo(0.6403567760, within(1e-3));
    assertThat(flattened(mean, y, "pool")).isCloseTo(0.6403567760, within(1e-10));
    assertThat(flattened(same, same, "spatial")).isCloseTo(1, within(1e-12));
    // Positions stay with their sample, so that as many orders give as much as of the golden.
    Path twiceY = file("twiceY.npy", Tensor.of(twice(Y), 8, 2, 2));
    Path out = temp.resolve("rows");
    Cli.Run rows =
        Cli.run("similarity", same, twiceY, "--flatten", "spatial", "--reliability", "--out", out);
    assertThat(rows.out())
        .contains("n=8 samples of 2 rows  X 16x3 ")
        .contains("chance level 0.2973")
        .contains("p = 0.0184 (exact, 740/40320)");
    assertFails(
        3,
        "compare layers with as many positions, or flatten by SAMPLE or POOL",
        "similarity",
        same,
        y,
        "--flatten",
        "spatial",
        "--out",
        temp.resolve("none"));
  }

  @Test
  void samplesOfMorePositionsThanAReportTakesAreToldByTheOption() throws IOException {
    double[] values = new SplittableRandom(1).doubles(6 * 1639).toArray();
    Path long1 = file("long/a.npy", Tensor.of(values, 6, 1, 1639));
    String message =
        "--reliability takes 8192 rows at most, which hold 4 samples of 1639 positions, and needs 5;"
            + " take --flatten pool, the mean over positions";
    for (Path each : List.of(long1, long1.getParent())) {
      List<Object> options = List.of("--flatten", "spatial", "--reliability", "--memory", "60GB");
      List<Object> all = new ArrayList<>(List.of(each, each, "--measure", "cka-linear"));
      all.addAll(options);
      refused(2, message, all.toArray());
    }
  }

  @Test
  void fewSamplesWithoutThoseThatWereSkippedAreToldByTheOption() throws IOException {
    double[] values = {1, 5, 2, 4, Double.NaN, 3};
    Path six = file("six.npy", Tensor.of(values, 6, 1));
    Path five = file("five/five.npy", Tensor.of(Arrays.copyOf(values, 5), 5, 1));
    assertThat(
            Cli.run(
                    "similarity",
                    six,
                    six,
                    "--reliability",
                    "--skip-non-finite",
                    "--out",
                    temp.resolve("of5"))
                .code())
        .isZero();
    for (Path each : List.of(five, five.getParent())) {
      refused(
          2,
          "--reliability needs at least 5 samples, not 4: 1 are not finite",
          each,
          each,
          "--measure",
          "cka-linear",
          "--reliability",
          "--skip-non-finite");
    }
  }

  private static double[] twice(double[] values) {
    return Arrays.stream(values).flatMap(each -> DoubleStream.of(each, each)).toArray();
  }

  private double flattened(Path a, Path b, String how) throws IOException {
    Path out = temp.resolve("flat");
    Cli.Run run =
        Cli.run("similarity", a, b, "--measure", "cka-linear", "--flatten", how, "--out", out);
    assertThat(run.err()).isEmpty();
    assertThat(flat(out, "results.json")).contains("\"flatten\":\"" + how + "\"");
    return values(out).get("cka-linear");
  }

  @Test
  void samplesThatAreNotFiniteAreDroppedOnBothSides() throws IOException {
    double[] broken = X.clone();
    broken[4] = Double.NaN;
    Path nan = file("nan.npy", Tensor.of(broken, 8, 3));
    Path out = temp.resolve("out");
    assertFails(
        4,
        "activations of 'nan' of model 0: element 1 of sample 1 is NaN",
        "similarity",
        nan,
        y,
        "--out",
        out);
    assertThat(out).doesNotExist();
    Cli.Run skipped =
        Cli.run("similarity", nan, y, "--measure", "cka-linear", "--skip-non-finite", "--out", out);
    assertThat(skipped.out()).contains("7 samples, 1 dropped");
    // Golden: without sample 1.
    assertThat(values(out).get("cka-linear")).isCloseTo(0.6149373412, within(1e-10));
  }

  /** Told once, before anything is written. */
  @Test
  void whatCannotBeComparedIsRefused() throws IOException {
    Path out = temp.resolve("out");
    Path a = x.getParent();
    Path short7 = file("short/short.npy", Tensor.of(new double[14], 7, 2));
    Path empty = Files.createDirectory(temp.resolve("empty"));
    Path four = file("four.npy", Tensor.of(new double[8], 4, 2));
    Path words = Files.writeString(temp.resolve("words.npy"), "no array");
    refused(3, "the same samples must be in all files; numbers of samples are {", x, short7);
    refused(3, "the same samples must be in all files", a, short7.getParent());
    refused(5, empty + " has no LAYER.npy", a, empty);
    refused(5, "missing does not exist", a, temp.resolve("missing"));
    refused(5, "missing.npy does not exist", x, temp.resolve("missing.npy"));
    refused(2, "is a folder and " + y + " is none; give two files or two folders", a, y);
    refused(5, "words.npy", x, words);
    refused(2, "knn-jaccard needs at least 11 samples, not 8", x, y, "--measure", "knn-jaccard");
    refused(2, "knn-jaccard needs at least 11 samples, not 8", a, a, "--measure", "knn-jaccard");
    refused(2, "no measure 'ckaa'; there are ", x, y, "--measure", "ckaa");
    refused(2, "rsa is given twice", x, y, "--measure", "rsa", "--measure", "rsa");
    refused(2, "--reliability needs at least 5 samples, not 4", four, four, "--reliability");
    refused(2, "the budget is 100; compare fewer samples", x, y, "--memory", "100B");
    refused(3, "have no features on axis 2", x, y, "--feature-axis", "2");
    refused(2, "--memory lots: give a number of bytes", x, y, "--memory", "lots");
    refused(2, "is a checkpoint: give --network and --data", temp.resolve("a.safetensors"), y);
    refused(2, "--data is what a --network runs on", x, y, "--data", "blobs");
    refused(2, "--network needs --data", x, y, "--network", "mlp:hidden=4");
    refused(4, "Y is constant", x, file("c.npy", Tensor.of(new double[8], 8, 1)));
    assertFails(
        5, "words.npy: exists already, and is no folder", "similarity", x, y, "--out", words);
  }

  @Test
  void aPlaceThatIsTakenLeavesTheOthersAsTheyWere() throws IOException {
    Path out = temp.resolve("out");
    Files.createDirectories(out.resolve("cka-linear-debiased.svg"));
    Path a = x.getParent();
    assertFails(5, "cka-linear-debiased.svg: it is a folder", "similarity", a, a, "--out", out);
    assertThat(out).isDirectoryNotContaining("glob:**.{json,html,csv,partial}");
  }

  private void refused(int code, String message, Object... args) {
    List<Object> command = new ArrayList<>(List.of("similarity"));
    command.addAll(List.of(args));
    command.addAll(List.of("--out", temp.resolve("out")));
    assertFails(code, message, command.toArray());
    assertThat(temp.resolve("out")).doesNotExist();
  }

  private static void assertFails(int code, String message, Object... command) {
    Cli.Run run = Cli.run(command);
    assertThat(run.err()).contains(message);
    assertThat(run.code()).isEqualTo(code);
  }

  private Path file(String name, Tensor tensor) throws IOException {
    Path file = temp.resolve(name);
    Files.createDirectories(file.getParent());
    try (tensor) {
      Npy.write(tensor, file);
    }
    return file;
  }

  private static String flat(Path out, String file) throws IOException {
    return Files.readString(out.resolve(file)).replaceAll("\\s+", "");
  }

  /** What {@code measures} has. */
  @SuppressWarnings("unchecked")
  private static Map<String, Double> values(Path out) throws IOException {
    return (Map<String, Double>) Json.read(out.resolve("results.json"), Map.class).get("measures");
  }

  /** What it has of a grid. */
  @SuppressWarnings("unchecked")
  private static Map<String, Map<String, Double>> grid(Path out, String measure)
      throws IOException {
    Map<?, ?> all = (Map<?, ?>) Json.read(out.resolve("results.json"), Map.class).get("measures");
    return (Map<String, Map<String, Double>>) all.get(measure);
  }
}
