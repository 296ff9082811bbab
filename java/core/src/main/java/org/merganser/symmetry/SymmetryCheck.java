// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.List;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.QueryKey;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/** Whether what is asked is a symmetry of such a model: sizes, and what its structure allows. */
final class SymmetryCheck {
  private static final double SNAP = 1e-15;

  private final TransformerConfig config;

  private SymmetryCheck(TransformerConfig config) {
    this.config = config;
  }

  static void check(SymmetryElement element) {
    new SymmetryCheck(element.config()).all(element);
  }

  /** Of quarter turns exactly 0, 1 or -1, so that they only move and change signs. */
  static double cos(double phase) {
    double cos = StrictMath.cos(phase);
    boolean turned = Math.abs(StrictMath.sin(phase)) < SNAP;
    return Math.abs(cos) < SNAP ? 0 : turned ? Math.signum(cos) : cos;
  }

  static double sin(double phase) {
    double sin = StrictMath.sin(phase);
    boolean turned = Math.abs(StrictMath.cos(phase)) < SNAP;
    return Math.abs(sin) < SNAP ? 0 : turned ? Math.signum(sin) : sin;
  }

  private void all(SymmetryElement element) {
    residual(element.residual());
    List<LayerSymmetry> layers = element.layers();
    size("layers", layers.size(), config.layers());
    boolean gains = element.finalGain().length > 0;
    for (int i = 0; i < layers.size(); i++) {
      LayerSymmetry layer = layers.get(i);
      gains |= layer.attentionGain().length + layer.mlpGain().length > 0;
      layer("layer " + i, layer);
    }
    LayerSymmetry.requireFactors("finalGain", element.finalGain());
    gain("finalGain", element.finalGain());
    refuse(
        gains && element.residual() instanceof Orthogonal,
        "factors of gains and an orthogonal map of the residual stream: it mixes channels, so all"
            + " must have one gain; absorb gains (NormAbsorption) instead of factors of them");
    refuse(
        gains && config.postNorm(),
        "factors of gains, where norms stand after the sums and scale the residual stream itself");
    refuse(
        element.finalGain().length > 0 && !config.hasHead(),
        "factors of the last gain, which need a head of its own");
  }

  private void residual(SymmetryElement.Residual residual) {
    if (residual instanceof SignedPermutation moved) {
      size("residual", moved.permutation().length, config.hidden());
      int[] signs = moved.signs();
      refuse(
          config.norm() == Norm.LAYER && Arrays.stream(signs).anyMatch(s -> s != signs[0]),
          "different signs of the residual stream under layer norms, which centre");
    } else if (residual instanceof Orthogonal turned) {
      size("residual", turned.matrix().rows(), config.hidden());
      refuse(
          config.postNorm(),
          "an orthogonal map of the residual stream, where norms stand after the sums; it takes"
              + " permutations");
      refuse(
          config.norm() == Norm.LAYER && !Rotations.keepsMeans(turned.matrix()),
          "an orthogonal map R of the residual stream under layer norms, which centre, unless R 1"
              + " is 1 or -1");
    }
  }

  private void layer(String where, LayerSymmetry layer) {
    size(where + ": units", layer.units().length, config.intermediate());
    gain(where + ": attentionGain", layer.attentionGain());
    gain(where + ": mlpGain", layer.mlpGain());
    boolean anyScale = config.gated();
    boolean positive = config.activation() == Activation.RELU;
    for (double scale : layer.unitScales()) {
      refuse(
          scale != 1 && !anyScale && !(positive && scale > 0),
          where
              + ": scale "
              + scale
              + " of a hidden unit: through "
              + config.activation()
              + (positive ? " only positive numbers pass" : " no scale passes"));
    }
    gates(where, layer.gateScales());
    queryKeyGain(where, layer.queryKeyGain());
    size(where + ": KV heads", layer.heads().size(), config.keyValueHeads());
    for (int head = 0; head < layer.heads().size(); head++) {
      head(where + ", head " + head, layer.heads().get(head));
    }
  }

  private void gates(String where, double[] scales) {
    refuse(
        scales.length > 0 && !config.gated(),
        where + ": scales of gates, which this model does not have");
    for (double scale : scales) {
      refuse(
          scale != 1 && !(config.activation() == Activation.RELU && scale > 0),
          where
              + ": scale "
              + scale
              + " of a gate: through "
              + config.activation()
              + (config.activation() == Activation.RELU
                  ? " only positive numbers pass"
                  : " no scale passes"));
    }
  }

  private void queryKeyGain(String where, double[] factors) {
    if (factors.length > 0) {
      refuse(
          !config.queryKeyNorm(),
          where + ": factors of the gains of queries and keys, which this model does not have");
      boolean pairs = config.rope().isPresent();
      size(where + ": queryKeyGain", factors.length, config.headSize() / (pairs ? 2 : 1));
    }
  }

  private void head(String where, HeadSymmetry head) {
    int square = config.headSize() * config.headSize();
    size(where + ": queries", head.queries().length, config.group());
    if (head.value().length > 0) {
      size(where + ": value", head.value().length, square);
    }
    if (head.shift().length > 0) {
      size(where + ": shift", head.shift().length, config.headSize());
      refuse(
          !config.attentionBias() || !config.outputBias(),
          where + ": a shift of values, which needs biases of values and output");
    }
    queryKey(where + ": queryKey", head.queryKey());
  }

  private void queryKey(String where, QueryKey queryKey) {
    if (queryKey instanceof Rotary rotary) {
      refuse(config.rope().isEmpty(), where + ": phases, without rotary embedding");
      size(where, rotary.phase().length, config.headSize() / 2);
      double[] ratio = rotary.ratio();
      for (int i = 0; i < ratio.length; i++) {
        refuse(
            config.queryKeyNorm() && ratio[i] != 1,
            "%s: ratio %s of pair %d, which norms of queries and keys undo"
                .formatted(where, ratio[i], i));
      }
    } else {
      int size = ((Dense) queryKey).key().length;
      refuse(
          config.rope().isPresent(),
          where + ": a matrix, where rotary embedding allows phases and ratios of pairs");
      refuse(size > 0 && config.queryKeyNorm(), where + ": a matrix under norms");
      if (size > 0) {
        size(where, size, config.headSize() * config.headSize());
      }
    }
  }

  private void gain(String what, double[] factors) {
    if (factors.length > 0) {
      size(what, factors.length, config.hidden());
    }
  }

  private static void size(String what, long found, long wanted) {
    if (found != wanted) {
      throw new IllegalArgumentException(
          "symmetry: %s: %d, the model needs %d".formatted(what, found, wanted));
    }
  }

  private static void refuse(boolean wrong, String what) {
    if (wrong) {
      throw new IllegalArgumentException("no symmetry of this model: " + what);
    }
  }
}
