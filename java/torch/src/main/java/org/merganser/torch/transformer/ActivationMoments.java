// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.torch.transformer.TransformerNetwork.Tap;
import org.merganser.transformer.SymmetryMoments;

/**
 * Runs two transformers on the same tokens, for {@link
 * org.merganser.transformer.SymmetryAligner#align(org.merganser.transformer.SymmetryAligner.Model,
 * org.merganser.transformer.SymmetryAligner.Model, SymmetryMoments, Workspace)}.
 */
public final class ActivationMoments {
  private ActivationMoments() {}

  /**
   * Moments of all layers. At least four times as many tokens are wanted as the widest of MLP,
   * heads and residual stream have features.
   *
   * @param source the model that is to move, under canonical names, as the other
   * @param batch sequences at once
   * @return closed by the caller
   */
  public static SymmetryMoments collect(
      TransformerNetwork network,
      Checkpoint source,
      Checkpoint target,
      TokenWindows windows,
      int batch,
      Workspace ws)
      throws IOException {
    Set<String> taps = new LinkedHashSet<>();
    for (int layer = 0; layer < network.config().layers(); layer++) {
      for (Tap tap : Tap.values()) {
        taps.add(tap.of(layer));
      }
    }
    try (Opened opened = new Opened();
        TransformerSession from = network.open(source, ws);
        TransformerSession to = network.open(target, ws)) {
      SymmetryMoments moments = opened.add(SymmetryMoments.of(network.config()));
      for (Iterator<Tensor> all = windows.batches(batch).open(0); all.hasNext(); ) {
        ws.cancellation().check();
        Tensor ids = all.next();
        try (Opened views = new Opened()) {
          moments.add(run(network, from, ids, taps, views), run(network, to, ids, taps, views), ws);
        }
      }
      opened.release();
      return moments;
    }
  }

  private static List<SymmetryMoments.Taps> run(
      TransformerNetwork network,
      TransformerSession session,
      Tensor ids,
      Set<String> taps,
      Opened views)
      throws IOException {
    Map<String, Matrix> found = new HashMap<>();
    session.run(
        ids,
        Mode.EVAL,
        taps,
        (tap, activations) -> {
          long tokens = activations.dim(0) * activations.dim(1);
          Tensor rows = views.add(activations.reshape(tokens, activations.dim(2)));
          found.put(tap, views.add(Matrix.of(rows)));
        });
    List<SymmetryMoments.Taps> layers = new ArrayList<>();
    for (int layer = 0; layer < network.config().layers(); layer++) {
      layers.add(
          new SymmetryMoments.Taps(
              found.get(Tap.QUERIES.of(layer)),
              found.get(Tap.KEYS.of(layer)),
              found.get(Tap.VALUES.of(layer)),
              found.get(Tap.HEADS.of(layer)),
              found.get(Tap.MLP.of(layer)),
              found.get(Tap.RESIDUAL.of(layer))));
    }
    return layers;
  }
}
