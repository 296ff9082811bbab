// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.kernel.Block;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * A merger that makes each tensor of its counterparts in the models, as one function on tiles:
 *
 * <pre>
 *   elementwise, by rows, whole   {@link #access}, {@link #prepare} returns the function
 *   statistics first              {@link #prepare} goes through {@link Group#tiles}, then returns it
 *   the tensor of one model       {@link #choose}
 * </pre>
 *
 * <p>Everything else is the merged view's: names, types and shapes; counters; types that are not
 * computed in (they must be equal) and masks with infinities (likewise); values that are not
 * finite, before and after; tiles, whose size no result depends on. Memory: a tile of each model,
 * and what {@link #prepare} keeps.
 */
public abstract class TensorMerger implements Merger {

  /** What the function must see at once. */
  public enum Access {
    /** Any elements; tiles are vectors. */
    ELEMENTS,
    /**
     * Rows of the first dimension; a vector is one row. Tiles are [rows x the other dimensions].
     */
    ROWS,
    /** The tensor, in its shape. */
    WHOLE
  }

  /**
   * The same part of all models; valid during the call it is given to.
   *
   * @param first index of the first element in the tensor
   */
  public record Tile(long first, List<Tensor> models, Optional<Tensor> base) {
    public Tile {
      models = List.copyOf(models);
    }

    Block[] blocks() {
      return models.stream().map(Block::of).toArray(Block[]::new);
    }
  }

  /** Writes every element of {@code out}, which has the shape of the tile. */
  @FunctionalInterface
  public interface TileFunction {
    void merge(Tile tile, Tensor out, Workspace ws);
  }

  /** Takes in a part of all models. */
  @FunctionalInterface
  public interface Statistic {
    void add(Tile tile);
  }

  /** The tensors of one name. */
  public interface Group {
    String name();

    TensorInfo info();

    int models();

    /** Goes through all elements, in order, in tiles that are the same whatever is read later. */
    void tiles(Statistic statistic, Workspace ws) throws IOException;

    /** The tensor of one model, for statistics that need all of it; the caller closes it. */
    Tensor model(int k, Workspace ws) throws IOException;

    /** That of the base, likewise. */
    Tensor base(Workspace ws) throws IOException;

    /** What {@link TensorMerger#measure} gives, summed over all tensors of the merged model. */
    double[] totals(Workspace ws) throws IOException;
  }

  /** What the function of a tensor must see at once. */
  protected Access access(TensorInfo info) {
    return Access.ELEMENTS;
  }

  /** The model whose tensor is taken as it is, for methods that choose. */
  protected OptionalInt choose(String name, TensorInfo info) {
    return OptionalInt.empty();
  }

  /**
   * The function of one tensor, after the statistics that it needs. Called once for each tensor of
   * a merged model when it is first read. What the function keeps is kept as long as the merged
   * model: numbers, no tensors.
   */
  protected abstract TileFunction prepare(Group group, Workspace ws) throws IOException;

  /**
   * Numbers of one tensor that are needed summed over all tensors ({@link Group#totals}), as many
   * for each; none, unless a method says otherwise. Called once for each tensor of a merged model,
   * in the order of their names.
   */
  protected double[] measure(Group group, Workspace ws) throws IOException {
    return new double[0];
  }

  /**
   * Refuses options that do not fit; called for every tensor that is computed, before any is read.
   *
   * @throws IllegalArgumentException saying which
   */
  protected void check(String name, TensorInfo info, int models) {}

  /** Whether equal tensors give themselves back, so that equal masks can be copied. */
  protected boolean keepsEqual() {
    return true;
  }

  /** Whether NaN and infinities are computed with, not refused. */
  protected boolean propagates() {
    return false;
  }

  /** This method with the options for one tensor. */
  protected TensorMerger of(String tensor) {
    return this;
  }

  /**
   * A merger whose options depend on the tensor.
   *
   * @param byName methods of one id, which need the same; one for every tensor
   */
  public static TensorMerger perTensor(Function<String, ? extends TensorMerger> byName) {
    return new PerTensor(byName);
  }

  /** The merged model: a view that computes what is read. Closing it closes nothing. */
  @Override
  public final Checkpoint merge(MergeProblem problem, Workspace ws) {
    problem
        .models()
        .get(0)
        .tensors()
        .forEach(
            (name, info) -> {
              TensorMerger method = of(name);
              method.needs().check(method.id(), problem);
              if (info.dtype().isArithmetic() && !problem.counters().contains(name)) {
                method.check(name, info, problem.models().size());
              }
            });
    return new MergedCheckpoint(this, problem);
  }

  /** With its options, as messages name it. */
  @Override
  public String toString() {
    return id();
  }

  private static final class PerTensor extends TensorMerger {
    private final Function<String, ? extends TensorMerger> byName;

    PerTensor(Function<String, ? extends TensorMerger> byName) {
      this.byName = byName;
    }

    @Override
    protected TensorMerger of(String tensor) {
      TensorMerger method = byName.apply(tensor);
      if (method == null) {
        throw new IllegalArgumentException(
            id() + ": no method for " + Names.quote(tensor) + "; give one for every tensor");
      }
      return method.of(tensor);
    }

    @Override
    public String id() {
      return "per-tensor";
    }

    @Override
    public String summary() {
      return "a method whose settings depend on the tensor";
    }

    @Override
    protected TileFunction prepare(Group group, Workspace ws) throws IOException {
      return of(group.name()).prepare(group, ws);
    }
  }
}
