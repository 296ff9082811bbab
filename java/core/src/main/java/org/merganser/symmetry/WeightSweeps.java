// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Threads;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.Residual;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;

/**
 * Sweeps over the layers: their symmetries given the map of the residual stream, then that map
 * given them. Each is the best for the others, or is not taken, so the distance never rises. Layers
 * are independent given the map: as many at once as threads and memory allow, one of each model a
 * thread.
 */
final class WeightSweeps {
  /** What the layers that are worked on at once may take. */
  private static final long MEMORY = 3L << 29;

  /** Of the distance before: below that there is rounding only. */
  private static final double NOTHING = 1e-24;

  private static final double NOTHING_F32 = 1e-12;

  private final WeightPair models;
  private final TransformerConfig config;
  private final Options options;
  private final Freedoms freedoms;
  private final Workspace ws;
  private final StreamPart common;

  /**
   * Where sweeps stand.
   *
   * @param common squared distances of what belongs to no layer, by family
   */
  record State(Stream stream, List<LayerState> layers, Map<String, Double> common) {
    double total() {
      return layers.stream().mapToDouble(LayerState::total).sum() + commonTotal();
    }

    Stream still() {
      return new Stream(stream.hidden(), new SymmetryElement.None());
    }

    double commonTotal() {
      return sum(common);
    }

    private static double sum(Map<String, Double> distances) {
      return distances.values().stream().mapToDouble(d -> d).sum();
    }
  }

  /**
   * What sweeps found.
   *
   * @param first of the first sweep, whose layers know the distances before it
   * @param commonBefore of the models as they are
   * @param sweeps distances after each
   * @param ties hidden units that another one fits as well
   */
  record Course(
      State first, Map<String, Double> commonBefore, List<Double> sweeps, State last, long ties) {
    /** Whether the result is nearer than the models as they are. */
    boolean nearer() {
      return last.total() < before();
    }

    /** With the identity as the result, unless what was found is nearer. */
    Course nearest(TransformerConfig config) {
      return nearer() ? this : unmoved(config);
    }

    private Course unmoved(TransformerConfig config) {
      List<LayerState> layers =
          first.layers().stream().map(layer -> layer.unmoved(config)).toList();
      return new Course(
          first, commonBefore, sweeps, new State(first.still(), layers, commonBefore), ties);
    }

    double before() {
      return first.layers().stream()
              .mapToDouble(layer -> layer.attentionBefore().total() + layer.mlpBefore().total())
              .sum()
          + State.sum(commonBefore);
    }

    /** Before the first sweep, with the first map of the residual stream. */
    double started() {
      return first.layers().stream().mapToDouble(LayerState::start).sum() + first.commonTotal();
    }
  }

  WeightSweeps(WeightPair models, Options options, Workspace ws) {
    this.models = models;
    this.config = models.config();
    this.options = options;
    this.freedoms = Freedoms.of(options, config);
    this.ws = ws;
    this.common = new StreamPart(models);
  }

  private Crosses crosses() {
    boolean gains = options.residual() == SymmetryAligner.Residual.SIGNED_PERMUTATION;
    return new Crosses(config.hidden(), gains);
  }

  /** Sweeps until the distance stops falling. */
  Course run() throws IOException {
    boolean residual = options.residual() != SymmetryAligner.Residual.NONE;
    // Given the map, one sweep solves the layers, unless factors and orders take turns.
    int most = residual || options.scales() == Scales.QUARTIC ? options.sweeps() : 1;
    Stream still = new Stream(config.hidden(), new SymmetryElement.None());
    Map<String, Double> commonBefore = common.distances(still, ws);
    List<LayerState> start = Collections.nCopies(config.layers(), LayerState.identity(config));
    try (Opened opened = new Opened()) {
      Crosses shared = residual ? opened.add(crosses()) : null;
      Crosses sums = residual ? opened.add(crosses()) : null;
      Stream stream = still;
      if (residual) {
        common.addCross(shared, ws);
        stream = new Stream(config.hidden(), best(shared));
      }
      Map<String, Double> around = residual ? common.distances(stream, ws) : commonBefore;
      State state = sweep(1, new State(stream, start, around), true, residual ? sums : null);
      State first = state;
      Course course = new Course(first, commonBefore, List.of(), first, 0);
      List<Double> distances = new ArrayList<>(List.of(state.total()));
      double reached = course.started();
      double nothing = course.before() * (models.dtype() == DType.F64 ? NOTHING : NOTHING_F32);
      while (distances.size() < most
          && state.total() < reached * (1 - options.tolerance())
          && state.total() > nothing) {
        reached = state.total();
        State next = state;
        if (residual) {
          sums.addMoved(shared, state.stream(), ws);
          Stream moved = state.stream().then(best(sums), ws);
          next = new State(moved, state.layers(), common.distances(moved, ws));
        }
        next = sweep(distances.size() + 1, next, false, residual ? sums : null);
        if (!(next.total() <= reached)) {
          break;
        }
        state = next;
        distances.add(state.total());
      }
      long ties = state.layers().stream().mapToLong(layer -> layer.units().ties()).sum();
      return new Course(first, commonBefore, distances, state, ties);
    }
  }

