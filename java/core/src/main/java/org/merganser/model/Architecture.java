// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.model.Binding.Block;

/**
 * The feature spaces of a network, in the order of its forward pass, and which parameters belong to
 * them. Immutable. Networks built with {@code merganser-torch} bring their own; {@link
 * LinearStack#infer} finds that of a plain stack of linear layers; {@link #builder} and {@link
 * #read} serve everything else.
 */
public final class Architecture {
  private final Map<String, FeatureSpace> spaces;
  private final Map<String, List<BoundAxis>> byTensor;
  private final Set<String> counters;

  /** A binding together with its space. */
  public record BoundAxis(FeatureSpace space, Binding binding) {
    private long start() {
      return binding.block().offset();
    }

    /** First entry after the block; the largest long when it overflows. */
    private long end() {
      try {
        long last = Math.multiplyExact(space.width() - 1, binding.block().stride());
        return Math.addExact(start(), Math.addExact(last, binding.block().repeat()));
      } catch (ArithmeticException e) {
        return Long.MAX_VALUE;
      }
    }

    private String range() {
      Block block = binding.block();
      return start()
          + ".."
          + (end() - 1)
          + (block.isDense() ? "" : " in steps of " + block.stride());
    }

    private boolean fits(TensorInfo info) {
      return binding.axis() < info.rank() && end() <= info.dim(binding.axis());
    }

    /** Whether it has no entry of the axis of another from the start of that one on. */
    private boolean isOver(BoundAxis other) {
      return binding.axis() != other.binding.axis() || end() <= other.start();
    }

    /** Whether some entry of one axis belongs to both; of blocks with gaps if they fit arrays. */
    private boolean overlaps(BoundAxis other) {
      if (start() >= other.end() || other.start() >= end()) {
        return false;
      }
      Block mine = binding.block();
      Block theirs = other.binding.block();
      if (mine.isDense() && theirs.isDense() || Math.max(end(), other.end()) > Integer.MAX_VALUE) {
        return true;
      }
      for (long f = 0; f < space.width(); f++) {
        long from = start() + f * mine.stride();
        // The first feature of the other that ends after this one starts.
        long next =
            Math.max(
                0, Math.floorDiv(from - theirs.offset() - theirs.repeat(), theirs.stride()) + 1);
        if (next < other.space.width()
            && theirs.offset() + next * theirs.stride() < from + mine.repeat()) {
          return true;
        }
      }
      return false;
    }
  }

  private Architecture(Builder builder) {
    Map<String, List<BoundAxis>> bound = new LinkedHashMap<>();
    for (FeatureSpace space : builder.spaces.values()) {
      for (Binding binding : space.bindings()) {
        bound
            .computeIfAbsent(binding.tensor(), t -> new ArrayList<>())
            .add(new BoundAxis(space, binding));
      }
    }
    bound.replaceAll((tensor, axes) -> List.copyOf(axes));
    spaces = Collections.unmodifiableMap(new LinkedHashMap<>(builder.spaces));
    byTensor = Collections.unmodifiableMap(bound);
    counters = Collections.unmodifiableSet(new LinkedHashSet<>(builder.counters));
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Reads a builder file; see {@code docs/architecture-file.md} for its form. */
  public static Architecture read(Path path) throws IOException {
    return fromJson(path.toString(), TextFile.read(path));
  }

  /**
   * Parses the text of a builder file.
   *
   * @param source named in messages
   */
  public static Architecture fromJson(String source, String json) throws IOException {
    return ArchitectureFile.parse(source, json);
  }

  /** The text of a builder file. */
  public String toJson() {
    return ArchitectureFile.format(this);
  }

  /** Writes a builder file that {@link #read} accepts. */
  public void write(Path path) throws IOException {
    TextFile.write(path, toJson());
  }

  /** Spaces in order of the forward pass. */
  public Collection<FeatureSpace> spaces() {
    return spaces.values();
  }

  /**
   * The space of that id.
   *
   * @throws IllegalArgumentException when there is none
   */
  public FeatureSpace space(String id) {
    FeatureSpace space = spaces.get(id);
    if (space == null) {
      throw new IllegalArgumentException("no space '" + id + "'; there are " + spaces.keySet());
    }
    return space;
  }

  /** Bindings of one parameter; empty when it touches no space. */
  public List<BoundAxis> bindings(String tensor) {
    return byTensor.getOrDefault(tensor, List.of());
  }

  /** Buffers that count (batches seen): copied from the reference, never mapped or averaged. */
  public Set<String> counters() {
    return counters;
  }

  /** Everything about a checkpoint that does not fit, each in one line; empty when it fits. */
  public List<String> validate(Checkpoint checkpoint) {
    List<String> problems = new ArrayList<>();
    Set<String> reported = new LinkedHashSet<>();
    for (FeatureSpace space : spaces.values()) {
      for (Binding binding : space.bindings()) {
        TensorInfo info = checkpoint.tensors().get(binding.tensor());
        if (info == null) {
          if (reported.add(binding.tensor())) {
            problems.add(
                Names.missing(binding.tensor(), checkpoint.tensors().keySet(), problems.size()));
          }
        } else {
          check(space, binding, info, problems);
        }
      }
    }
    byTensor.forEach(
        (tensor, axes) -> {
          TensorInfo info = checkpoint.tensors().get(tensor);
          if (info != null) {
            checkOverlap(tensor, axes.stream().filter(axis -> axis.fits(info)).toList(), problems);
          }
        });
    return problems;
  }

  /**
   * Tensors of a checkpoint that belong to no space: they are averaged without being mapped. Right
   * for the bias of the last layer; a hidden layer's bias among them was forgotten in the bindings.
   */
  public List<String> unbound(Checkpoint checkpoint) {
    return checkpoint.tensors().keySet().stream()
        .filter(name -> !byTensor.containsKey(name) && !counters.contains(name))
        .toList();
  }

  /**
   * What looks forgotten, each in one line with the names; empty when nothing does. A space that is
   * mapped but that no weight writes or reads, and axes as long as a space that no binding covers.
   * Such an axis may belong to inputs or outputs that happen to be as wide: a space of family
   * {@link MapFamily#FIXED} that binds it says so. {@link #validate} cannot refuse these: only the
   * network itself tells whether they are mistakes.
   */
  public List<String> doubts(Checkpoint checkpoint) {
    return Completeness.doubts(this, checkpoint);
  }

  /**
   * Throws when {@link #validate} finds anything.
   *
   * @param what names the checkpoint in the message
   */
  public void require(String what, Checkpoint checkpoint) {
    List<String> problems = validate(checkpoint);
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(what + " does not fit the architecture", problems);
    }
  }

