// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.method.Settings;
import org.merganser.model.Architecture;
import org.merganser.model.Inputs;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.model.PairedActivations;

/**
 * Moments of every space of an architecture. Immutable. Saved as {@code *.mgstats}, which is a
 * safetensors file, so other tools can read it.
 */
public final class Moments implements AutoCloseable {
  private final Map<String, SpaceMoments> spaces;

  /**
   * How moments are collected.
   *
   * @param precision of the products
   * @param nonFinite what to do with NaN and infinities
   * @param budget bytes of native accumulators held at once; more spaces than fit are collected in
   *     further passes over the inputs
   */
  public record Options(Precision precision, NonFinite nonFinite, long budget) {
    public Options {
      if (budget < 1) {
        throw new IllegalArgumentException("statistics budget must be positive, not " + budget);
      }
    }

    /** AUTO, FAIL, 1 GiB. */
    public static Options defaults() {
      return new Options(Precision.AUTO, NonFinite.FAIL, 1L << 30);
    }

    public Options withPrecision(Precision value) {
      return Settings.with(this, "precision", value);
    }

    public Options withNonFinite(NonFinite value) {
      return Settings.with(this, "nonFinite", value);
    }

    public Options withBudget(long value) {
      return Settings.with(this, "budget", value);
    }
  }

  Moments(Map<String, SpaceMoments> spaces) {
    this.spaces = Collections.unmodifiableMap(new LinkedHashMap<>(spaces));
  }

  /** Moments put together from single spaces, in the order of the map. */
  public static Moments of(Map<String, SpaceMoments> spaces) {
    return new Moments(spaces);
  }

  /**
   * {@link #collect(Network, List, Inputs, StatisticsRequest, Options, Workspace)} with defaults.
   */
  public static Moments collect(
      Network network,
      List<? extends Checkpoint> models,
      Inputs inputs,
      StatisticsRequest request,
      Workspace ws)
      throws IOException {
    return collect(network, models, inputs, request, Options.defaults(), ws);
  }

  /**
   * Runs every model on the same batches in eval mode and accumulates the activations of every
   * space.
   *
   * @param models the reference first
   * @throws org.merganser.error.NumericalException for non-finite activations under FAIL
   */
  public static Moments collect(
      Network network,
      List<? extends Checkpoint> models,
      Inputs inputs,
      StatisticsRequest request,
      Options options,
      Workspace ws)
      throws IOException {
    Map<String, Long> widths = new LinkedHashMap<>();
    network.architecture().spaces().forEach(space -> widths.put(space.id(), space.width()));
    return collect(network, widths, Mode.EVAL, models, inputs, request, options, ws);
  }

  /**
   * Moments of any taps of the network, such as the outputs of its layers; each takes the place of
   * a space.
   *
   * @param widths number of features of each tap, by its name
   * @param mode how normalisations behave
   */
  public static Moments collect(
      Network network,
      Map<String, Long> widths,
      Mode mode,
      List<? extends Checkpoint> models,
      Inputs inputs,
      StatisticsRequest request,
      Options options,
      Workspace ws)
      throws IOException {
    if (models.isEmpty()) {
      throw new IllegalArgumentException("no models to collect statistics of");
    }
    for (int k = 0; k < models.size(); k++) {
      network.architecture().require("model " + k, models.get(k));
    }
    try (PairedActivations source =
        PairedActivations.of(PairedActivations.Model.of(network, models), inputs, mode, ws)) {
      return new Collector(
              source, network.architecture(), models.size(), inputs.samples(), request, options, ws)
          .collect(widths, "statistics");
    }
  }

  /**
   * Reads activations from files: folder k holds those of model k, one {@code SPACE.npy} [samples x
   * features] (or with positions) for each space, samples in the same order in every folder.
   *
   * @throws IOException naming a folder or file that is not there
   * @throws IncompatibleModelsException when widths or numbers of samples differ
   */
  public static Moments fromFiles(
      Architecture architecture,
      List<Path> folders,
      StatisticsRequest request,
      Options options,
      Workspace ws)
      throws IOException {
    try (ActivationFiles source = new ActivationFiles(architecture, folders, ws)) {
      return source.collect(request, options);
    }
  }

  /** Ids of the spaces in order. */
  public Set<String> spaces() {
    return spaces.keySet();
  }

  /**
   * Moments of one space.
   *
   * @throws IllegalArgumentException when it was not collected
   */
  public SpaceMoments space(String id) {
    SpaceMoments moments = spaces.get(id);
    if (moments == null) {
      throw new IllegalArgumentException(
          "no statistics of space '" + id + "'; there are " + spaces.keySet());
    }
    return moments;
  }

  /** Moments over the samples of both; see {@link SpaceMoments#merge}. */
  public Moments merge(Moments other, Workspace ws) {
    if (!spaces.keySet().equals(other.spaces.keySet())) {
      throw new IncompatibleModelsException(
          "moments cannot be merged",
          List.of("spaces " + spaces.keySet() + " against " + other.spaces.keySet()));
    }
    try (Opened opened = new Opened()) {
      Map<String, SpaceMoments> merged = new LinkedHashMap<>();
      spaces.forEach(
          (id, moments) -> merged.put(id, opened.add(moments.merge(other.space(id), ws))));
      opened.release();
      return new Moments(merged);
    }
  }

  /** Writes {@code *.mgstats}. */
  public void save(Path path, Workspace ws) throws IOException {
    MomentsFile.save(this, path, ws);
  }

  /** Reads {@code *.mgstats}. */
  public static Moments load(Path path, Workspace ws) throws IOException {
    return MomentsFile.load(path, ws);
  }

  @Override
  public void close() {
    spaces.values().forEach(SpaceMoments::close);
  }
}
