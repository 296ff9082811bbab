// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Mode;
import org.merganser.model.PairedActivations;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryMoments;
import org.merganser.torch.transformer.TransformerNetwork.Tap;

/**
 * What {@link SymmetryAligner} aligns by when it does not go by weights: moments of the activations
 * of two models on the same tokens, from forward passes in F32, both models at the same time.
 */
public final class SymmetryStatistics {
  private SymmetryStatistics() {}

  /**
   * One pass over all windows.
   *
   * @param source the model that is to move
   * @param target the other one
   * @param data tokens of both; some times {@code max(m, dh)} of them are wanted
   * @param batch windows of a forward pass
   * @param tokens what the residual stream counts as
   * @return belongs to the caller
   */
  public static SymmetryMoments collect(
      SymmetryAligner.Model source,
      SymmetryAligner.Model target,
      TokenWindows data,
      int batch,
      SymmetryMoments.Tokens tokens,
      Workspace ws)
      throws IOException {
    source.config().requireSame("the source", target.config(), "the target");
    int layers = source.config().layers();
    Set<String> taps = new LinkedHashSet<>();
    for (int layer = 0; layer < layers; layer++) {
      for (Tap tap : Tap.values()) {
        taps.add(tap.of(layer));
      }
    }
    try (Opened opened = new Opened();
        PairedActivations activations =
            PairedActivations.of(
                List.of(model(source), model(target)), data.batches(batch), Mode.EVAL, ws)) {
      SymmetryMoments moments = opened.add(SymmetryMoments.of(source.config(), tokens));
      long[] windows = {0};
      activations.each(
          taps,
          found -> {
            add(moments, found.models(), layers, ws);
            windows[0] += found.samples();
            ws.progress().report("activations", windows[0], data.size());
          },
          ws);
      opened.release();
      return moments;
    }
  }

  private static PairedActivations.Model model(SymmetryAligner.Model model) {
    return new PairedActivations.Model(TransformerNetwork.of(model.config()), model.weights());
  }

  private static void add(
      SymmetryMoments moments, List<Map<String, Tensor>> models, int layers, Workspace ws) {
    try (Opened views = new Opened()) {
      List<List<SymmetryMoments.Taps>> both = new ArrayList<>();
      for (Map<String, Tensor> found : models) {
        List<SymmetryMoments.Taps> each = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
          each.add(
              new SymmetryMoments.Taps(
                  rows(found.get(Tap.QUERIES.of(layer)), views, ws),
                  rows(found.get(Tap.KEYS.of(layer)), views, ws),
                  rows(found.get(Tap.VALUES.of(layer)), views, ws),
                  rows(found.get(Tap.HEADS.of(layer)), views, ws),
                  rows(found.get(Tap.MLP.of(layer)), views, ws),
                  rows(found.get(Tap.RESIDUAL.of(layer)), views, ws)));
        }
        both.add(each);
      }
      moments.add(both.get(0), both.get(1), ws);
    }
  }

  /** [sequences x tokens x width] as [sequences tokens x width], on the host. */
  private static Matrix rows(Tensor tap, Opened views, Workspace ws) {
    Tensor host = tap.memory().device() == Device.HOST ? tap : views.add(tap.toHost(ws));
    return Matrix.of(views.add(host.reshape(tap.dim(0) * tap.dim(1), tap.dim(2))));
  }
}
