// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/** A network without parameters: given some, it computes. Immutable and thread-safe. */
public interface Network {
  /** The tap that receives what the network returns (class logits). */
  String OUTPUT = "output";

  Architecture architecture();

  /**
   * Linear layers and convolutions in order of the forward pass; repair measures them. Empty when
   * the network does not tell.
   */
  default List<AffineLayer> affineLayers() {
    return List.of();
  }

  /** Batch normalisations in order of the forward pass. */
  default List<BatchNormLayer> batchNorms() {
    return List.of();
  }

  /** Reads the parameters once, for many batches. */
  Session open(Checkpoint theta, Workspace ws) throws IOException;

  /** Receives activations during a forward pass. */
  @FunctionalInterface
  interface TapSink {
    /**
     * @param tap what was asked for: id of a feature space, tap of a layer, or {@link
     *     Network#OUTPUT}
     * @param activations [samples x features] or [samples x features x positions...], those of a
     *     space with features on the axis it names ({@link FeatureSpace#featureAxis}); valid until
     *     the next run of the session or its close
     */
    void accept(String tap, Tensor activations) throws IOException;
  }

  /** A network with parameters; serves one thread. */
  interface Session extends AutoCloseable {
    /**
     * One forward pass without gradients.
     *
     * @param inputs first dimension is the sample
     * @param mode TRAIN normalises with the statistics of the batch; no parameter is changed
     * @param taps what to hand to {@code out}: ids of spaces, {@link AffineLayer#output}, {@link
     *     BatchNormLayer#input}, or {@link #OUTPUT}
     */
    void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out) throws IOException;

    @Override
    void close();
  }
}
