// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.align.Aligner;
import org.merganser.align.Alignment;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.Verification;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.model.Architecture;
import org.merganser.model.LinearStack;
import org.merganser.stats.Moments;

/**
 * Models that are being aligned: what they look like, what their activations are, what is found.
 */
final class Aligning implements AutoCloseable {
  private final AlignmentOptions options;
  private final Aligner aligner;
  private final List<Path> paths;
  private final List<Checkpoint> models;
  private final Optional<RunningNetwork> network;
  private final Architecture architecture;
  private final Workspace ws;
  private final Opened opened = new Opened();

  /** Models to be aligned or merged. */
  static List<Checkpoint> open(List<Path> paths, Opened opened) throws IOException {
    if (paths.size() < 2) {
      throw new IllegalArgumentException("give at least two models, not " + paths.size());
    }
    List<Checkpoint> models = new ArrayList<>();
    for (Path path : paths) {
      models.add(opened.add(Safetensors.open(path)));
    }
    return models;
  }

  /**
   * @param paths of the models, the reference first
   * @param models as they are read
   * @param network which takes the place of files of activations where there are none
   */
  Aligning(
      AlignmentOptions options,
      List<Path> paths,
      List<Checkpoint> models,
      Optional<RunningNetwork> network,
      Workspace ws)
      throws IOException {
    this.options = options;
    this.aligner = options.aligner();
    this.paths = paths;
    this.models = models;
    this.network = network;
    this.architecture =
        network.isPresent() ? network.get().network().architecture() : described(models.get(0));
    this.ws = ws;
    for (int k = 0; k < paths.size(); k++) {
      requireOwn(k);
      require(paths.get(k).toString(), models.get(k));
    }
  }

  /** One folder for two models is a slip: their features would be taken for the same. */
  private void requireOwn(int k) throws IOException {
    List<Path> folders = options.folders();
    for (int j = 0; k < folders.size() && j < k; j++) {
      if (Output.isSame(folders.get(k), folders.get(j))
          && !Output.isSame(paths.get(k), paths.get(j))) {
        throw new IllegalArgumentException(
            "models %s and %s are given the activations of one folder, %s; give each its own"
                .formatted(paths.get(j), paths.get(k), folders.get(k)));
      }
    }
  }

  /** Statistics that mean nothing are no reason to refuse a model that nothing is run on. */
  private void require(String file, Checkpoint model) {
    if (network.isPresent() && (runs() || model.stale().isEmpty())) {
      network.get().network().require(file, model);
    } else {
      architecture.require(file, model);
    }
  }

  /** Whether activations are those of the network. */
  private boolean runs() {
    return network.isPresent()
        && options.needsData()
        && options.stats == null
        && options.folders().isEmpty();
  }

  private Architecture described(Checkpoint reference) throws IOException {
    if (options.architecture == null) {
      return options.layers.isEmpty()
          ? LinearStack.infer(reference)
          : LinearStack.infer(reference, options.layers);
    }
    Architecture read = Architecture.read(options.architecture);
    if (read.spaces().isEmpty() && options.needsData()) {
      throw new FormatException(
          options.architecture + ": no spaces, so nothing can be aligned; use --method identity");
    }
    List<String> unknown =
        read.counters().stream()
            .filter(counter -> !reference.tensors().containsKey(counter))
            .map(counter -> Names.missing(counter, reference.tensors().keySet()))
            .toList();
    if (!unknown.isEmpty()) {
      throw new IncompatibleModelsException(
          options.architecture + ": counters that the model does not have", unknown);
    }
    return read;
  }

  Architecture architecture() {
    return architecture;
  }

  /**
   * Finds the maps of the models into the first; they are closed with this.
   *
   * @param count of the models, from the first
   */
  AlignmentSet maps(int count, PrintWriter out) throws IOException {
    if (!options.needsData()) {
      return opened.add(aligner.align(AlignmentProblem.of(architecture, count), ws));
    }
    try (Moments moments = moments(count)) {
      AlignmentProblem problem = AlignmentProblem.of(architecture, moments);
      if (problem.models() != count) {
        throw new IllegalArgumentException(
            "statistics of " + problem.models() + " models for " + count + " checkpoints");
      }
      AlignmentTable.skipped(moments, out);
      return opened.add(aligner.align(problem, ws));
    }
  }

  private Moments moments(int count) throws IOException {
    List<Path> folders = options.folders();
    if (options.stats != null) {
      return Moments.load(options.stats, ws);
    }
    if (runs()) {
      return Moments.collect(
          network.get().network(),
          models.subList(0, count),
          network.get().inputs(),
          aligner.request(architecture),
          options.statistics(),
          ws);
    }
    if (folders.size() != count) {
      throw new IllegalArgumentException(
          "method %s needs the activations of all %s models, given are %s; use --activations-a and --activations-b, or --activations once for each model, or --stats, or --network"
              .formatted(options.method, count, folders.size()));
    }
    return Moments.fromFiles(
        architecture, folders, aligner.request(architecture), options.statistics(), ws);
  }

  /** The models in the features of the first, as views. */
  List<Checkpoint> apply(AlignmentSet maps) {
    List<Checkpoint> aligned = new ArrayList<>();
    for (int k = 0; k < maps.size(); k++) {
      aligned.add(maps.of(k).apply(models.get(k)));
    }
    return aligned;
  }

  /** Tells what was found, what makes it doubtful, and what has no part in it. */
  void report(AlignmentSet maps, PrintWriter out) throws IOException {
    List<Verification> checks = new ArrayList<>();
    for (int k = 0; k < maps.size(); k++) {
      checks.add(verify(maps.of(k), k));
    }
    Path reference = paths.get(0);
    AlignmentTable.warnings(reference + ": ", checks.get(0), out);
    for (int k = 1; k < checks.size(); k++) {
      String what = paths.get(k) + " into " + reference + " by " + options.method + ":";
      out.println(Printable.line(what));
      AlignmentTable.print(maps.of(k), checks.get(k), out);
    }
    out.println("not mapped: " + Printable.line(architecture.unbound(models.get(0))));
  }

  private Verification verify(Alignment found, int k) throws IOException {
    Checkpoint model = models.get(k);
    List<Path> folders = options.folders();
    if (network.isPresent() && folders.isEmpty() && options.needsData()) {
      return network.get().verify(found, model, ws);
    }
    Verification checks =
        folders.isEmpty() ? found.verify(ws) : found.verify(model, folders.get(k), ws);
    if (network.isPresent() || options.architecture != null) {
      // All models have the tensors of the first.
      return k > 0 ? checks : checks.withWarnings(architecture.doubts(model));
    }
    // A plain stack lacks no binding, but its layers may be meant in another order.
    if (!checks.contradictions().isEmpty()) {
      throw new IncompatibleModelsException(
          "the activations in %s are not those of %s with its layers in this order; give the right order (--layers), the right folder, or a builder file (--architecture)"
              .formatted(folders.get(k), paths.get(k)),
          checks.contradictions());
    }
    return checks;
  }

  @Override
  public void close() {
    opened.close();
  }
}