  /** How near a symmetry that was found otherwise brings the source. */
  Course evaluate(Residual residual, List<LayerSymmetry> found, long ties) throws IOException {
    Stream still = new Stream(config.hidden(), new SymmetryElement.None());
    Stream stream = new Stream(config.hidden(), residual);
    Map<String, Double> before = common.distances(still, ws);
    List<LayerState> identity = Collections.nCopies(config.layers(), LayerState.identity(config));
    List<LayerState> given = found.stream().map(LayerState::of).toList();
    State first = new State(still, pass(still, identity, true, false, null), before);
    Map<String, Double> after = common.distances(stream, ws);
    State last = new State(stream, pass(stream, given, false, false, null), after);
    return new Course(first, before, List.of(), last, ties);
  }

  /**
   * @param sums set to those of this sweep; null when they are not wanted
   */
  private State sweep(int number, State state, boolean first, Crosses sums) throws IOException {
    ws.progress().report("sweep " + number, 0, config.layers());
    List<LayerState> found = pass(state.stream(), state.layers(), first, true, sums);
    return new State(state.stream(), found, state.common());
  }

  private List<LayerState> pass(
      Stream stream, List<LayerState> previous, boolean first, boolean matches, Crosses sums)
      throws IOException {
    int atOnce = atOnce(sums != null);
    List<LayerState> found = new ArrayList<>();
    if (sums != null) {
      sums.clear();
    }
    try (Opened opened = new Opened()) {
      Threads threads = opened.add(new Threads(atOnce));
      List<Workspace> own = new ArrayList<>();
      for (int k = 0; k < atOnce; k++) {
        own.add(atOnce == 1 ? ws : opened.add(single()));
      }
      for (int from = 0; from < config.layers(); from += atOnce) {
        ws.cancellation().check();
        int to = Math.min(config.layers(), from + atOnce);
        try (Opened parts = new Opened()) {
          List<Crosses> crosses = new ArrayList<>();
          List<Callable<LayerState>> calls = new ArrayList<>();
          for (int layer = from; layer < to; layer++) {
            Crosses part = sums == null ? null : parts.add(crosses());
            crosses.add(part);
            Workspace mine = own.get(layer - from);
            LayerState.Task task =
                new LayerState.Task(
                    models, layer, freedoms, stream, previous.get(layer), first, matches);
            calls.add(() -> task.run(part, mine));
          }
          found.addAll(threads.all(calls));
          // In the order of the layers, so that no byte depends on how many there are at once.
          for (int k = 0; sums != null && k < crosses.size(); k++) {
            sums.add(crosses.get(k));
          }
        }
        ws.progress().report("layers", to, config.layers());
      }
    } finally {
      stream.release();
    }
    return found;
  }

  private Workspace single() {
    return Workspace.builder()
        .backend(ws.backend())
        .threads(1)
        .seed(ws.seed())
        .cancellation(ws.cancellation())
        .open();
  }

  private int atOnce(boolean cross) {
    long d = config.hidden();
    long m = config.intermediate();
    long heads = (long) config.headSize() * (config.heads() + config.keyValueHeads());
    long mlp = (config.gated() ? 8 : 6) * m * d + m * m;
    long attention = 6 * heads * d + 2 * heads * heads;
    long bytes = models.dtype().bytes(1) * Math.max(mlp, attention) + (cross ? 16 * d * d : 0);
    long fit = Math.max(1, MEMORY / bytes);
    return (int) Math.min(Math.min(ws.threads(), config.layers()), fit);
  }

  /** The best map for what was added up. */
  private Residual best(Crosses sums) {
    if (options.residual() == SymmetryAligner.Residual.ORTHOGONAL) {
      return new Orthogonal(ResidualMatching.orthogonal(sums.rows(), freedoms.means(), ws));
    }
    ResidualMatching.Signed found =
        ResidualMatching.permutation(sums.rows(), sums.gains(), freedoms.streamSigns(), ws);
    return new SignedPermutation(found.features(), found.signs());
  }
}
