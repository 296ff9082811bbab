// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.transformer.CanonicalLayout.Place;

/**
 * A transformer under one set of names, whatever its type: those of Llama ({@code
 * model.layers.N.self_attn.q_proj.weight}), all matrices [out, in], queries, keys and values apart.
 * Beyond them {@code model.embed_positions}, {@code model.embed_types}, {@code model.embed_norm},
 * {@code post_feedforward_layernorm} after the MLP where norms stand after the sums, and {@code
 * .bias} of norms and projections; an MLP without a gate has {@code mlp.up_proj} and {@code
 * mlp.down_proj}. {@link TransformerConfig#tensors} lists them. A view: tensors are split and
 * transposed when they are read.
 */
public final class CanonicalCheckpoint extends CheckpointView {
  private final TransformerConfig config;
  private final Checkpoint source;
  private final CanonicalLayout layout;

  private CanonicalCheckpoint(
      Checkpoint source,
      TransformerConfig config,
      CanonicalLayout layout,
      Map<String, TensorInfo> tensors) {
    super(tensors, List.of(source));
    this.source = source;
    this.config = config;
    this.layout = layout;
  }

  /**
   * A view of a checkpoint in the layout of its type: llama, mistral, qwen2, qwen3, phi3 (fused
   * projections), gpt2 (transposed ones), bert.
   *
   * @throws IncompatibleModelsException when tensors are missing or of other shapes than the
   *     configuration says, naming each
   */
  public static CanonicalCheckpoint of(Checkpoint checkpoint, TransformerConfig config) {
    CanonicalLayout layout = new CanonicalLayout(config, checkpoint.tensors());
    List<String> problems = new ArrayList<>();
    Set<String> originals = new LinkedHashSet<>();
    layout.places().values().forEach(place -> originals.add(place.tensor()));
    for (String name : originals) {
      problem(checkpoint, name, layout.shape(name), problems);
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          checkpoint + " is not the " + config.modelType() + " of its configuration", problems);
    }
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    CanonicalTensor.of(config)
        .forEach(
            (name, tensor) -> {
              DType dtype = checkpoint.info(layout.places().get(name).tensor()).dtype();
              tensors.put(name, new TensorInfo(dtype, tensor.shape()));
            });
    return new CanonicalCheckpoint(checkpoint, config, layout, tensors);
  }

  /** Says what is wrong with a tensor, if it is. */
  static void problem(Checkpoint checkpoint, String name, List<Long> shape, List<String> problems) {
    TensorInfo info = checkpoint.tensors().get(name);
    if (info == null) {
      problems.add(Names.missing(name, checkpoint.tensors().keySet()));
    } else if (!info.shape().equals(shape)) {
      problems.add(
          "%s is %s, the configuration says %s".formatted(Names.quote(name), info.shape(), shape));
    } else if (!info.dtype().isArithmetic()) {
      problems.add(
          "%s is %s, which is not computed in; F64, F32, F16 and BF16 are"
              .formatted(Names.quote(name), info.dtype()));
    }
  }

  /** The structure it was read with. */
  public TransformerConfig config() {
    return config;
  }

  /** Still canonical, with what else the original has. */
  @Override
  public CanonicalCheckpoint as(DType dtype) {
    return of(source.as(dtype), config);
  }

  /**
   * Tensors of the original that are no part of the function that is looked at, such as the pooler
   * of BERT. They may read the residual stream.
   */
  List<String> others() {
    return layout.others();
  }

  /**
   * The way back: a checkpoint with canonical names in the layout of the original, with everything
   * else that the original has. A head that the original does not have (its tie was undone) is
   * added.
   *
   * @param canonical with the shapes of this one, of any type
   * @throws IncompatibleModelsException when it has other tensors; when its residual stream was
   *     moved and the original has tensors that may read it and are not known, such as the pooler
   *     of BERT, which would stay as they are (views are looked through, copies are not)
   */
  public Checkpoint restored(Checkpoint canonical) {
    List<String> problems = MovedStream.refusals(this);
    if (!problems.isEmpty() && MovedStream.isMoved(canonical)) {
      throw new IncompatibleModelsException(
          canonical + " does not go with the other tensors of " + source,
          problems,
          List.of("leave them out before (Checkpoint.where)"));
    }
    return RestoredCheckpoint.of(source, layout, config, canonical);
  }

  @Override
  public long block(String name) {
    Place place = place(name);
    return place.transposed() ? info(name).size() : source.block(place.tensor());
  }

  @Override
  public TensorCost cost(String name) {
    Place place = place(name);
    TensorCost cost = source.cost(place.tensor());
    return place.transposed()
        ? cost.plus(TensorCost.stored(0), source.info(place.tensor()).bytes())
        : cost;
  }

  @Override
  public Set<String> stale() {
    Set<String> stale = new LinkedHashSet<>();
    layout
        .places()
        .forEach(
            (name, place) -> {
              if (source.stale().contains(place.tensor())) {
                stale.add(name);
              }
            });
    return stale;
  }

  private Place place(String name) {
    info(name);
    return layout.places().get(name);
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws)
      throws IOException {
    Place place = place(name);
    TensorInfo info = info(name);
    if (!place.transposed()) {
      long begin = place.from() * (info.rank() == 1 ? 1 : info.dim(1));
      source.readRange(place.tensor(), begin + from, begin + to, into, ws);
      return;
    }
    try (Tensor original = source.read(place.tensor(), ws);
        Tensor turned = Tensor.allocate(info.dtype(), info.dims());
        Tensor flat = turned.reshape(turned.size())) {
      Transposition.copy(original, turned, place.from(), true);
      into.copyFrom(flat, ws);
    }
  }
}
