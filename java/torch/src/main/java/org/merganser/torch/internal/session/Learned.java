// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal.session;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Graph;

/** What a {@link TorchSession} learns: which tensors, and how those of the network follow. */
public interface Learned {
  /** What becomes of running statistics. */
  enum Statistics {
    /** They follow the batches of training, and evaluation reads them. */
    FOLLOWED,
    /** They are not read: every batch normalises itself. */
    OF_BATCH,
    /** They stay as they are, and are read in training as well. */
    STORED;

    boolean follow() {
      return this == FOLLOWED;
    }
  }

  /** Names of the tensors that are learned, in order. */
  Collection<String> leaves();

  /** Tensors of the network by name, of all that there are; in libtorch, where gradients pass. */
  Map<String, Tensor> network(Map<String, Tensor> all);

  Statistics statistics();

  /** What is added to layers, of all tensors that there are; likewise. */
  default Graph.Added added(Map<String, Tensor> all) {
    return Graph.Added.NONE;
  }

  /** All parameters of a network. */
  static Learned all(TorchNetwork network, Statistics statistics) {
    return some(List.copyOf(network.learned()), statistics);
  }

  /** Some parameters of a network, in order. */
  static Learned some(List<String> names, Statistics statistics) {
    return new Learned() {
      @Override
      public Collection<String> leaves() {
        return names;
      }

      @Override
      public Map<String, Tensor> network(Map<String, Tensor> all) {
        return all;
      }

      @Override
      public Statistics statistics() {
        return statistics;
      }
    };
  }
}
