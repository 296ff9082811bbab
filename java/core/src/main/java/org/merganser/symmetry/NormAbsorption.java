// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.MappedCheckpoint.Plan;
import org.merganser.transformer.CanonicalTensor;
import org.merganser.transformer.CanonicalTensor.Part;
import org.merganser.transformer.CanonicalTensor.Side;
import org.merganser.transformer.MovedStream;
import org.merganser.transformer.TransformerConfig;

/**
 * A model whose norms have gain 1: what reads them has its columns times the gains instead ({@code
 * W diag(g)}), shifts of layer norms are divided by them. The same function, which orthogonal maps
 * of the residual stream then leave unchanged.
 *
 * <p>A tied head reads with the embedding, so the last gain gives it weights of its own: V d values
 * more, and {@code tie_word_embeddings} false. Where all channels have one last gain it may stay.
 *
 * @param checkpoint a view; reading it throws {@link NumericalException} for weights that are not
 *     finite
 * @param config that of the view: not tied where the tie was undone
 */
public record NormAbsorption(Checkpoint checkpoint, TransformerConfig config) {
  private static final String EMBEDDING = "model.embed_tokens.weight";
  private static final String HEAD = "lm_head.weight";

  /**
   * Reads the gains now, everything else when it is read.
   *
   * @param canonical with the tensors of {@code config}
   * @param untie whether a tied model may get a head of its own
   * @throws IncompatibleModelsException when norms stand after the sums, a tie would have to be
   *     undone that must not, or the model has tensors that may read the residual stream and are
   *     not known
   * @throws NumericalException when a layer norm has a shift where its gain is 0
   */
  public static NormAbsorption of(
      Checkpoint canonical, TransformerConfig config, boolean untie, Workspace ws)
      throws IOException {
    List<String> others = MovedStream.refusals(canonical);
    if (!others.isEmpty()) {
      throw new IncompatibleModelsException(
          "gains of " + canonical + " cannot be absorbed", others);
    }
    if (config.postNorm()) {
      throw refusal(canonical, "norms stand after the sums, so that no gain can be absorbed");
    }
    Map<String, CanonicalTensor> tensors = CanonicalTensor.of(config);
    Map<String, double[]> gains = new HashMap<>();
    for (CanonicalTensor tensor : tensors.values()) {
      if (tensor.part().side() == Side.GAIN) {
        gains.put(key(tensor), gains(canonical, tensor.name(), ws));
      }
    }
    double[] last = gains.get(key(Part.FINAL_GAIN, -1));
    boolean even = Arrays.stream(last).allMatch(each -> each == last[0]);
    boolean untied = config.causal() && config.tied() && untie;
    if (config.causal() && config.tied() && !untie && !even) {
      throw refusal(
          canonical,
          "the head is the embedding (tie_word_embeddings), and the last gain would make them"
              + " different: untie them, which takes %d values more, or take signed permutations"
                  .formatted((long) config.vocabulary() * config.hidden()));
    }
    if (!config.hasHead() && !untied) {
      gains.remove(key(Part.FINAL_GAIN, -1));
    }
    Map<String, TensorInfo> infos = new LinkedHashMap<>(canonical.tensors());
    if (untied) {
      infos.put(HEAD, canonical.info(EMBEDDING));
    }
    requireDivisible(canonical, tensors, gains, ws);
    Checkpoint view =
        new MappedCheckpoint(
            canonical, infos, name -> plan(name, tensors, gains), true, checked -> {});
    return new NormAbsorption(view, untied ? config.with("tied", false) : config);
  }

  private static IncompatibleModelsException refusal(Checkpoint canonical, String problem) {
    return new IncompatibleModelsException(
        "gains of " + canonical + " cannot be absorbed", List.of(problem));
  }

  private static Plan plan(
      String name, Map<String, CanonicalTensor> tensors, Map<String, double[]> gains) {
    CanonicalTensor tensor = tensors.get(name);
    if (tensor == null) {
      AxisMap scaled = AxisMap.scale(gains.get(key(Part.FINAL_GAIN, -1)));
      return Plan.mapped(EMBEDDING, AxisMap.IDENTITY, scaled);
    }
    double[] gain = gains.get(key(tensor));
    if (gain == null) {
      return Plan.mapped(name, AxisMap.IDENTITY, AxisMap.IDENTITY);
    }
    return switch (tensor.part().side()) {
      case GAIN -> {
        double[] ones = new double[gain.length];
        Arrays.fill(ones, 1);
        yield Plan.given(name, ws -> ones);
      }
      case VECTOR -> {
        // Where the gain is 0 the shift is too.
        double[] factors = Arrays.stream(gain).map(each -> each == 0 ? 1 : 1 / each).toArray();
        yield Plan.mapped(name, AxisMap.scale(factors), AxisMap.IDENTITY);
      }
      default -> Plan.mapped(name, AxisMap.IDENTITY, AxisMap.scale(gain));
    };
  }

  /** The gain that a tensor is, or reads, or is the shift of. */
  private static String key(CanonicalTensor tensor) {
    return switch (tensor.part()) {
      case ATTENTION_GAIN, ATTENTION_SHIFT, QUERY, KEY, VALUE ->
          key(Part.ATTENTION_GAIN, tensor.layer());
      case MLP_GAIN, MLP_SHIFT, GATE, UP -> key(Part.MLP_GAIN, tensor.layer());
      case FINAL_GAIN, FINAL_SHIFT, HEAD -> key(Part.FINAL_GAIN, -1);
      default -> "";
    };
  }

  private static String key(Part part, int layer) {
    return part + " " + layer;
  }

  private static double[] gains(Checkpoint canonical, String name, Workspace ws)
      throws IOException {
    try (Tensor read = canonical.read(name, ws)) {
      double[] gains = read.toDoubleArray();
      for (int i = 0; i < gains.length; i++) {
        if (!Double.isFinite(gains[i])) {
          throw new NumericalException(
              "%s: %s %s: element %d is %s"
                  .formatted(canonical, Names.quote(name), canonical.info(name), i, gains[i]));
        }
      }
      return gains;
    }
  }

  private static void requireDivisible(
      Checkpoint canonical,
      Map<String, CanonicalTensor> tensors,
      Map<String, double[]> gains,
      Workspace ws)
      throws IOException {
    for (CanonicalTensor tensor : tensors.values()) {
      double[] gain = gains.get(key(tensor));
      if (tensor.part().side() != Side.VECTOR || gain == null) {
        continue;
      }
      double[] shift = gains(canonical, tensor.name(), ws);
      for (int i = 0; i < shift.length; i++) {
        if (gain[i] == 0 && shift[i] != 0) {
          throw new NumericalException(
              "%s: %s %s: element %d is %s where the gain is 0, so that it cannot be absorbed"
                  .formatted(
                      canonical,
                      Names.quote(tensor.name()),
                      canonical.info(tensor.name()),
                      i,
                      shift[i]));
        }
      }
    }
  }
}
