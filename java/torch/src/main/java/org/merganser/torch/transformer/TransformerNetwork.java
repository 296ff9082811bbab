// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Loading;
import org.merganser.torch.internal.Placement;
import org.merganser.transformer.TransformerConfig;

/**
 * The forward pass of a transformer, with the parameters of canonical checkpoints ({@link
 * org.merganser.transformer.CanonicalCheckpoint}). Immutable and thread-safe.
 *
 * <p>Inputs are token ids, I64 [sequences x tokens], of sequences of equal length; activations are
 * [sequences x tokens x features]. They are handed out under {@link Tap#of} and {@link
 * Network#OUTPUT}: logits, or what the last layer leaves in a model without a head. Each tap is a
 * space of the {@link #architecture}, so that what measures networks measures these; maps may move
 * the hidden units of the MLPs only, as permutations. {@link
 * org.merganser.symmetry.SymmetryAligner} knows the other symmetries.
 *
 * <p>Forward passes run with one libtorch thread, so that what they give does not depend on the
 * number of cores; libtorch's kernels do depend on the instruction set, in the last digits. They
 * run where the Workspace computes, when libtorch can compute there, else on the CPU. Angles of the
 * rotary embedding are computed in F64 and rounded once.
 */
public final class TransformerNetwork implements Network {
  private static final double INITIAL_DEVIATION = 0.02;

  private final TransformerConfig config;
  private final DType precision;
  private final Map<String, TensorInfo> parameters;

  /** What can be seen of each layer. */
  public enum Tap {
    /** Queries of all heads, normed where the model does, before the rotary embedding. */
    QUERIES("q"),
    /** Keys, likewise. */
    KEYS("k"),
    /** Values. */
    VALUES("v"),
    /** What the heads give, which the output projection reads. */
    HEADS("heads"),
    /** Hidden units of the MLP, which the down projection reads. */
    MLP("mlp"),
    /** The residual stream after the layer. */
    RESIDUAL("residual");

    private final String text;

    Tap(String text) {
      this.text = text;
    }

    /** Its name for a layer, from 0: {@code layers.3.mlp}. */
    public String of(int layer) {
      return "layers." + layer + "." + text;
    }
  }

  private TransformerNetwork(TransformerConfig config, DType precision) {
    if (precision != DType.F32 && precision != DType.F64) {
      throw new IllegalArgumentException(
          "transformers are computed in F32 or F64, not in " + precision);
    }
    this.config = config;
    this.precision = precision;
    this.parameters = config.tensors(precision);
  }

  /** In F32. */
  public static TransformerNetwork of(TransformerConfig config) {
    return new TransformerNetwork(config, DType.F32);
  }

  /** The same network in F32 or F64; parameters are converted when they are read. */
  public TransformerNetwork in(DType other) {
    return new TransformerNetwork(config, other);
  }

  public TransformerConfig config() {
    return config;
  }

  /** What it computes in. */
  public DType precision() {
    return precision;
  }

  /** Canonical names and shapes of all tensors, of the precision. */
  public Map<String, TensorInfo> parameters() {
    return parameters;
  }

  /** Features of a tap. */
  private long width(Tap tap) {
    return switch (tap) {
      case QUERIES, HEADS -> (long) config.heads() * config.headSize();
      case KEYS, VALUES -> (long) config.keyValueHeads() * config.headSize();
      case MLP -> config.intermediate();
      case RESIDUAL -> config.hidden();
    };
  }

