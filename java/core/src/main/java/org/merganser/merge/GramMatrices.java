// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;
import org.merganser.io.TensorCost;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Role;
import org.merganser.stats.Moments;

/** {@code X^T X} of what each linear layer of a model reads, of moments of its spaces. */
final class GramMatrices extends CheckpointView {
  private final Map<String, String> spaces;
  private final Moments moments;
  private final int k;

  GramMatrices(Architecture architecture, Checkpoint model, Moments moments, int k) {
    this(spaces(architecture, model, moments), model, moments, k);
  }

  private GramMatrices(Map<String, String> spaces, Checkpoint model, Moments moments, int k) {
    super(infos(spaces, moments, k), List.of(model));
    this.spaces = spaces;
    this.moments = moments;
    this.k = k;
  }

  private static Map<String, TensorInfo> infos(Map<String, String> spaces, Moments moments, int k) {
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    spaces.forEach(
        (tensor, space) -> {
          long width = moments.space(space).width(k);
          infos.put(tensor, TensorInfo.of(DType.F64, width, width));
        });
    return infos;
  }

  /** The space that each linear layer reads as it is, by the name of its weight. */
  private static Map<String, String> spaces(
      Architecture architecture, Checkpoint model, Moments moments) {
    Map<String, String> spaces = new LinkedHashMap<>();
    List<String> several = new ArrayList<>();
    for (Map.Entry<String, TensorInfo> tensor : model.tensors().entrySet()) {
      List<BoundAxis> read =
          architecture.bindings(tensor.getKey()).stream()
              .filter(axis -> axis.binding().role() == Role.WEIGHT_IN)
              .toList();
      if (read.size() == 1 && tensor.getValue().rank() == 2) {
        FeatureSpace space = read.get(0).space();
        Binding binding = read.get(0).binding();
        boolean whole =
            binding.block().equals(Binding.Block.WHOLE)
                && tensor.getValue().dim(binding.axis()) == space.width();
        if (whole && !isOfImages(space, model) && moments.spaces().contains(space.id())) {
          Optional<String> doubt = doubt(space);
          if (doubt.isPresent()) {
            several.add(Names.quote(tensor.getKey()) + doubt.get());
          } else {
            spaces.put(tensor.getKey(), space.id());
          }
        }
      }
    }
    if (spaces.isEmpty()) {
      several.add(
          "no linear layer reads one of the spaces %s as it is; spaces of convolutions are read pooled or flattened"
              .formatted(Names.some(moments.spaces())));
      throw new IncompatibleModelsException("no Gram matrices", several);
    }
    if (!several.isEmpty()) {
      System.getLogger(RegMeanMerger.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "no Gram matrices, so weights are averaged: " + String.join("; ", several));
    }
    return spaces;
  }

  /**
   * Why the moments of a space may not be those of what a layer reads: they are of one place, and a
   * residual stream changes from layer to layer, and is read normalised.
   */
  private static Optional<String> doubt(FeatureSpace space) {
    List<String> writers = tensors(space, EnumSet.of(Role.WEIGHT_OUT));
    List<String> readers = tensors(space, EnumSet.of(Role.WEIGHT_IN));
    List<String> norms = tensors(space, EnumSet.of(Role.NORM_SCALE, Role.NORM_SHIFT));
    String place = " reads " + Names.quote(space.id()) + ", which ";
    if (writers.size() > 1) {
      return Optional.of(place + writers.size() + " layers add to: " + Names.some(writers));
    }
    if (!norms.isEmpty() && readers.size() > 1) {
      return Optional.of(
          place + readers.size() + " layers read, some normalised by " + Names.some(norms));
    }
    return Optional.empty();
  }

  private static List<String> tensors(FeatureSpace space, Set<Role> roles) {
    return space.bindings().stream()
        .filter(binding -> roles.contains(binding.role()))
        .map(Binding::tensor)
        .distinct()
        .toList();
  }

  private static boolean isOfImages(FeatureSpace space, Checkpoint model) {
    return space.bindings().stream()
        .map(binding -> model.tensors().get(binding.tensor()))
        .anyMatch(info -> info != null && info.rank() > 2);
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of("format", "pt", "importance", "gram", "samples", String.valueOf(samples()));
  }

  private long samples() {
    return spaces.values().stream().mapToLong(id -> moments.space(id).samples()).max().orElse(0);
  }

  @Override
  public long block(String name) {
    return Math.max(1, info(name).size());
  }

  @Override
  public TensorCost cost(String name) {
    return TensorCost.stored(info(name).bytes());
  }

  @Override
  protected void fill(String name, long from, long to, Tensor into, Workspace ws) {
    try (Matrix gram = moments.space(spaces.get(name)).products(k, ws)) {
      into.copyFrom(gram.asTensor().reshape(into.shape()), ws);
    }
  }
}
