// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.transformer.TransformerConfig;

/**
 * One layer in a sweep: its symmetry, and how near it brings the source.
 *
 * @param attentionBefore of the models as they are; null but in the first sweep
 * @param mlpBefore likewise
 * @param attentionStart before this sweep, in the stream of the target
 * @param mlpStart likewise
 */
record LayerState(
    List<HeadSymmetry> heads,
    MlpPart.Units units,
    Fit attentionBefore,
    Fit mlpBefore,
    Fit attentionStart,
    Fit mlpStart,
    Fit attention,
    Fit mlp) {

  static LayerState identity(TransformerConfig config) {
    return of(LayerSymmetry.identity(config));
  }

  /** Of a first sweep: before it. */
  LayerState unmoved(TransformerConfig config) {
    LayerState identity = identity(config);
    return new LayerState(
        identity.heads(),
        identity.units(),
        attentionBefore,
        mlpBefore,
        attentionStart,
        mlpStart,
        attentionBefore,
        mlpBefore);
  }

  static LayerState of(LayerSymmetry symmetry) {
    MlpPart.Units units = new MlpPart.Units(symmetry.units(), symmetry.unitScales(), null, 0);
    return new LayerState(symmetry.heads(), units, null, null, null, null, null, null);
  }

  LayerSymmetry symmetry() {
    return new LayerSymmetry(units.units(), units.scales(), heads, new double[0], new double[0]);
  }

  double total() {
    return attention.total() + mlp.total();
  }

  double start() {
    return attentionStart.total() + mlpStart.total();
  }

  /**
   * What one layer of a sweep needs.
   *
   * @param first whether models are looked at for the first time: without a symmetry
   * @param matches whether a better symmetry is looked for; else the previous one is completed
   */
  record Task(
      WeightPair models,
      int layer,
      Freedoms freedoms,
      Stream stream,
      LayerState previous,
      boolean first,
      boolean matches) {

    /**
     * Runs it.
     *
     * @param sums for the residual map; null when they are not wanted
     */
    LayerState run(Crosses sums, Workspace ws) throws IOException {
      Found<List<HeadSymmetry>> attention;
      try (AttentionPart part = AttentionPart.read(models, layer, freedoms.heads(), ws)) {
        attention = run(part, previous.heads(), sums, ws);
      }
      try (MlpPart part = MlpPart.read(models, layer, freedoms.mlp(), ws)) {
        Found<MlpPart.Units> mlp = run(part, previous.units(), sums, ws);
        return new LayerState(
            attention.symmetry(),
            mlp.symmetry(),
            attention.before(),
            mlp.before(),
            attention.start(),
            mlp.start(),
            attention.fit(),
            mlp.fit());
      }
    }

    private record Found<S>(S symmetry, Fit before, Fit start, Fit fit) {}

    /** Takes what is found where it is better than what there was. */
    private <S> Found<S> run(LayerPart<S> part, S previous, Crosses sums, Workspace ws) {
      Fit before = first ? part.fit(previous) : null;
      part.move(stream, ws);
      Fit start = before != null && !stream.moves() ? before : part.fit(previous);
      S taken = previous;
      Fit fit = start;
      if (matches) {
        S found = part.match(first ? null : previous, ws);
        Fit reached = part.fit(found);
        if (reached.total() < start.total()) {
          taken = found;
          fit = reached;
        } else {
          taken = part.kept(previous, found);
        }
      } else if (!first) {
        taken = part.completed(previous, ws);
        fit = part.fit(taken);
      }
      if (sums != null) {
        part.addCross(taken, sums, ws);
      }
      return new Found<>(taken, before, start, fit);
    }
  }
}
