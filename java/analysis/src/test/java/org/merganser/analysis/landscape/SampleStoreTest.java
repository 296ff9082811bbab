// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.analysis.geometry.GramMatrix;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

class SampleStoreTest {
  private static final int WIDTH = 150;
  private static final SamplePlan PLAN =
      new SamplePlan(WIDTH, List.of("seed", "loss"), List.of("a", "b", "c"), 2, "test\nof two");

  @TempDir Path folder;

  private static float[] row(int sample) {
    SplittableRandom random = new SplittableRandom(sample);
    float[] row = new float[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      row[i] = (float) random.nextGaussian();
    }
    return row;
  }

  private static void write(SampleStore store, int trajectory) throws IOException {
    try (SampleStore.Writer writer = store.begin(trajectory)) {
      for (int i = 0; i < 2; i++) {
        int sample = 2 * trajectory + i;
        writer.append(row(sample), trajectory, 0.1 * sample);
      }
      writer.commit();
    }
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /** Whatever the order in which they were written. */
  @Test
  void samplesAreInTheOrderOfThePlan() throws IOException {
    try (SampleStore store = SampleStore.open(folder, PLAN)) {
      write(store, 2);
      write(store, 0);
      assertThat(store.missing()).containsExactly(1);
      assertThat(store.samples()).isEqualTo(4);
      assertThat(store.row(2)).isEqualTo(row(4));
      write(store, 1);
      assertThat(store.missing()).isEmpty();
      assertThat(store.column("seed")).containsExactly(0, 0, 1, 1, 2, 2);
      assertThat(store.column("loss")).containsExactly(0, 0.1, 0.2, 0.1 * 3, 0.4, 0.5);
    }
    try (SampleStore again = SampleStore.open(folder)) {
      assertThat(again.plan()).isEqualTo(PLAN);
      for (int i = 0; i < 6; i++) {
        assertThat(again.row(i)).isEqualTo(row(i));
      }
      assertThatThrownBy(() -> again.row(6)).hasMessageContaining("no sample 6 of 6");
      assertThatThrownBy(() -> again.column("los")).hasMessageContaining("no column 'los'");
    }
  }

  @Test
  void whatWasNotCommittedLeavesNothing() throws IOException {
    try (SampleStore store = SampleStore.open(folder, PLAN)) {
      try (SampleStore.Writer writer = store.begin(1)) {
        writer.append(row(2), 1, 0);
        assertThatThrownBy(writer::commit).hasMessageContaining("b has 1 of its 2 samples");
      }
      assertThat(names()).containsExactly("samples.txt");
      // Rows without their table are of a writer that was killed between the two.
      write(store, 1);
      Files.delete(folder.resolve("b.csv"));
    }
    try (SampleStore store = SampleStore.open(folder, PLAN)) {
      assertThat(store.missing()).containsExactly(0, 1, 2);
      write(store, 1);
      assertThat(store.row(0)).isEqualTo(row(2));
    }
    assertThat(names()).containsExactly("b.csv", "b.npy", "samples.txt");
  }

  @Test
  void productsAreStreamedFromIt() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        SampleStore store = SampleStore.open(folder, PLAN)) {
      for (int t = 0; t < 3; t++) {
        write(store, t);
      }
      try (GramMatrix gram = GramMatrix.raw(store, ws);
          GramMatrix some = GramMatrix.raw(store.select(5, 0), ws)) {
        for (int i = 0; i < 6; i++) {
          for (int j = 0; j < 6; j++) {
            double expected = 0;
            for (int c = 0; c < WIDTH; c++) {
              expected += (double) row(i)[c] * row(j)[c];
            }
            assertThat(gram.products().get(i, j)).isCloseTo(expected, within(1e-10));
          }
        }
        assertThat(some.products().get(0, 1)).isCloseTo(gram.products().get(5, 0), within(1e-10));
      }
      double[] theta = new double[WIDTH];
      Arrays.setAll(theta, Math::cos);
      try (GramMatrix gram = GramMatrix.raw(store, theta, ws)) {
        for (int i = 0; i < 6; i++) {
          for (int j = 0; j < 6; j++) {
            double expected = 0;
            for (int c = 0; c < WIDTH; c++) {
              expected += (row(i)[c] + theta[c]) * (row(j)[c] + theta[c]);
            }
            assertThat(gram.products().get(i, j)).isCloseTo(expected, within(1e-10));
          }
        }
      }
      try (Matrix part = Matrix.of(Tensor.allocate(DType.F32, 6, 7))) {
        store.read(100, 107, part, ws);
        assertThat(part.get(3, 2)).isEqualTo(row(3)[102]);
      }
      assertThatThrownBy(() -> store.select(0, 6)).hasMessageContaining("no sample 6 of 6");
    }
  }

  /** A trajectory that comes later may belong before others: products follow the store. */
  @Test
  void productsOfATrajectoryThatCameLaterAreInTheOrderOfThePlan() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        SampleStore store = SampleStore.open(folder, PLAN)) {
      write(store, 2);
      write(store, 0);
      try (GramMatrix before = GramMatrix.centred(store, DType.F64, ws)) {
        write(store, 1);
        try (GramMatrix found = before.append(store, new int[] {2, 3}, ws);
            GramMatrix wanted = GramMatrix.centred(store, DType.F64, ws)) {
          for (int i = 0; i < 6; i++) {
            assertThat(found.products().row(i))
                .containsExactly(wanted.products().row(i), within(1e-10));
          }
        }
      }
    }
  }

  @Test
  void aSampleOfAnotherShapeIsRefused() throws IOException {
    try (SampleStore store = SampleStore.open(folder, PLAN);
        SampleStore.Writer writer = store.begin(0)) {
      assertThatThrownBy(() -> writer.append(new float[WIDTH - 1], 0, 0))
          .isInstanceOf(ShapeException.class)
          .hasMessageContaining("149 numbers with 2 columns; the samples here have 150 and 2");
      assertThatThrownBy(() -> writer.append(row(0), 0)).isInstanceOf(ShapeException.class);
      writer.append(row(0), 0, 0);
      writer.append(row(1), 0, 0);
      assertThatThrownBy(() -> writer.append(row(2), 0, 0)).hasMessageContaining("has its 2");
    }
  }

  @Test
  void samplesOfSomethingElseAreNotContinued() throws IOException {
    SampleStore.open(folder, PLAN).close();
    SamplePlan other =
        new SamplePlan(WIDTH, PLAN.columns(), PLAN.trajectories(), 2, "test\nof three");
    assertThatThrownBy(() -> SampleStore.open(folder, other))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'of two' there, 'of three' now")
        .hasMessageContaining("another folder");
  }

  @Test
  void damageIsToldWithItsPlace() throws IOException {
    try (SampleStore store = SampleStore.open(folder, PLAN)) {
      write(store, 0);
    }
    Path table = folder.resolve("a.csv");
    String good = Files.readString(table);
    for (String bad : List.of(good.replace("0.1", "x"), good.replace(",0.1", ""))) {
      Files.writeString(table, bad);
      assertThatThrownBy(() -> SampleStore.open(folder))
          .isInstanceOf(FormatException.class)
          .hasMessageContaining("a.csv: line 3 is not 2 numbers");
    }
    Files.writeString(table, "seed,loss\n");
    assertThatThrownBy(() -> SampleStore.open(folder)).hasMessageContaining("has 1 lines, not 2");
    Files.writeString(table, good);
    byte[] rows = Files.readAllBytes(folder.resolve("a.npy"));
    Files.write(folder.resolve("a.npy"), Arrays.copyOf(rows, rows.length - 4));
    assertThatThrownBy(() -> SampleStore.open(folder)).hasMessageContaining("truncated");
    Files.writeString(folder.resolve("samples.txt"), "merganser samples 1\nwidth x\n");
    assertThatThrownBy(() -> SampleStore.open(folder))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("samples.txt");
    Files.writeString(folder.resolve("samples.txt"), "something");
    assertThatThrownBy(() -> SampleStore.open(folder)).hasMessageContaining("no list of samples");
  }

  @Test
  void namesAreThoseOfFiles() {
    assertThatThrownBy(() -> new SamplePlan(1, List.of("a"), List.of("../x"), 1, ""))
        .hasMessageContaining("trajectory '../x'");
    assertThatThrownBy(() -> new SamplePlan(1, List.of("a", "a"), List.of("x"), 1, ""))
        .hasMessageContaining("a column twice");
    assertThatThrownBy(() -> new SamplePlan(1, List.of("a"), List.of("x"), 0, ""))
        .hasMessageContaining("1 or more");
    assertThatThrownBy(() -> SampleStore.open(folder)).hasMessageContaining("no samples here");
  }

  /** Nobody knows what samples without their plan are of. */
  @Test
  void samplesWithoutTheirPlanAreNotAdopted() throws IOException {
    try (SampleStore store = SampleStore.open(folder, PLAN)) {
      write(store, 1);
    }
    Files.delete(folder.resolve("samples.txt"));
    assertThatThrownBy(() -> SampleStore.open(folder, PLAN))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("b.csv: there are samples, but no samples.txt")
        .hasMessageContaining("delete the folder " + folder);
    assertThat(names()).containsExactly("b.csv", "b.npy");
  }

  @Test
  void aPlanThatIsCutOffIsSaid() {
    String text = PLAN.text();
    for (String end : List.of("\nrecipe", "\ntrajectory c")) {
      String part = text.substring(0, text.indexOf(end) + end.length());
      assertThatThrownBy(() -> SamplePlan.parse("here", part))
          .isInstanceOf(FormatException.class)
          .hasMessageStartingWith("here: no ")
          .hasMessageEndingWith("; it is truncated");
    }
  }
}
