// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.plan.Catalogue;
import org.merganser.testing.ChildJvm;

/** Whoever computes an alignment closes it; views borrow. */
class AlignmentOwnershipTest {
  private static final Architecture ARCHITECTURE =
      Architecture.builder()
          .space("s", 3, MapFamily.ANY_LINEAR, Binding.of("w", 0, Role.WEIGHT_OUT))
          .build();

  @TempDir Path folder;

  @Test
  void manyAlignmentsTakeTheMemoryOfOne() throws Exception {
    ChildJvm.Result result =
        new ChildJvm()
            .onOurBackend()
            .option("-Dmerganser.trackAllocations=true")
            .run(AlignmentMemoryProgram.class, "many", "200", "1024");
    assertThat(result.exit()).as(result.output()).isZero();
    long[] bytes =
        Arrays.stream(result.output().strip().split(" ")).mapToLong(Long::parseLong).toArray();
    assertThat(bytes[0]).as("one").isGreaterThanOrEqualTo(2L * 8 * 1024 * 1024);
    assertThat(bytes[1]).as("most at a time").isLessThanOrEqualTo(2 * bytes[0]);
    assertThat(bytes[2]).as("left at the end").isZero();
  }

  @Test
  void noMethodLeavesMemoryBehind() throws Exception {
    ChildJvm.Result result =
        new ChildJvm()
            .onOurBackend()
            .option("-Dmerganser.trackAllocations=true")
            .run(AlignmentMemoryProgram.class, "every");
    assertThat(result.exit()).as(result.output()).isZero();
    assertThat(result.output().lines())
        .containsExactlyElementsOf(
            Catalogue.aligners().ids().stream().map(id -> id + " 0").toList());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aClosedAlignmentRefuses(boolean dense) throws IOException {
    try (MemoryCheckpoint model = model()) {
      Alignment alignment = alignment(dense);
      Alignment inverse = alignment.inverse();
      Checkpoint mapped = alignment.apply(model);
      Checkpoint back = inverse.apply(model);
      mapped.read("w", WS).close();
      back.read("w", WS).close();
      alignment.close();
      alignment.close();
      Path file = folder.resolve("maps.mgalign");
      for (ThrowingCallable use :
          new ThrowingCallable[] {
            () -> alignment.map("s"),
            () -> alignment.apply(model),
            () -> alignment.inverse(),
            () -> alignment.verify(WS),
            () -> alignment.verify(model, WS),
            () -> alignment.save(file, WS),
            () -> inverse.map("s"),
            () -> inverse.save(file, WS),
            () -> mapped.read("w", WS),
            () -> back.read("w", WS)
          }) {
        assertThatThrownBy(use)
            .isInstanceOf(IllegalStateException.class)
            .hasMessageContaining("closed");
      }
      assertThat(alignment.spaces().get("s").score()).isNaN();
      assertThat(alignment.method()).isEqualTo("planted");
    }
  }

  @Test
  void aViewClosesNothing() throws IOException {
    try (MemoryCheckpoint model = model();
        Alignment alignment = alignment(true)) {
      alignment.inverse().close();
      alignment.map("s").inverse().close();
      alignment.apply(model).close();
      alignment.inverse().apply(alignment.apply(model)).read("w", WS).close();
    }
  }

  @Test
  void aSetClosesWhatItHolds() {
    Alignment first = alignment(true);
    Alignment second = alignment(true);
    new AlignmentSet(java.util.List.of(first, second)).close();
    assertThatThrownBy(() -> first.map("s")).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> second.map("s")).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void composedMapsAreTheirOwn() {
    LinearMap map = dense();
    FeatureMap identity = FeatureMap.identity(3);
    FeatureMap after = identity.then(map, WS);
    FeatureMap before = map.then(identity, WS);
    map.close();
    after.toMatrix(WS).close();
    before.toMatrix(WS).close();
    after.close();
    before.close();
    assertThatThrownBy(() -> map.toMatrix(WS)).isInstanceOf(IllegalStateException.class);
  }

  private static Alignment alignment(boolean dense) {
    return Alignment.of(
        "planted", ARCHITECTURE, Map.of("s", dense ? dense() : ScaledPermutation.of(1, 2, 0)));
  }

  private static LinearMap dense() {
    return LinearMap.of(Matrix.identity(3), Matrix.identity(3));
  }

  private static MemoryCheckpoint model() {
    return MemoryCheckpoint.of(Map.of("w", Tensor.zeros(DType.F32, 3, 2)));
  }
}