  @Override
  public Architecture architecture() {
    Architecture.Builder builder = Architecture.builder();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Tap tap : Tap.values()) {
        boolean units = tap == Tap.MLP;
        builder.space(
            new FeatureSpace(
                tap.of(layer),
                width(tap),
                units ? MapFamily.PERMUTATION : MapFamily.FIXED,
                -1,
                units ? units(layer) : List.of()));
      }
    }
    return builder.build();
  }

  private List<Binding> units(int layer) {
    String at = "model.layers." + layer + ".mlp.";
    List<Binding> bindings = new ArrayList<>();
    for (String writer : config.gated() ? List.of("gate_proj", "up_proj") : List.of("up_proj")) {
      bindings.add(Binding.of(at + writer + ".weight", 0, Role.WEIGHT_OUT));
      if (config.mlpBias()) {
        bindings.add(Binding.of(at + writer + ".bias", 0, Role.BIAS));
      }
    }
    bindings.add(Binding.of(at + "down_proj.weight", 1, Role.WEIGHT_IN));
    return bindings;
  }

  /**
   * Random initial parameters in F32, of which each has its own stream of the seed: weights normal
   * with deviation 0.02, those that write the residual stream 0.02 / sqrt(2 L) (Radford et al.
   * 2019), gains 1, biases 0.
   */
  public MemoryCheckpoint initialise(long seed) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    double writing = INITIAL_DEVIATION / Math.sqrt(2.0 * config.layers());
    parameters.forEach(
        (name, info) -> {
          float[] values = new float[Math.toIntExact(info.size())];
          if (info.rank() == 2) {
            boolean writes = name.contains("o_proj") || name.contains("down_proj");
            var random = Seeds.stream(seed, "init/" + name);
            for (int i = 0; i < values.length; i++) {
              values[i] = (float) (random.nextGaussian() * (writes ? writing : INITIAL_DEVIATION));
            }
          } else if (name.endsWith(".weight")) {
            Arrays.fill(values, 1);
          }
          tensors.put(name, Tensor.of(values, info.dims()));
        });
    return MemoryCheckpoint.of(tensors);
  }

  /**
   * Throws when a checkpoint does not hold these parameters.
   *
   * @throws IncompatibleModelsException listing every mismatch
   */
  public void require(Checkpoint theta) {
    List<String> problems = new ArrayList<>();
    parameters.forEach(
        (name, wanted) -> {
          TensorInfo found = theta.tensors().get(name);
          if (found == null) {
            problems.add(Names.missing(name, theta.tensors().keySet(), problems.size()));
          } else if (!found.shape().equals(wanted.shape()) || !found.dtype().isArithmetic()) {
            problems.add("'" + name + "' is " + found + ", the transformer has " + wanted);
          }
        });
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the checkpoint does not fit the transformer", problems);
    }
  }

  @Override
  public TransformerSession open(Checkpoint theta, Workspace ws) throws IOException {
    Device device = Placement.of(ws);
    try (Opened opened = new Opened()) {
      Map<String, Tensor> owned = load(theta, device, ws);
      owned.values().forEach(opened::add);
      TransformerSession session =
          Libtorch.call(
              TransformerSession.THREADS, () -> new TransformerSession(this, owned, device));
      opened.release();
      return session;
    }
  }

  /**
   * Loss and its gradient by every parameter.
   *
   * @param loss mean of {@code -log p} of the next tokens, in nats
   * @param gradient under the names of the parameters, of the precision
   */
  public record Gradient(double loss, MemoryCheckpoint gradient) implements AutoCloseable {
    @Override
    public void close() {
      gradient.close();
    }
  }

  /**
   * The mean of {@code -log p(t_i | t_0 ... t_(i-1))} over all windows and all their tokens but the
   * first, and its gradient; all windows are one batch.
   *
   * @throws IllegalArgumentException when the model is no causal one
   */
  public Gradient gradient(Checkpoint theta, TokenWindows windows, Workspace ws)
      throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> owned = load(theta, Placement.of(ws), ws);
      owned.values().forEach(opened::add);
      TokenLearner learner =
          opened.add(
              new TokenLearner(
                  this,
                  owned,
                  windows,
                  Optional.empty(),
                  windows.size(),
                  TransformerSession.THREADS,
                  ws));
      double loss = learner.backward(0);
      return new Gradient(loss, MemoryCheckpoint.of(learner.gradients()));
    }
  }

  /** All parameters in the precision; new tensors on a device, the host or the Workspace's. */
  Map<String, Tensor> load(Checkpoint theta, Device device, Workspace ws) throws IOException {
    require(theta);
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : parameters.keySet()) {
        tensors.put(name, opened.add(Loading.as(precision, theta, name, device, ws)));
      }
      opened.release();
      return tensors;
    }
  }

  /**
   * @throws ShapeException when inputs are not what the network reads
   * @throws IllegalArgumentException naming an id that is no row of the vocabulary
   */
  void checkInputs(Tensor ids) {
    if (ids.rank() != 2 || ids.dtype() != DType.I64 || ids.size() == 0) {
      throw new ShapeException(
          "inputs are " + ids + ", a transformer reads ids I64 [sequences, tokens]");
    }
    if (config.rope().isEmpty() && ids.dim(1) > config.positions()) {
      throw new ShapeException(
          "sequences of "
              + ids.dim(1)
              + " tokens, and the model has "
              + config.positions()
              + " positions; give shorter windows");
    }
    TokenWindows.checkIds(ids, config.vocabulary(), "rows of the embedding");
  }

  /** Of tokens, as many as ids. */
  void checkTypes(Tensor types, Tensor ids) {
    if (!Arrays.equals(types.shape(), ids.shape())) {
      throw new ShapeException("types of tokens are " + types + ", their ids " + ids);
    }
    TokenWindows.checkIds(types, config.tokenTypes(), "types of tokens");
  }

  /**
   * @throws IllegalArgumentException when it does not predict the next token
   */
  void requireCausal() {
    if (!config.causal()) {
      throw new IllegalArgumentException(
          "a model of type '"
              + config.modelType()
              + "' sees all tokens at once and predicts none; give a causal one");
    }
  }

  /** Structure and precision: equal texts are equal networks. */
  @Override
  public String toString() {
    return config + " in " + precision;
  }
}
