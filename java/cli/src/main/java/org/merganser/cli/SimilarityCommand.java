// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.io.PartialFile;
import org.merganser.lab.report.Report;
import org.merganser.plan.Catalogue;
import org.merganser.plan.Doctor;
import org.merganser.similarity.Flatten;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.stats.NonFinite;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Compares representations by the measures of the catalogue. */
@Command(
    name = "similarity",
    description = {
      "Compares activations of the same samples: of two .npy files [samples x features] by every"
          + " measure, of two folders of them, each file of A with each of B, or of two models of"
          + " --network on --data, each layer of A with each of B.",
      "Grids by measures that come in one pass over the samples, such as cka-linear-debiased, need"
          + " little memory; others hold all activations."
    },
    footer = {
      "",
      "Example:",
      "  merganser similarity acts/a/fc1.npy acts/b/fc1.npy --measure cka-linear-debiased \\",
      "      --measure cka-rbf:t=0.5 --reliability --out similarity",
      "  merganser similarity a.safetensors b.safetensors --network mlp:hidden=64 \\",
      "      --data images --out similarity"
    })
final class SimilarityCommand extends Computation {
  static final String RESULTS = "results.json";
  private static final String PAGE = "report.html";
  private static final String USUAL = "cka-linear-debiased";

  @Mixin NetworkOptions network;

  @Parameters(
      index = "0",
      paramLabel = "A",
      description = "A .npy file, a folder of them, or a model.")
  Path a;

  @Parameters(index = "1", paramLabel = "B", description = "Another, of the same samples.")
  Path b;

  @Option(
      names = "--measure",
      paramLabel = "ID[:SETTINGS]",
      completionCandidates = Ids.class,
      description =
          "A measure with its settings, see 'merganser methods'; may be repeated (default: all,"
              + " without those that these data have no value for; cka-linear-debiased for grids).")
  List<String> measures;

  @Option(
      names = "--reliability",
      description =
          "Says how far linear CKA can be believed: chance level, p, influence of samples, and of"
              + " pairs intervals, translations and other measures.")
  boolean reliability;

  @Option(
      names = "--flatten",
      paramLabel = "HOW",
      description =
          "How activations with positions become rows: sample (one row a sample, all positions),"
              + " spatial (one row a position), pool (one row a sample, the mean over positions)."
              + " It changes the number (default: sample).")
  Flatten flatten = Flatten.SAMPLE;

  @Option(
      names = "--feature-axis",
      paramLabel = "AXIS",
      description =
          "Axis of the features in .npy files with positions; -1 for tokens [samples x tokens x"
              + " features] (default: 1).")
  Integer featureAxis;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description =
          "Room for the sums of a grid, or for activations that are held, such as 500MB or 8GB"
              + " (default: ${DEFAULT-VALUE}).")
  String memory = "2GiB";

  @Option(
      names = "--skip-non-finite",
      description =
          "Drops samples with NaN or infinite activations in any layer on both sides, and counts"
              + " them.")
  boolean skip;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of folds, orders and the like (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      required = true,
      description =
          "The folder for " + RESULTS + ", " + PAGE + ", tables (.csv) and pictures (.svg).")
  Path out;

  /** Of the catalogue, for completion. */
  static final class Ids implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.measures().ids().iterator();
    }
  }

  @Override
  void run(PrintWriter print) throws IOException {
    check();
    long start = System.nanoTime();
    try (Workspace ws = open(seed);
        Opened opened = new Opened()) {
      Optional<RunningNetwork> running = network.open(spec, opened);
      SimilaritySource source =
          running.isPresent()
              ? SimilaritySource.models(running.get(), a, b, opened, ws)
              : SimilaritySource.files(a, b, featureAxis == null ? 1 : featureAxis, opened, ws);
      Map<String, SimilarityMeasure> wanted = wanted(source);
      Compared found =
          source.pair()
              ? pair(wanted, source, ws)
              : new GridComparison(wanted, source, options(), memory, ws).compare(reliability);
      progress.close();
      // Before it is written: a full disk does not take it away.
      found.print(print);
      print.flush();
      write(found, (System.nanoTime() - start) / 1e9, print);
    }
  }

  private void check() throws IOException {
    if (network.network == null && network.data != null) {
      throw new IllegalArgumentException("--data is what a --network runs on; give that too");
    }
    if (network.network != null && featureAxis != null) {
      throw new IllegalArgumentException(
          "--feature-axis is for files; a network knows its axes; drop it");
    }
    budget();
    Compared.requireFolder(out);
  }

  private Map<String, SimilarityMeasure> wanted(SimilaritySource source) {
    List<String> texts =
        measures != null ? measures : source.pair() ? Catalogue.measures().ids() : List.of(USUAL);
    Map<String, SimilarityMeasure> wanted = new LinkedHashMap<>();
    for (String text : texts) {
      SimilarityMeasure measure = Catalogue.measures().method(text);
      if (wanted.put(text, measure) != null) {
        throw new IllegalArgumentException("--measure " + text + " is given twice");
      }
      // Before any work; without a choice, those that have no value say so.
      if ((measures != null || !source.pair()) && flatten != Flatten.SPATIAL) {
        source.requireSamples(measure.id(), measure.minimumSamples());
      }
    }
    if (reliability) {
      source.requireSamples("--reliability", Reportable.LEAST);
    }
    return wanted;
  }

  private long budget() {
    return Sizes.parse("--memory", memory);
  }

  private SimilarityGrid.Options options() {
    return SimilarityGrid.Options.defaults()
        .withFlatten(flatten)
        .withBudget(budget())
        .withNonFinite(skip ? NonFinite.SKIP_SAMPLE : NonFinite.FAIL);
  }

  private ComparedPair pair(
      Map<String, SimilarityMeasure> wanted, SimilaritySource source, Workspace ws)
      throws IOException {
    try (Layers layers = source.gathered(options(), ws)) {
      return ComparedPair.of(wanted, measures == null, reliability, layers, ws);
    }
  }

  private void write(Compared found, double seconds, PrintWriter print) throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("a", a.toString());
    facts.put("b", b.toString());
    facts.putAll(found.facts());
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("flatten", Compared.lower(flatten));
    settings.put("seed", seed);
    if (network.network != null) {
      settings.put("network", network.network);
      settings.put("data", network.data.toString());
    }
    facts.put("settings", settings);
    Report report =
        new Report(
            "Similarity of representations",
            a + " and " + b + ".",
            facts,
            found.sections(),
            Map.of("version", Doctor.version()),
            Map.of("compare", seconds));
    boolean replaced = Files.exists(out.resolve(RESULTS));
    Files.createDirectories(out);
    for (String file : found.files()) {
      PartialFile.requirePlace(out.resolve(file), 0);
    }
    PartialFile.requirePlace(out.resolve(PAGE), 0);
    found.write(out);
    report.write(out);
    String suffix = replaced ? " (replaced)" : "";
    print.println("results  " + Printable.line(out.resolve(RESULTS)) + suffix);
    print.println("report   " + Printable.line(out.resolve(PAGE)) + suffix);
  }
}
