// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.internal.kernel.Natives;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.TensorMerger.Access;
import org.merganser.plan.Catalogue;
import org.merganser.testing.Counted;

/** What a method of any kind of access can rely on, and what it costs. */
class TensorMergerTest {
  private static final int TILE = 1 << 20;

  /** Writes the largest element of what it sees at once, and notes the shapes of tiles. */
  private static final class Largest extends TensorMerger {
    private final Access access;
    private final List<String> shapes = new ArrayList<>();

    Largest(Access access) {
      this.access = access;
    }

    @Override
    public String id() {
      return "largest";
    }

    @Override
    public String summary() {
      return "the largest element";
    }

    @Override
    protected Access access(TensorInfo info) {
      return access;
    }

    @Override
    protected TileFunction prepare(Group group, Workspace ws) {
      return (tile, out, w) -> {
        shapes.add(tile.first() + ": " + Arrays.toString(out.shape()));
        long row = access == Access.WHOLE || out.dim(0) == 0 ? out.size() : out.size() / out.dim(0);
        float[] values = tile.models().get(0).toHost(w).toFloatArray();
        for (int from = 0; from < values.length; from += (int) row) {
          float largest = Float.NEGATIVE_INFINITY;
          for (int i = from; i < from + row; i++) {
            largest = Math.max(largest, values[i]);
          }
          Arrays.fill(values, from, from + (int) row, largest);
        }
        out.copyFrom(Tensor.of(values, out.shape()), w);
      };
    }
  }

  /** What chooses by name may choose what chooses by name. */
  @Test
  void methodsByNameMayBeNested() throws IOException {
    TensorMerger inner = TensorMerger.perTensor(name -> new Largest(TensorMerger.Access.WHOLE));
    Checkpoint merged =
        TensorMerger.perTensor(name -> inner).merge(MergeProblem.of(counting(3, 2, 2)), WS);
    assertThat(merged.block("w")).isEqualTo(12);
    assertThat(part(merged, 0, 2)).containsExactly(11, 11);
  }

