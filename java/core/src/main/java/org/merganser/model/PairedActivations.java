// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;

/**
 * Activations of several models on the same samples, batch by batch in the order of the samples.
 * Whatever measures models reads them here, as a {@link Sink}, and does not see where they come
 * from: forward passes ({@link #of}) or files.
 *
 * <p>A measure of two models, in whole:
 *
 * <pre>
 *   try (PairedActivations source = PairedActivations.of(models, inputs, Mode.EVAL, ws)) {
 *     source.each(Set.of("fc1"), batch -&gt; grams.add(batch.of("fc1")), ws);
 *   }
 * </pre>
 *
 * <p>Serves one thread and one pass at a time.
 */
public interface PairedActivations extends AutoCloseable {

  /**
   * A network with parameters. Models may be of different networks, as long as they read the same
   * inputs; each gives those of the taps that it has.
   */
  record Model(Network network, Checkpoint theta) {
    /** Models of one network, in order. */
    public static List<Model> of(Network network, List<? extends Checkpoint> thetas) {
      return thetas.stream().map(theta -> new Model(network, theta)).toList();
    }
  }

  /**
   * What the models make of the same samples.
   *
   * @param first number of its first sample, counted from the start of the pass
   * @param samples how many there are
   * @param models for each model, its activations [samples x features] or [samples x features x
   *     positions...] by tap, those of a space with features on the axis it names; they are valid
   *     until the sink returns
   */
  record Batch(long first, long samples, List<Map<String, Tensor>> models) {
    /**
     * @throws ShapeException when a model has another number of samples
     */
    public Batch {
      models = List.copyOf(models);
      for (int k = 0; k < models.size(); k++) {
        for (Map.Entry<String, Tensor> tap : models.get(k).entrySet()) {
          Tensor found = tap.getValue();
          if (found.rank() < 1 || found.dim(0) != samples) {
            throw new ShapeException(
                "activations of '%s' of model %d are %s, where the batch after %d samples has %d;"
                        .formatted(tap.getKey(), k, found, first, samples)
                    + " every model gives one row for each sample");
          }
        }
      }
    }

    /**
     * Activations of one model.
     *
     * @throws IllegalArgumentException when it has none of this tap
     */
    public Tensor of(int model, String tap) {
      Tensor found = models.get(model).get(tap);
      if (found == null) {
        throw new IllegalArgumentException(
            "model " + model + " gave no activations of '" + tap + "'");
      }
      return found;
    }

    /** Activations of every model, in order. */
    public List<Tensor> of(String tap) {
      List<Tensor> found = new ArrayList<>();
      for (int k = 0; k < models.size(); k++) {
        found.add(of(k, tap));
      }
      return found;
    }
  }

  /** Takes batches in, such as an accumulator of statistics. */
  @FunctionalInterface
  interface Sink {
    void accept(Batch batch) throws IOException;
  }

  /** A pass over all samples, as a source gives it. */
  interface Pass extends AutoCloseable {
    boolean hasNext() throws IOException;

    /** The batch after the last one, whose activations end here. */
    Batch next() throws IOException;

    @Override
    void close();
  }

  /**
   * Begins a pass.
   *
   * @param taps what to hand out, by the names of {@link Network.Session#run}
   */
  Pass open(Set<String> taps) throws IOException;

  /**
   * Hands every batch of a pass to a sink.
   *
   * @throws org.merganser.error.CancelledException before the next batch when the Workspace is
   *     cancelled
   */
  default void each(Set<String> taps, Sink sink, Workspace ws) throws IOException {
    try (Pass pass = open(taps)) {
      while (pass.hasNext()) {
        ws.cancellation().check();
        sink.accept(pass.next());
      }
    }
  }

  /**
   * Forward passes of models on the batches of the seed of the Workspace. Models run at the same
   * time, each in its own session.
   *
   * @param mode how normalisations behave
   */
  static PairedActivations of(List<Model> models, Inputs inputs, Mode mode, Workspace ws)
      throws IOException {
    return new ForwardPasses(models, inputs, mode, 1, ws);
  }

  @Override
  void close();
}