  /**
   * Two blocks of one axis must not share an entry: it would be mapped twice. Of each block the
   * first that it overlaps is named.
   *
   * @param axes that fit the tensor, so that there are no more steps than entries
   */
  private static void checkOverlap(String tensor, List<BoundAxis> axes, List<String> problems) {
    List<BoundAxis> inOrder = new ArrayList<>(axes);
    inOrder.sort(
        Comparator.comparingInt((BoundAxis axis) -> axis.binding().axis())
            .thenComparingLong(BoundAxis::start));
    List<BoundAxis> before = new ArrayList<>();
    for (BoundAxis next : inOrder) {
      before.removeIf(axis -> axis.isOver(next));
      before.stream()
          .filter(axis -> axis.overlaps(next))
          .findFirst()
          .ifPresent(axis -> problems.add(overlap(tensor, axis, next)));
      before.add(next);
    }
  }

  private static String overlap(String tensor, BoundAxis a, BoundAxis b) {
    return Names.quote(tensor)
        + " axis "
        + a.binding().axis()
        + ": entries "
        + a.range()
        + " of space '"
        + a.space().id()
        + "' and "
        + b.range()
        + " of space '"
        + b.space().id()
        + "' overlap";
  }

  private void check(FeatureSpace space, Binding binding, TensorInfo info, List<String> problems) {
    String where =
        "space "
            + Names.quote(space.id())
            + ": "
            + Names.quote(binding.tensor())
            + " "
            + info
            + " axis "
            + binding.axis();
    if (binding.axis() >= info.rank()) {
      problems.add(where + ": it has only " + info.rank() + " axes");
      return;
    }
    if (!info.dtype().isArithmetic()) {
      problems.add(where + ": maps apply to F64, F32, F16 and BF16 only");
    }
    long needed = new BoundAxis(space, binding).end();
    long found = info.dim(binding.axis());
    if (found < needed
        || found > needed && binding.block().equals(Block.WHOLE) && isAlone(binding)) {
      problems.add(where + ": size " + found + ", the space needs " + needed);
    }
  }

  /** The first of several blocks looks like the whole axis; only their number tells them apart. */
  private boolean isAlone(Binding binding) {
    return bindings(binding.tensor()).stream()
        .filter(b -> b.binding().axis() == binding.axis())
        .skip(1)
        .findFirst()
        .isEmpty();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Architecture that
        && spaces.equals(that.spaces)
        && counters.equals(that.counters);
  }

  @Override
  public int hashCode() {
    return spaces.hashCode();
  }

  @Override
  public String toString() {
    return "Architecture" + spaces.keySet();
  }

  /** Collects spaces in order. */
  public static final class Builder {
    private final Map<String, FeatureSpace> spaces = new LinkedHashMap<>();
    private final Set<String> counters = new LinkedHashSet<>();

    private Builder() {}

    /** Adds a space. */
    public Builder space(String id, long width, MapFamily symmetry, Binding... bindings) {
      return space(new FeatureSpace(id, width, symmetry, List.of(bindings)));
    }

    public Builder space(FeatureSpace space) {
      if (spaces.putIfAbsent(space.id(), space) != null) {
        throw new IllegalArgumentException("space '" + space.id() + "' is given twice");
      }
      return this;
    }

    /** Marks a buffer as a counter. */
    public Builder counter(String tensor) {
      counters.add(tensor);
      return this;
    }

    public Architecture build() {
      return new Architecture(this);
    }
  }
}