  @Test
  void whatIsMissingIsSaid() {
    MergeProblem problem = MergeProblem.of(counting(3, 2, 2));
    assertThatThrownBy(() -> TensorMerger.perTensor(name -> null).merge(problem, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("per-tensor: no method for '");
    assertThatThrownBy(() -> problem.withBase(null)).hasMessage("the base is null");
    assertThatThrownBy(() -> problem.withObjective(null)).hasMessage("the objective is null");
  }

  @Test
  void rowsAreSeenWhole() throws IOException {
    Largest method = new Largest(TensorMerger.Access.ROWS);
    Checkpoint merged = method.merge(MergeProblem.of(counting(3, 2, 2)), WS);
    assertThat(merged.block("w")).isEqualTo(4);
    assertThat(part(merged, 0, 12)).containsExactly(3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11);
    assertThat(part(merged, 5, 9)).containsExactly(7, 7, 7, 11);
    assertThat(method.shapes).containsExactly("0: [3, 2, 2]", "4: [2, 2, 2]");
    // A vector is one row.
    merged = method.merge(MergeProblem.of(counting(6)), WS);
    assertThat(part(merged, 1, 3)).containsExactly(5, 5);
  }

  @Test
  void tensorsAreSeenWhole() throws IOException {
    Largest method = new Largest(TensorMerger.Access.WHOLE);
    Checkpoint merged = method.merge(MergeProblem.of(counting(3, 2)), WS);
    assertThat(merged.block("w")).isEqualTo(6);
    assertThat(part(merged, 4, 6)).containsExactly(5, 5);
    assertThat(method.shapes).containsExactly("0: [3, 2]");
  }

  /** Takes the tensors whose names it is given from the second model. */
  private record Choosing(Set<String> names, TensorMerger rest) {
    TensorMerger merger() {
      return new TensorMerger() {
        @Override
        public String id() {
          return "choosing";
        }

        @Override
        public String summary() {
          return "some tensors of the second";
        }

        @Override
        protected OptionalInt choose(String name, TensorInfo info) {
          return names.contains(name) ? OptionalInt.of(1) : OptionalInt.empty();
        }

        @Override
        protected TileFunction prepare(Group group, Workspace ws) throws IOException {
          return rest.prepare(group, ws);
        }
      };
    }
  }

  @Test
  void chosenTensorsAreReadOfOneModel() throws IOException {
    Counted first = new Counted(counting(4));
    Counted second = new Counted(MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 4))));
    MergeProblem problem = MergeProblem.of(first, second);
    TensorMerger chosen = new Choosing(Set.of("w"), LinearMerger.uniform()).merger();
    assertThat(part(chosen.merge(problem, WS), 0, 4)).containsExactly(0, 0, 0, 0);
    assertThat(first.elements()).isZero();
    TensorMerger other = new Choosing(Set.of(), LinearMerger.uniform()).merger();
    assertThat(part(other.merge(problem, WS), 0, 4)).containsExactly(0, .5f, 1, 1.5f);
  }

  @Test
  void statisticsAreTakenOnce() throws IOException {
    Counted a = new Counted(uniform(3 * TILE + 5));
    Counted b = new Counted(uniform(3 * TILE + 5));
    Checkpoint merged =
        SlerpMerger.of(SlerpMerger.Options.defaults()).merge(MergeProblem.of(a, b), WS);
    part(merged, 10, 20);
    assertThat(a.elements()).isEqualTo(3 * TILE + 5 + 10);
    part(merged, 20, 40);
    assertThat(a.elements()).isEqualTo(3 * TILE + 5 + 30);
    assertThat(b.elements()).isEqualTo(a.elements());
  }

  /** Methods of two models that see any elements at once and say that they hold nothing. */
  static Stream<String> elementwise() {
    TensorInfo info = TensorInfo.of(DType.F32, 6L * TILE);
    return Catalogue.mergers().ids().stream()
        .filter(
            id ->
                Catalogue.mergers().method(id) instanceof TensorMerger method
                    && method.needs().importance() == Merger.Importance.NONE
                    && method.needs().fewest() <= 2
                    && method.needs().most() >= 2
                    && method.access(info) == Access.ELEMENTS
                    && method.demand(info, 2).held() == 0);
  }

  /** Not with the tensor, and not with the parts in which it is read. */
  @ParameterizedTest
  @MethodSource("elementwise")
  void memoryIsThatOfTiles(String id) throws IOException {
    for (long size : new long[] {2L * TILE, 6L * TILE}) {
      Checkpoint model = uniform(size);
      Merger merger = Catalogue.mergers().method(id);
      boolean base = merger.needs().base();
      int inputs = base ? 3 : 2;
      for (int tiles : new int[] {1, 3, 50}) {
        Counted a = new Counted(model);
        Counted b = new Counted(model);
        MergeProblem problem = MergeProblem.of(a, b);
        Checkpoint merged = merger.merge(base ? problem.withBase(a) : problem, WS);
        long each = (size + tiles - 1) / tiles;
        try (Tensor into = Tensor.allocate(DType.F32, each)) {
          long before = Natives.allocatedBytes();
          for (long from = 0; from < size; from += each) {
            long to = Math.min(size, from + each);
            merged.readRange("w", from, to, into.rows(0, to - from), WS);
          }
          long most = Math.max(a.mostBytes(), b.mostBytes()) - before;
          assertThat(most)
              .as("%s of %s in %s tiles", id, size, tiles)
              .isLessThanOrEqualTo(4L * inputs * TILE + (1 << 16));
          // The collector may free what other tests left.
          assertThat(Natives.allocatedBytes()).isLessThanOrEqualTo(before);
        }
      }
    }
  }

  @Test
  void readingEndsWhenItIsCancelled() {
    Cancellation cancellation = new Cancellation();
    try (Workspace ws = Workspace.builder().cancellation(cancellation).open()) {
      Checkpoint merged = LinearMerger.uniform().merge(MergeProblem.of(counting(4)), ws);
      cancellation.cancel();
      assertThatThrownBy(() -> merged.read("w", ws)).isInstanceOf(CancelledException.class);
    }
  }

  private static float[] part(Checkpoint merged, long from, long to) throws IOException {
    try (Tensor into = Tensor.allocate(DType.F32, to - from)) {
      merged.readRange("w", from, to, into, WS);
      return into.toFloatArray();
    }
  }

  private static Checkpoint uniform(long size) {
    Tensor tensor = Tensor.zeros(DType.F32, size);
    for (long i = 0; i < size; i += 1 + size / 1000) {
      tensor.set(i, i % 17);
    }
    return MemoryCheckpoint.of(Map.of("w", tensor));
  }

  private static Checkpoint counting(long... shape) {
    float[] values = new float[(int) Tensor.size(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, shape)));
  }
}
