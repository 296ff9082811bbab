// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.function.UnaryOperator;
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
   * @param importances of the same elements in each model, in F32 (F64 for F64); none unless the
   *     method needs {@link Importance#FISHER} and there are any of this tensor
   */
  public record Tile(
      long first, List<Tensor> models, Optional<Tensor> base, List<Tensor> importances) {
    public Tile {
      models = List.copyOf(models);
      importances = List.copyOf(importances);
    }

    /** Without importances. */
    public Tile(long first, List<Tensor> models, Optional<Tensor> base) {
      this(first, models, base, List.of());
    }

    /** The same of something that is made of each tensor. */
    Tile map(UnaryOperator<Tensor> with) {
      return new Tile(
          first,
          models.stream().map(with).toList(),
          base.map(with),
          importances.stream().map(with).toList());
    }

    Block[] blocks() {
      return models.stream().map(Block::of).toArray(Block[]::new);
    }
  }

  /**
   * What a tensor takes beyond a tile of each model; plans tell it.
   *
   * @param passes how often the tensors of all models are read, by {@link #prepare} and to merge
   * @param held bytes that {@link #prepare} or the function holds at once
   */
  public record Demand(int passes, long held) {
    /** Read once, nothing held. */
    public static final Demand ONE_PASS = passes(1);

    /** Statistics in tiles before the tensor is merged. */
    public static Demand passes(int passes) {
      return new Demand(passes, 0);
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

    /** Whether it needs no more. */
    default boolean enough() {
      return false;
    }
  }

  /** The tensors of one name. */
  public interface Group {
    String name();

    TensorInfo info();

    int models();

    /** Goes through all elements, in order, in tiles that are the same whatever is read later. */
    void tiles(Statistic statistic, Workspace ws) throws IOException;

    /** The same in whole rows of the first dimension; a vector is one row. */
    void rows(Statistic statistic, Workspace ws) throws IOException;

    /** The tensor of one model, for statistics that need all of it; the caller closes it. */
    Tensor model(int k, Workspace ws) throws IOException;

    /** That of the base, likewise. */
    Tensor base(Workspace ws) throws IOException;

    /** What the importances of the models have under this name; empty when none has any. */
    List<TensorInfo> importances();

    /** The importance of a model in F64 where the Workspace computes; the caller closes it. */
    Tensor importance(int k, Workspace ws) throws IOException;
  }

  /** What the function of a tensor must see at once. */
  protected Access access(TensorInfo info) {
    return Access.ELEMENTS;
  }

  /** The same where it depends on importances. */
  protected Access access(Group group) {
    return access(group.info());
  }

  /**
   * What a tensor takes; {@link Demand#ONE_PASS} unless {@link #prepare} reads or holds something.
   *
   * @param models without the base
   */
  protected Demand demand(TensorInfo info, int models) {
    return Demand.ONE_PASS;
  }

  /** The same where it depends on importances. */
  protected Demand demand(Group group) {
    return demand(group.info(), group.models());
  }

  /** The model whose tensor is taken as it is, for methods that choose. */
  protected OptionalInt choose(String name, TensorInfo info) {
    return OptionalInt.empty();
  }

  /** Whether tensors depend on statistics of the whole model; {@link #overModel} then. */
  protected boolean isOverModel() {
    return false;
  }

  /**
   * This method with the statistics of the whole model; called once for a merged model, before the
   * first tensor is prepared.
   *
   * @param groups the tensors that are computed, in the order of their names; at least one
   */
  protected TensorMerger overModel(List<Group> groups, Workspace ws) throws IOException {
    return this;
  }

  /**
   * The function of one tensor, after the statistics that it needs. Called once for each tensor of
   * a merged model when it is first read. What the function keeps is kept as long as the merged
   * model: numbers, no tensors.
   */
  protected abstract TileFunction prepare(Group group, Workspace ws) throws IOException;

  /**
   * Refuses options that do not fit; called for every tensor that is computed, before any is read.
   *
   * @throws IllegalArgumentException saying which
   */
  protected void check(String name, TensorInfo info, int models) {}

  /** The same where it depends on importances. */
  protected void check(Group group) {
    check(group.name(), group.info(), group.models());
  }

  /** Whether equal tensors give themselves back, so that equal masks can be copied. */
  protected boolean keepsEqual() {
    return true;
  }

  /** Whether NaN and infinities are computed with, not refused. */
  protected boolean propagates() {
    return false;
  }

  /**
   * Whether a value that is not finite, in any model or the base, makes the result at its place so:
   * results tell then, and what is read need not be looked at before.
   */
  protected boolean carriesNonFinite() {
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
                method.check(new TensorGroup(problem, problem.all(), name, method));
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
      if (method.isOverModel()) {
        throw new IllegalArgumentException(
            method.id() + ": a setting of the whole model cannot differ between tensors");
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
