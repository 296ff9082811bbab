// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.Merger.Importance;
import org.merganser.merge.RegMeanMerger;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.torch.objective.FisherDiagonal;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures what a merger weighs a model by. */
@Command(
    name = "importance",
    description =
        "Measures on data how much a model's tensors matter to it, for mergers that weigh by that:"
            + " Fisher diagonals (fisher), Gram matrices of what linear layers read (regmean).",
    footer = {
      "",
      "Example:",
      "  merganser importance a.safetensors --merger fisher --network mlp:hidden=64 \\",
      "      --data images -o a-fisher.safetensors",
      "  merganser importance a.safetensors --merger regmean --activations acts/a \\",
      "      -o a-gram.safetensors",
      "  merganser merge a.safetensors b.safetensors --merger regmean \\",
      "      --importance a-gram.safetensors --importance b-gram.safetensors -o m.safetensors"
    })
final class ImportanceCommand extends Computation {
  private static final StatisticsRequest OWN = StatisticsRequest.of(StatisticsRequest.Part.OWN);

  @Mixin Output output;
  @Mixin NetworkOptions network;

  @Parameters(paramLabel = "MODEL", description = "The model.")
  Path model;

  @Option(
      names = "--merger",
      paramLabel = "MERGER",
      required = true,
      description = "The merger that it is for: fisher or regmean.")
  String merger;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "For fisher: training samples of --data, drawn at random (default: 256).")
  Integer samples;

  @Option(
      names = "--labels",
      paramLabel = "WHICH",
      description =
          "For fisher: expected sums over all classes with the probabilities that the model gives"
              + " them (the default), drawn takes one class by them, true the sample's own.")
  FisherDiagonal.Labels labels;

  @Option(
      names = "--activations",
      paramLabel = "DIR",
      description = "For regmean: activations of the model, one SPACE.npy for each space.")
  Path activations;

  @Option(
      names = "--stats",
      paramLabel = "FILE",
      description = "For regmean: statistics (*.mgstats) that begin with those of the model.")
  Path stats;

  @Option(
      names = "--architecture",
      paramLabel = "FILE",
      description =
          "For regmean: a builder file (JSON) with what linear layers read as spaces; a plain stack"
              + " of linear layers needs none.")
  Path architecture;

  @Override
  void run(PrintWriter out) throws IOException {
    Importance kind = Catalogue.mergers().method(merger).needs().importance();
    check(kind);
    try (Workspace ws = open(0);
        Opened opened = new Opened()) {
      Checkpoint read = opened.add(Safetensors.open(model));
      List<Path> inputs =
          Stream.of(activations, stats, architecture, network.data).filter(p -> p != null).toList();
      output.check(Output.Kind.CHECKPOINT, List.of(model), inputs);
      Optional<RunningNetwork> running = network.open(spec, opened);
      Checkpoint found =
          kind == Importance.FISHER
              ? opened.add(running.orElseThrow().fisher(read, fisher(), ws))
              : grams(read, running, opened, ws);
      Safetensors.write(found, found.metadata(), output.path, ws);
      out.printf(
          "%s: %s of %d tensors, %d numbers%n",
          output.wrote(), kind.text(), found.tensors().size(), found.parameters());
    }
  }

  private FisherDiagonal.Options fisher() {
    FisherDiagonal.Options options = FisherDiagonal.Options.defaults();
    options = samples == null ? options : options.withSamples(samples);
    return labels == null ? options : options.withLabels(labels);
  }

  private void check(Importance kind) {
    List<String> wrong = new ArrayList<>();
    if (kind == Importance.NONE) {
      throw new IllegalArgumentException(
          "--merger " + merger + " weighs by no importances; fisher and regmean do");
    }
    if (kind == Importance.FISHER) {
      given(wrong, "--activations", activations, "--stats", stats, "--architecture", architecture);
      if (network.network == null) {
        throw new IllegalArgumentException(
            "Fisher diagonals are made of gradients: give --network and --data; those of other"
                + " networks come from PyTorch (docs/importances.md)");
      }
    } else {
      given(wrong, "--samples", samples, "--labels", labels);
      long sources =
          Stream.of(network.network, activations, stats).filter(each -> each != null).count();
      if (sources != 1) {
        throw new IllegalArgumentException(
            "Gram matrices need what layers read: give one of --activations, --stats, and --network"
                + " with --data");
      }
      if (network.network != null) {
        given(wrong, "--architecture", architecture);
      }
    }
    if (!wrong.isEmpty()) {
      throw new IllegalArgumentException(
          wrong.get(0) + ": " + kind.text() + " do not use it here; drop it");
    }
  }

  private static void given(List<String> wrong, Object... optionsAndValues) {
    for (int i = 0; i < optionsAndValues.length; i += 2) {
      if (optionsAndValues[i + 1] != null) {
        wrong.add((String) optionsAndValues[i]);
      }
    }
  }

  private Checkpoint grams(
      Checkpoint read, Optional<RunningNetwork> running, Opened opened, Workspace ws)
      throws IOException {
    if (running.isPresent()) {
      return running.get().grams(read, opened, ws);
    }
    Architecture described =
        architecture == null ? LinearStack.infer(read) : Architecture.read(architecture);
    described.require(model.toString(), read);
    Moments moments =
        opened.add(
            stats == null
                ? Moments.fromFiles(
                    described, List.of(activations), OWN, Moments.Options.defaults(), ws)
                : Moments.load(stats, ws));
    return RegMeanMerger.grams(described, read, moments, 0);
  }
}
