// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.merganser.align.Aligner;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How models are aligned: shared by {@code align} and {@code merge}. */
final class AlignmentOptions {
  private static final String[] FILES = {"--activations-a", "--activations-b", "--activations"};

  @Spec(Spec.Target.MIXEE)
  CommandSpec command;

  @Option(
      names = "--method",
      paramLabel = "METHOD",
      defaultValue = "cca",
      completionCandidates = Methods.class,
      description =
          "One of ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}), with settings as 'merganser"
              + " methods' shows them; all but identity need activations, --stats or --network.")
  String method;

  @Option(
      names = "--gamma",
      paramLabel = "G",
      description = "Short for the setting gamma of the method.")
  String gamma;

  @Option(
      names = "--activations-a",
      paramLabel = "DIR",
      description = "Activations of the first model: one SPACE.npy for each space.")
  Path activationsA;

  @Option(
      names = "--activations-b",
      paramLabel = "DIR",
      description = "Activations of the second model, the same samples in the same order.")
  Path activationsB;

  @Option(
      names = "--activations",
      paramLabel = "DIR",
      description = "Activations of every model, repeated in their order; for more than two.")
  List<Path> activations = new ArrayList<>();

  @Option(
      names = "--stats",
      paramLabel = "FILE",
      description = "Statistics (*.mgstats) instead of activations.")
  Path stats;

  @Mixin NetworkOptions network;

  @Option(
      names = "--architecture",
      paramLabel = "FILE",
      description = "Builder file (JSON); a plain stack of linear layers needs none.")
  Path architecture;

  @Option(
      names = "--layers",
      paramLabel = "NAME",
      split = ",",
      description =
          "All layers of a plain stack, first to last, where names and shapes do not prove their"
              + " order.")
  List<String> layers = new ArrayList<>();

  @Option(
      names = "--precision",
      paramLabel = "P",
      description =
          "Products of activations: f32, mixed, f64, tf32x3 (mixed, on CUDA with three products in"
              + " TF32), or auto, which follows their type and number (default: auto).")
  Precision precision;

  @Option(
      names = "--skip-non-finite",
      description = "Drop samples with NaN or infinite activations instead of stopping.")
  boolean skipNonFinite;

  /** What the catalogue holds. */
  static final class Methods implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.aligners().ids().iterator();
    }
  }

  Aligner aligner() {
    return Catalogue.aligner(
        gamma == null ? method : Catalogue.Methods.with(method, "gamma=" + gamma));
  }

  /** Whether there is anything to look for; else spaces need no description. */
  boolean needsData() {
    return aligner().traits().contains(Aligner.Trait.NEEDS_DATA);
  }

  /**
   * Refuses options that do not go together: one without effect is a misunderstanding, and figures
   * would be told of it.
   *
   * @param runs whether the command needs a network for something else
   */
  void check(boolean runs) {
    if (network.network == null) {
      refuse("there is no --network", "--data", "--shrink", "--train", "--statistics");
    } else {
      refuse("--network has spaces of its own", "--architecture", "--layers");
      network.options(command);
    }
    if (architecture != null) {
      refuse("--architecture has the layers", "--layers");
    }
    if (!needsData()) {
      String unused = "method " + method + " does not use it";
      refuse(unused, FILES);
      refuse(unused, "--stats", "--layers", "--skip-non-finite", "--precision");
      if (!runs) {
        refuse(unused, "--network");
      }
    } else if (stats != null) {
      refuse("the samples of --stats are taken already", "--skip-non-finite", "--precision");
      refuse("there is --stats", FILES);
    } else if (activationsA != null || activationsB != null) {
      refuse("there are --activations-a and --activations-b", "--activations");
    }
    if (network.network != null && !runs) {
      refuse("--network is run for activations", FILES);
      refuse("--network is run for activations", "--stats");
    }
  }

  private void refuse(String reason, String... options) {
    Stream.of(options)
        .filter(command.commandLine().getParseResult()::hasMatchedOption)
        .findFirst()
        .ifPresent(
            option -> {
              throw new IllegalArgumentException(option + ": " + reason + "; drop it");
            });
  }

  Moments.Options statistics() {
    return new Moments.Options(
        precision == null ? Precision.AUTO : precision,
        skipNonFinite ? NonFinite.SKIP_SAMPLE : NonFinite.FAIL,
        Moments.Options.defaults().budget());
  }

  /** Of the models, in their order. */
  List<Path> folders() {
    return activations.isEmpty() ? given(activationsA, activationsB) : activations;
  }

  /** Every file and folder that is only read. */
  List<Path> inputs() {
    List<Path> inputs = alignedWith();
    inputs.addAll(given(network.data));
    return inputs;
  }

  private List<Path> alignedWith() {
    List<Path> files = new ArrayList<>(folders());
    files.addAll(given(stats, architecture));
    return files;
  }

  /** The method with its settings, what it was given, and the network. */
  void describe(MergeManifest manifest) throws IOException {
    manifest.put("align", aligner());
    manifest.put("layers", layers);
    manifest.put("precision", precision);
    manifest.put("skip_non_finite", skipNonFinite);
    manifest.putFiles("aligned_with", alignedWith());
    network.describe(command, manifest);
  }

  private static List<Path> given(Path... paths) {
    return Stream.of(paths).filter(path -> path != null).toList();
  }
}
