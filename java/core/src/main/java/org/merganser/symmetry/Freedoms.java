// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.QueryKey;
import org.merganser.symmetry.SymmetryAligner.Scales;
import org.merganser.symmetry.SymmetryAligner.ValueOutput;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/**
 * What may change of a model: what is asked, as far as its structure has the symmetry.
 *
 * @param means whether norms centre, so that maps of the residual stream must keep means
 */
record Freedoms(MlpPart.Freedom mlp, GroupFit.Freedom heads, boolean means) {
  /**
   * Whether each channel of the residual stream may change its sign: where norms centre, all may
   * together.
   */
  boolean streamSigns() {
    return !means;
  }

  static Freedoms of(Options options, TransformerConfig config) {
    return new Freedoms(
        mlp(options, config),
        new GroupFit.Freedom(
            options.heads(),
            options.valueOutput() == ValueOutput.NONE
                ? RotationFit.Freedom.NONE
                : rotation(options, options.valueOutput() == ValueOutput.GENERAL),
            queryKey(options, config)),
        config.norm() == Norm.LAYER);
  }

  private static MlpPart.Freedom mlp(Options options, TransformerConfig config) {
    if (!options.mlp()) {
      return MlpPart.Freedom.NONE;
    }
    boolean scaled = options.scales() == Scales.QUARTIC;
    if (config.gated()) {
      return scaled ? MlpPart.Freedom.FACTOR : MlpPart.Freedom.SIGN;
    }
    boolean positive = scaled && config.activation() == Activation.RELU;
    return positive ? MlpPart.Freedom.POSITIVE : MlpPart.Freedom.ORDER;
  }

  /**
   * @param balanced whether factors are fixed by other means
   */
  private static RotationFit.Freedom rotation(Options options, boolean balanced) {
    boolean scaled = options.scales() == Scales.QUARTIC && !balanced;
    return scaled ? RotationFit.Freedom.ROTATION_AND_SCALE : RotationFit.Freedom.ROTATION;
  }

  private static QueryKeyFit.Freedom queryKey(Options options, TransformerConfig config) {
    boolean fixed = options.queryKey() == QueryKey.NONE;
    if (config.queryKeyNorm()) {
      // The gains of the norms are shared by all heads and lie between projection and rotation.
      boolean rotary = config.rope().isPresent() && !fixed;
      return config.rope().isPresent()
          ? new QueryKeyFit.Freedom(rotary ? RotaryFit.Freedom.SIGN : RotaryFit.Freedom.NONE, null)
          : new QueryKeyFit.Freedom(null, RotationFit.Freedom.NONE);
    }
    if (config.rope().isEmpty()) {
      boolean balanced = options.queryKey() == QueryKey.GENERAL;
      return new QueryKeyFit.Freedom(
          null, fixed ? RotationFit.Freedom.NONE : rotation(options, balanced));
    }
    boolean scaled = options.scales() == Scales.QUARTIC;
    RotaryFit.Freedom free = scaled ? RotaryFit.Freedom.PHASE_AND_RATIO : RotaryFit.Freedom.PHASE;
    return new QueryKeyFit.Freedom(fixed ? RotaryFit.Freedom.NONE : free, null);
  }
}
