// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Counted;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Gates, and what cannot be experts of one model. */
class MoeUpcyclerTest {
  private static final MemoryCheckpoint BASE =
      MemoryCheckpoint.of(
          Map.of(
              "m.weight", Tensor.zeros(DType.F32, 2, 3),
              "n.weight", Tensor.zeros(DType.F32, 4, 3)));

  /** A [1 x 3], B [2 x 1] for m. */
  private static LoraAdapter of(String name, double[] a, double... b) {
    return of(name, Map.of("m", new double[][] {a, b}));
  }

  /** Rank 1, F64. */
  private static LoraAdapter of(String name, Map<String, double[][]> modules) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    modules.forEach(
        (module, ab) -> {
          tensors.put(LoraAdapter.nameOfA(module), Tensor.of(ab[0], 1, ab[0].length));
          tensors.put(LoraAdapter.nameOfB(module), Tensor.of(ab[1], ab[1].length, 1));
        });
    return new Memory(name, 1, 2).of(tensors);
  }

  private record Memory(String name, int rank, double alpha) {
    LoraAdapter of(Map<String, Tensor> tensors) {
      LoraAdapter.Settings settings = new LoraAdapter.Settings(name, "", rank, alpha, false);
      return LoraAdapter.of(settings, MemoryCheckpoint.of(tensors, Map.of(), Set.of()));
    }
  }

  private static double[] gate(MoeModel model, String module) throws IOException {
    try (Tensor gate = model.tensors().read(model.layers().get(module).gate(), WS)) {
      return gate.toDoubleArray();
    }
  }

  /** B A = [[1, 0, 2], [-1, 0, -2]]: its singular value is sqrt(10). */
  @Test
  void arrowIsTheDirectionThatAnExpertActsOnMost() throws IOException {
    LoraAdapter one = of("one", new double[] {1, 0, 2}, 1, -1);
    LoraAdapter untrained = of("untrained", new double[] {1, 1, 1}, 0, 0);
    LoraAdapter turned = of("turned", new double[] {0, -3, 0}, 2, 0);
    try (MoeModel model = MoeUpcycler.arrow(2).upcycle(BASE, List.of(one, untrained, turned), WS)) {
      double[] gate = gate(model, "m");
      assertThat(gate[0]).isCloseTo(.4472136, within(5e-8));
      assertThat(gate[1]).isZero();
      assertThat(gate[2]).isCloseTo(.89442719, within(5e-9));
      assertThat(Arrays.copyOfRange(gate, 3, 9)).containsExactly(0, 0, 0, 0, 1, 0);
      assertThat(model.notes())
          .contains(
              "the gate of 'untrained' is 0 in 'm': its expert does nothing there, or its inputs"
                  + " are those of the others");
      try (Tensor scale = model.tensors().read("m.experts.scale", WS);
          Tensor a = model.tensors().read("m.experts.A", WS);
          Tensor b = model.tensors().read("m.experts.B", WS)) {
        assertThat(scale.toDoubleArray()).containsExactly(2, 2, 2);
        assertThat(a.shape()).containsExactly(3, 1, 3);
        assertThat(a.toDoubleArray()).containsExactly(1, 0, 2, 1, 1, 1, 0, -3, 0);
        assertThat(b.shape()).containsExactly(3, 2, 1);
        assertThat(b.toDoubleArray()).containsExactly(1, -1, 0, 0, 2, 0);
      }
    }
    try (Tensor b = Tensor.of(new double[] {1, -1}, 1, 2);
        Tensor a = Tensor.of(new double[] {1, 0, 2}, 1, 3);
        LowRank found =
            LowRank.of(org.merganser.linalg.Matrix.of(b), org.merganser.linalg.Matrix.of(a), WS)) {
      assertThat(found.values()[0]).isCloseTo(3.16227766, within(5e-9));
    }
  }

  /** Against power iteration on the product itself, of convolutions as well. */
  @Cases(40)
  void arrowIsTheLeadingRightSingularVector(Draw draw) throws IOException {
    int rank = draw.integer(1, 5);
    int in = draw.integer(1, 6);
    int out = draw.integer(1, 20);
    int kernel = draw.of(1, 3);
    double[][] a =
        Oracle.map(Oracle.gaussian(rank, in * kernel * kernel, draw.seed()), x -> (float) x);
    double[][] b = Oracle.map(Oracle.gaussian(out, rank, draw.seed()), x -> (float) x);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (Tensor flatA = Adapters.tensor(DType.F32, a);
        Tensor flatB = Adapters.tensor(DType.F32, b)) {
      boolean plain = kernel == 1;
      tensors.put(
          LoraAdapter.nameOfA("c"),
          (plain ? flatA : flatA.reshape(rank, in, kernel, kernel)).copy());
      tensors.put(
          LoraAdapter.nameOfB("c"), (plain ? flatB : flatB.reshape(out, rank, 1, 1)).copy());
    }
    long[] shape = kernel == 1 ? new long[] {out, in} : new long[] {out, in, kernel, kernel};
    Checkpoint base = MemoryCheckpoint.of(Map.of("c.weight", Tensor.zeros(DType.F32, shape)));
    try (LoraAdapter adapter = new Memory("x", rank, 1).of(tensors);
        MoeModel model = MoeUpcycler.arrow(1).upcycle(base, List.of(adapter), WS)) {
      double[] v = gate(model, "c");
      double[][] product = Oracle.multiply(b, a);
      double[] u = times(product, v);
      double[] back = times(Oracle.transpose(product), u);
      double value = squares(u);
      double leading = leading(product);
      assertThat(squares(v)).isCloseTo(1, within(1e-6));
      assertThat(value).isCloseTo(leading, within(1e-5 * leading));
      for (int i = 0; i < v.length; i++) {
        assertThat(back[i]).isCloseTo(value * v[i], within(1e-5 * leading));
      }
      assertThat(Arrays.stream(v).max().orElseThrow())
          .isEqualTo(Arrays.stream(v).map(Math::abs).max().orElseThrow());
    }
  }

  private static double[] times(double[][] matrix, double[] v) {
    return Arrays.stream(matrix)
        .mapToDouble(
            row -> {
              double sum = 0;
              for (int i = 0; i < v.length; i++) {
                sum += row[i] * v[i];
              }
              return sum;
            })
        .toArray();
  }

  private static double squares(double[] v) {
    return Arrays.stream(v).map(x -> x * x).sum();
  }

  /** The largest eigenvalue of {@code P^T P}. */
  private static double leading(double[][] product) {
    double[][] across = Oracle.transpose(product);
    double[] v = Oracle.gaussian(1, product[0].length, 3)[0];
    double value = 0;
    for (int step = 0; step < 3000; step++) {
      double norm = Math.sqrt(squares(v));
      v = Arrays.stream(v).map(x -> x / norm).toArray();
      double[] u = times(product, v);
      value = squares(u);
      v = times(across, u);
    }
    return value;
  }

  /** Of B = 1 for the one and 2 for the other, with one A: the stack of both, one gate. */
  @Test
  void modulesThatShareAShareGates() throws IOException {
    double[] a1 = {1, 2, 2};
    double[] a2 = {0, 3, 4};
    LoraAdapter one =
        of("one", Map.of("m", new double[][] {a1, {1, 0}}, "n", new double[][] {a1, {0, 0, 0, 0}}));
    LoraAdapter two =
        of("two", Map.of("m", new double[][] {a2, {0, 0}}, "n", new double[][] {a2, {1, 0, 0, 0}}));
    try (MoeModel model = MoeUpcycler.arrow(1).upcycle(BASE, List.of(one, two), WS)) {
      // By itself n of the one would do nothing, and have a gate of 0.
      assertThat(gate(model, "n")).containsExactly(gate(model, "m"));
      assertThat(gate(model, "m")[1]).isCloseTo(2 / 3.0, within(1e-12));
      assertThat(gate(model, "m")[5]).isCloseTo(.8, within(1e-12));
    }
  }

  @Test
  void meansAreContrastedAndOfUnitNorm() throws IOException {
    List<LoraAdapter> two =
        List.of(of("one", new double[] {1, 0, 2}, 1, 1), of("two", new double[] {1, 1, 2}, 1, 1));
    Checkpoint means =
        MemoryCheckpoint.of(Map.of("m", Tensor.of(new double[] {3, 0, 5, 0, 4, 5}, 2, 3)));
    try (MoeModel model = MoeUpcycler.meanActivation(1, means).upcycle(BASE, two, WS)) {
      assertThat(gate(model, "m")).containsExactly(.6, -.8, 0, -.6, .8, 0);
      assertThat(model.description().router().isAbsolute()).isFalse();
      // [v, -v]: two experts have one direction, whatever their means.
      assertThat(model.notes()).noneMatch(note -> note.contains("hardly tell experts apart"));
    }
    Checkpoint ofOne = MemoryCheckpoint.of(Map.of("m", Tensor.of(new double[] {3, 0, 4}, 1, 3)));
    try (MoeModel model =
        MoeUpcycler.meanActivation(1, ofOne).upcycle(BASE, two.subList(0, 1), WS)) {
      assertThat(gate(model, "m")).containsExactly(.6, 0, .8);
    }
  }

  @Test
  void meansThatDoNotFitAreToldBeforeAnythingIsRead() {
    Counted base = new Counted(BASE);
    Counted factors =
        new Counted(
            MemoryCheckpoint.of(
                Map.of(
                    LoraAdapter.nameOfA("m"), Tensor.zeros(DType.F32, 1, 3),
                    LoraAdapter.nameOfB("m"), Tensor.zeros(DType.F32, 2, 1))));
    LoraAdapter.Settings settings = new LoraAdapter.Settings("counted", "", 1, 1, false);
    List<LoraAdapter> two =
        List.of(of("one", new double[] {1, 0, 2}, 1, 1), LoraAdapter.of(settings, factors));
    Checkpoint other = MemoryCheckpoint.of(Map.of("m", Tensor.of(new double[] {3, 0, 4}, 1, 3)));
    assertThatThrownBy(() -> MoeUpcycler.meanActivation(1, other).upcycle(base, two, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'m' is F64 [1, 3]; 2 experts with 3 inputs have [2, 3]");
    Checkpoint none = MemoryCheckpoint.of(Map.of("n", Tensor.of(new double[] {3, 0, 4}, 1, 3)));
    assertThatThrownBy(() -> MoeUpcycler.meanActivation(1, none).upcycle(base, two, WS))
        .hasMessageContaining("no tensor 'm'");
    assertThat(base.elements() + factors.elements()).isZero();
  }

  private static List<String> notesOfMeans(double... values) throws IOException {
    List<LoraAdapter> three =
        List.of(
            of("one", new double[] {1, 0, 2}, 1, 1),
            of("two", new double[] {1, 1, 2}, 1, 1),
            of("three", new double[] {1, 1, 0}, 1, 1));
    Checkpoint means = MemoryCheckpoint.of(Map.of("m", Tensor.of(values, 3, 3)));
    try (MoeModel model = MoeUpcycler.meanActivation(1, means).upcycle(BASE, three, WS)) {
      return model.notes();
    }
  }

  /** Contrasts of three means have two directions; singular values by numpy. */
  @Test
  void meansThatHardlyDifferAreNoted() throws IOException {
    assertThat(notesOfMeans(1, 0, 0, 0, 1, 0, 0, 0, 1))
        .noneMatch(note -> note.contains("hardly tell experts apart"));
    assertThat(notesOfMeans(1, 0, 0, 1, .1, 0, 0, 0, 1))
        .contains(
            "gates of 1 of 1 modules hardly tell experts apart ('m'): condition numbers up to"
                + " 11.6, where 5 is much");
  }

  @Test
  void everyExpertHasANameOfItsOwn() throws IOException {
    List<LoraAdapter> two =
        List.of(of("one", new double[] {1, 0, 2}, 1, 1), of("one", new double[] {1, 1, 2}, 1, 1));
    MoeUpcycler arrow = MoeUpcycler.arrow(1);
    assertThatThrownBy(() -> arrow.upcycle(BASE, two, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("experts 1 and 2 are both named 'one'; each needs a name of its own");
    assertThatThrownBy(() -> arrow.withNames(List.of("a", "b", "c")).upcycle(BASE, two, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("3 names for 2 experts; give one for each");
    try (MoeModel model = arrow.withNames(List.of("a", "b")).upcycle(BASE, two, WS)) {
      assertThat(model.description().experts()).containsExactly("a", "b");
    }
  }

  @Test
  void randomGatesFollowTheSeed() throws IOException {
    List<LoraAdapter> two =
        List.of(of("one", new double[] {1, 0, 2}, 1, 1), of("two", new double[] {1, 1, 2}, 1, 1));
    double[] first;
    try (MoeModel model = MoeUpcycler.random(MoeUpcycler.ALL).upcycle(BASE, two, WS)) {
      first = gate(model, "m");
      assertThat(model.description().topK()).isEqualTo(2);
      assertThat(Arrays.stream(first).distinct()).hasSize(6);
    }
    try (MoeModel model = MoeUpcycler.random(2).upcycle(BASE, two, WS)) {
      assertThat(gate(model, "m")).containsExactly(first);
    }
  }

  @Test
  void gatesThatHardlyDifferAreNoted() throws IOException {
    List<LoraAdapter> close =
        List.of(of("one", new double[] {1, 0, 0}, 1, 1), of("two", new double[] {1, .1, 0}, 1, 1));
    // Singular values of [v; w] are sqrt(1 +- cos): 20.
    try (MoeModel model = MoeUpcycler.arrow(2).upcycle(BASE, close, WS)) {
      assertThat(model.notes())
          .contains(
              "gates of 1 of 1 modules hardly tell experts apart ('m'): condition numbers up to"
                  + " 20.0, where 5 is much");
    }
    List<LoraAdapter> apart =
        List.of(of("one", new double[] {1, 0, 0}, 1, 1), of("two", new double[] {1, 1, 0}, 1, 1));
    try (MoeModel model = MoeUpcycler.arrow(2).upcycle(BASE, apart, WS)) {
      assertThat(model.notes())
          .containsExactly(
              "'one', 'two': no digests of the model that it was trained for, so only names and"
                  + " shapes of its weights were compared");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3, -2})
  void numbersOfExpertsAreChecked(int k) {
    List<LoraAdapter> two =
        List.of(of("one", new double[] {1, 0, 2}, 1, 1), of("two", new double[] {1, 1, 2}, 1, 1));
    assertThatThrownBy(() -> MoeUpcycler.arrow(k).upcycle(BASE, two, WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("top-k is " + k + " of 2 experts; give 1 to 2, or -1 for all");
    assertThatThrownBy(() -> MoeUpcycler.arrow(2).upcycle(BASE, List.of(), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no experts; give one adapter or more");
    assertThatThrownBy(
            () -> MoeUpcycler.arrow(2).withTemperature(Double.NaN).upcycle(BASE, two, WS))
        .hasMessageContaining("temperature must be finite");
  }

  @Test
  void whatIsNotAlikeIsListed() {
    LoraAdapter one = of("one", new double[] {1, 0, 2}, 1, 1);
    LoraAdapter more =
        of(
            "more",
            Map.of(
                "m", new double[][] {{1, 0, 2}, {1, 1}},
                "n", new double[][] {{1, 0, 2}, {1, 1, 0, 0}}));
    Map<String, Tensor> wide = new LinkedHashMap<>();
    wide.put(LoraAdapter.nameOfA("m"), Tensor.zeros(DType.F32, 2, 3));
    wide.put(LoraAdapter.nameOfB("m"), Tensor.zeros(DType.F32, 2, 2));
    LoraAdapter second = new Memory("second", 2, 2).of(wide);
    Map<String, Tensor> taller = new LinkedHashMap<>();
    taller.put(LoraAdapter.nameOfA("m"), Tensor.zeros(DType.F32, 1, 3));
    taller.put(LoraAdapter.nameOfB("m"), Tensor.zeros(DType.F32, 4, 1));
    taller.put("base_model.model.m.bias", Tensor.zeros(DType.F32, 4));
    LoraAdapter tall = new Memory("tall", 1, 2).of(taller);
    assertThatThrownBy(
            () -> MoeUpcycler.arrow(1).upcycle(BASE, List.of(one, more, second, tall), WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageStartingWith("adapters do not fit each other as experts of one model")
        .hasMessageContaining("more has factors of 2 modules, one of 1: only the first has 'n'")
        .hasMessageContaining(
            "'m' is of rank 1 in one and of rank 2 in second; bring them to one rank (lora combine"
                + " ADAPTER --rank 1, LoraSum.ofRank)")
        .hasMessageContaining("'m' is [2, 3] in one and [4, 3] in tall")
        .hasMessageContaining("tall has whole tensors ('m.bias')");
    LoraAdapter odd = of("odd", Map.of("o", new double[][] {{1}, {1}}));
    assertThatThrownBy(() -> MoeUpcycler.arrow(1).upcycle(BASE, List.of(odd), WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("no tensor 'o.weight'");
    LoraAdapter none = of("none", new double[] {1, Double.NaN, 2}, 1, 1);
    assertThatThrownBy(() -> MoeUpcycler.arrow(1).upcycle(BASE, List.of(one, none), WS))
        .isInstanceOf(NumericalException.class)
        .hasMessage("adapter none: 1 values of 'base_model.model.m.lora_A.weight' are not finite");
  }

  @Test
  void embeddingsAreNoExperts() {
    Map<String, Tensor> rows = new LinkedHashMap<>();
    rows.put("base_model.model.e.lora_embedding_A", Tensor.zeros(DType.F32, 1, 5));
    rows.put("base_model.model.e.lora_embedding_B", Tensor.zeros(DType.F32, 3, 1));
    LoraAdapter adapter = new Memory("e", 1, 1).of(rows);
    assertThatThrownBy(() -> MoeUpcycler.arrow(1).upcycle(BASE, List.of(adapter), WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'e' of e is an embedding, whose input has no direction to go by");
  }
}
