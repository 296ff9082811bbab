// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.merganser.align.Aligner;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.align.IdentityAligner;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
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
      paramLabel = "ID",
      defaultValue = "cca",
      completionCandidates = Methods.class,
      description = "One of ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
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
      names = "--gamma",
      paramLabel = "G",
      defaultValue = "1",
      description = "Relative regulariser of CCA (default: ${DEFAULT-VALUE}).")
  double gamma;

  @Option(
      names = "--absolute-gamma",
      paramLabel = "G",
      description = "Regulariser of CCA in units of variance, as in the published code.")
  Double absoluteGamma;

  @Option(
      names = "--precision",
      paramLabel = "P",
      defaultValue = "auto",
      description =
          "Products of activations: f32, mixed, f64, or auto, which follows their type and number"
              + " (default: ${DEFAULT-VALUE}).")
  Precision precision;

  @Option(
      names = "--skip-non-finite",
      description = "Drop samples with NaN or infinite activations instead of stopping.")
  boolean skipNonFinite;

  /** What the catalogue holds. */
  static final class Methods implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return Catalogue.aligners().keySet().iterator();
    }
  }

  Architecture architecture(Checkpoint reference) throws IOException {
    if (architecture == null) {
      return LinearStack.infer(reference);
    }
    Architecture read = Architecture.read(architecture);
    if (read.spaces().isEmpty()) {
      throw new FormatException(
          architecture + ": no spaces, so nothing can be aligned; use --method identity");
    }
    return read;
  }

  Aligner aligner() {
    Aligner aligner = Catalogue.aligner(method);
    if (!(aligner instanceof CcaAligner)) {
      return aligner;
    }
    return absoluteGamma != null
        ? CcaAligner.absoluteGamma(absoluteGamma)
        : CcaAligner.relativeGamma(gamma);
  }

  /** Finds the maps of all models into the first. */
  AlignmentSet align(Architecture spaces, int models, Workspace ws) throws IOException {
    Aligner aligner = aligner();
    if (aligner instanceof IdentityAligner) {
      return IdentityAligner.align(spaces, models);
    }
    try (Moments moments = moments(aligner, spaces, models, ws)) {
      AlignmentProblem problem = AlignmentProblem.of(spaces, moments);
      if (problem.models() != models) {
        throw new IllegalArgumentException(
            "statistics of " + problem.models() + " models for " + models + " checkpoints");
      }
      return aligner.align(problem, ws);
    }
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
          "method "
              + method
              + " needs the activations of all "
              + models
              + " models, given are "
              + folders.size()
              + "; use --activations-a and --activations-b, or --activations once for each model,"
              + " or --stats");
    }
    Moments.Options options =
        new Moments.Options(
            precision,
            skipNonFinite ? NonFinite.SKIP_SAMPLE : NonFinite.FAIL,
            Moments.Options.defaults().budget());
    return Moments.fromFiles(spaces, folders, aligner.request(spaces), options, ws);
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
