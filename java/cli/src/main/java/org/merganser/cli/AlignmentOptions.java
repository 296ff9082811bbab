// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.plan.Catalogue;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import picocli.CommandLine.Option;

/** How models are aligned: shared by {@code align} and {@code merge}. */
final class AlignmentOptions {
  @Option(
      names = "--method",
      paramLabel = "METHOD",
      defaultValue = "cca",
      completionCandidates = Methods.class,
      description =
          "One of ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}), with settings as 'merganser"
              + " methods' shows them; all but identity need activations or --stats.")
  String method;

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
      names = "--gamma",
      paramLabel = "G",
      description = "Short for the setting gamma of the method.")
  Double gamma;

  @Option(
      names = "--absolute-gamma",
      paramLabel = "G",
      description = "Short for the settings gamma=G,unit=absolute.")
  Double absoluteGamma;

  @Option(
      names = "--precision",
      paramLabel = "P",
      description =
          "Products of activations: f32, mixed, f64, or auto, which follows their type and number"
              + " (default: auto).")
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

  Architecture architecture(Checkpoint reference) throws IOException {
    if (architecture == null) {
      return layers.isEmpty() ? LinearStack.infer(reference) : LinearStack.infer(reference, layers);
    }
    if (!layers.isEmpty()) {
      throw new IllegalArgumentException("use either --layers or --architecture, not both");
    }
    Architecture read = Architecture.read(architecture);
    if (read.spaces().isEmpty() && needsData(aligner())) {
      throw new FormatException(
          architecture + ": no spaces, so nothing can be aligned; use --method identity");
    }
    List<String> unknown =
        read.counters().stream()
            .filter(counter -> !reference.tensors().containsKey(counter))
            .map(counter -> Names.missing(counter, reference.tensors().keySet()))
            .toList();
    if (!unknown.isEmpty()) {
      throw new IncompatibleModelsException(
          architecture + ": counters that the model does not have", unknown);
    }
    return read;
  }

  Aligner aligner() {
    String text = method;
    if (gamma != null && absoluteGamma != null) {
      throw new IllegalArgumentException("use either --gamma or --absolute-gamma, not both");
    }
    if (gamma != null) {
      text = MethodText.with(Catalogue.aligners(), text, "--gamma", "gamma", "gamma=" + gamma);
    }
    if (absoluteGamma != null) {
      text =
          MethodText.with(
              Catalogue.aligners(),
              text,
              "--absolute-gamma",
              "unit",
              "gamma=" + absoluteGamma + ",unit=absolute");
    }
    Aligner aligner = Catalogue.aligner(text);
    refuseUnused(aligner);
    return aligner;
  }

  /** Whether there is anything to look for; else spaces need no description. */
  boolean needsData() {
    return needsData(aligner());
  }

  private static boolean needsData(Aligner aligner) {
    return aligner.traits().contains(Aligner.Trait.NEEDS_DATA);
  }

  /** An option without effect is a misunderstanding, and figures would be told of it. */
  private void refuseUnused(Aligner aligner) {
    Map<String, Boolean> ofMaps = new LinkedHashMap<>();
    ofMaps.put("--activations-a", activationsA != null);
    ofMaps.put("--activations-b", activationsB != null);
    ofMaps.put("--activations", !activations.isEmpty());
    ofMaps.put("--stats", stats != null);
    ofMaps.put("--layers", !layers.isEmpty());
    Map<String, Boolean> ofActivations = new LinkedHashMap<>();
    ofActivations.put("--skip-non-finite", skipNonFinite);
    ofActivations.put("--precision", precision != null);
    ofMaps.putAll(ofActivations);
    if (!needsData(aligner)) {
      refuse(ofMaps, "method " + method + " does not use it");
    }
    if (stats != null) {
      refuse(ofActivations, "the samples of --stats are taken already");
    }
  }

  private static void refuse(Map<String, Boolean> options, String reason) {
    options.forEach(
        (name, given) -> {
          if (given) {
            throw new IllegalArgumentException(name + ": " + reason + "; drop it");
          }
        });
  }

  /** Finds the maps of all models into the first. */
  AlignmentSet align(Architecture spaces, int models, Workspace ws, PrintWriter print)
      throws IOException {
    Aligner aligner = aligner();
    if (!needsData(aligner)) {
      return aligner.align(AlignmentProblem.of(spaces, models), ws);
    }
    try (Moments moments = moments(aligner, spaces, models, ws)) {
      AlignmentProblem problem = AlignmentProblem.of(spaces, moments);
      if (problem.models() != models) {
        throw new IllegalArgumentException(
            "statistics of " + problem.models() + " models for " + models + " checkpoints");
      }
      SkippedSamples.print(moments, print);
      return aligner.align(problem, ws);
    }
  }

  /**
   * What can be checked of an alignment. A plain stack has no binding that could be missing; its
   * activations, where they are given, must be those of its layers in their order.
   *
   * @param index of the model among all
   */
  Verification verify(Alignment found, int index, Path path, Checkpoint model, Workspace ws)
      throws IOException {
    List<Path> folders = needsData(aligner()) ? folders() : List.of();
    Verification checks =
        folders.isEmpty() ? found.verify(ws) : found.verify(model, folders.get(index), ws);
    if (architecture != null) {
      // All models have the tensors of the first.
      return index > 0 ? checks : checks.withWarnings(found.architecture().doubts(model));
    }
    List<String> wrong =
        checks.layers().stream()
            .filter(Verification.LayerFit::contradicts)
            .map(
                fit ->
                    String.format(
                        Locale.ROOT,
                        "%s.weight and the activations of '%s' do not give those of '%s': off by"
                            + " %.2g of their size",
                        fit.to(),
                        fit.from(),
                        fit.to(),
                        fit.error()))
            .toList();
    if (!wrong.isEmpty()) {
      throw new IncompatibleModelsException(
          "the activations in "
              + folders.get(index)
              + " are not those of "
              + path
              + " with its layers in this order; give the right order (--layers), the right"
              + " folder, or a builder file (--architecture)",
          wrong);
    }
    return checks;
  }

  private Moments moments(Aligner aligner, Architecture spaces, int models, Workspace ws)
      throws IOException {
    List<Path> folders = folders();
    if (stats != null) {
      if (!folders.isEmpty()) {
        throw new IllegalArgumentException("use either --stats or activations, not both");
      }
      return Moments.load(stats, ws);
    }
    if (folders.size() != models) {
      throw new IllegalArgumentException(
          "method %s needs the activations of all %s models, given are %s; use --activations-a and --activations-b, or --activations once for each model, or --stats"
              .formatted(method, models, folders.size()));
    }
    Moments.Options options =
        new Moments.Options(
            precision == null ? Precision.AUTO : precision,
            skipNonFinite ? NonFinite.SKIP_SAMPLE : NonFinite.FAIL,
            Moments.Options.defaults().budget());
    return Moments.fromFiles(spaces, folders, aligner.request(spaces), options, ws);
  }

  /** One folder for two models is a slip: their features would be taken for the same. */
  void requireOwnActivations(List<Path> models) throws IOException {
    List<Path> folders = folders();
    for (int i = 0; i < folders.size() && i < models.size(); i++) {
      for (int j = 0; j < i; j++) {
        if (isSame(folders.get(i), folders.get(j)) && !isSame(models.get(i), models.get(j))) {
          throw new IllegalArgumentException(
              "models %s and %s are given the activations of one folder, %s; give each its own"
                  .formatted(models.get(j), models.get(i), folders.get(i)));
        }
      }
    }
  }

  private static boolean isSame(Path one, Path other) throws IOException {
    return Files.exists(one) && Files.exists(other) && Files.isSameFile(one, other);
  }

  /** Every file and folder that is only read. */
  List<Path> inputs() {
    List<Path> inputs = new ArrayList<>(folders());
    if (stats != null) {
      inputs.add(stats);
    }
    if (architecture != null) {
      inputs.add(architecture);
    }
    return inputs;
  }

  private List<Path> folders() {
    List<Path> folders = new ArrayList<>();
    if (activationsA != null) {
      folders.add(activationsA);
    }
    if (activationsB != null) {
      folders.add(activationsB);
    }
    if (!folders.isEmpty() && !activations.isEmpty()) {
      throw new IllegalArgumentException(
          "use either --activations-a and --activations-b, or --activations once for each model");
    }
    folders.addAll(activations);
    return folders;
  }
}
