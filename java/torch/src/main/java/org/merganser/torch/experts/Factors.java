// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.compute.DType;
import org.merganser.internal.Seeds;
import org.merganser.io.TensorInfo;
import org.merganser.lora.LoraAdapter;
import org.merganser.model.AffineLayer;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.Learned;

/**
 * Learns the factors of adapters: what the network computes with is {@code W + s B A}, so that
 * gradients pass to A and B alone.
 */
record Factors(TorchNetwork network, List<AffineLayer> layers, int rank, double scale)
    implements Learned {

  @Override
  public Collection<String> leaves() {
    List<String> names = new ArrayList<>();
    for (AffineLayer layer : layers) {
      names.add(nameOfA(layer));
      names.add(nameOfB(layer));
    }
    return names;
  }

  String nameOfA(AffineLayer layer) {
    return LoraAdapter.nameOfA(module(layer));
  }

  String nameOfB(AffineLayer layer) {
    return LoraAdapter.nameOfB(module(layer));
  }

  /** As PEFT names it, where an attention with adapters has one of its parts within it. */
  private String module(AffineLayer layer) {
    return layers.stream()
        .filter(other -> layer.id().equals(LoraOptions.outOf(other)))
        .findFirst()
        .map(attention -> LoraAdapter.outOfAttention(attention.id()))
        .orElse(layer.id());
  }

  boolean hasAttention() {
    return layers.stream().anyMatch(layer -> LoraOptions.outOf(layer) != null);
  }

  /** New factors, under the names of the leaves; each A has its own stream of the seed. */
  Map<String, org.merganser.linalg.Tensor> initialise(long seed) {
    Map<String, org.merganser.linalg.Tensor> factors = new LinkedHashMap<>();
    for (AffineLayer layer : layers) {
      TensorInfo weight = network.parameters().get(layer.weight());
      long[] ofA = weight.dims();
      ofA[0] = rank;
      long[] ofB = new long[ofA.length];
      Arrays.fill(ofB, 1);
      ofB[0] = weight.dim(0);
      ofB[1] = rank;
      long in = weight.size() / weight.dim(0);
      float[] values = new float[Math.toIntExact(rank * in)];
      SplittableRandom random = Seeds.stream(seed, "lora/" + layer.id());
      double bound = 1 / Math.sqrt(in);
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) ((2 * random.nextDouble() - 1) * bound);
      }
      factors.put(nameOfA(layer), org.merganser.linalg.Tensor.of(values, ofA));
      factors.put(nameOfB(layer), org.merganser.linalg.Tensor.zeros(DType.F32, ofB));
    }
    return factors;
  }

  @Override
  public Map<String, Tensor> network(Map<String, Tensor> all) {
    Map<String, Tensor> effective = new LinkedHashMap<>(all);
    for (AffineLayer layer : layers) {
      Tensor weight = all.get(layer.weight());
      Tensor a = all.get(nameOfA(layer)).flatten(1, -1);
      Tensor b = all.get(nameOfB(layer)).flatten(1, -1);
      Tensor sum = torch.addmm(weight.flatten(1, -1), b, a, new Scalar(1.0), new Scalar(scale));
      effective.put(layer.weight(), sum.view_as(weight));
    }
    return effective;
  }

  /** Those of the base: an adapter has no running statistics. */
  @Override
  public Statistics statistics() {
    return Statistics.STORED;
  }
}
