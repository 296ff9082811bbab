// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Svd;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;
import org.merganser.testing.Models;
import org.merganser.testing.Oracle;

class LoraSumTest {
  @TempDir private Path folder;

  /**
   * Stacked, the sum is that of the folded models' changes; of its full rank, compression changes
   * nothing; of a lower one it misses the singular values that it dropped, no more.
   */
  @Cases(30)
  void sumsAreThoseOfTheChanges(Draw draw) throws IOException {
    int count = draw.integer(1, 4);
    int in = draw.integer(1, 24);
    int out = draw.integer(1, 24);
    List<Double> weights = new ArrayList<>();
    double[][] expected = new double[out][in];
    try (Opened opened = new Opened()) {
      List<LoraAdapter> adapters = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        int rank = draw.integer(1, 5);
        double weight = draw.real(-1, 2);
        double[][] a = Oracle.gaussian(rank, in, draw.seed());
        double[][] b = Oracle.gaussian(out, rank, draw.seed());
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Adapters.put(tensors, "m", a, b);
        Adapters.put(tensors, "only." + i, a, b);
        Path path =
            Adapters.write(
                folder.resolve("in" + i),
                "\"r\": %d, \"lora_alpha\": %d, \"use_rslora\": true".formatted(rank, 2 + i),
                tensors);
        adapters.add(opened.add(LoraAdapter.open(path)));
        weights.add(weight);
        double scale = weight * (2 + i) / Math.sqrt(rank);
        add(expected, Oracle.scale(Oracle.multiply(b, a), scale));
      }
      double size = largest(expected) + 1e-3;
      double[][] exact = change(LoraSum.exact(adapters, weights), opened, in, out);
      double[][] full = change(LoraSum.ofRank(adapters, weights, 1000), opened, in, out);
      assertThat(distance(exact, expected)).isLessThan(3e-6 * size * count);
      assertThat(distance(full, expected)).isLessThan(3e-6 * size * count);
      int rank = draw.integer(1, 6);
      LoraSum compressed = LoraSum.ofRank(adapters, weights, rank);
      double[][] low = change(compressed, opened, in, out);
      try (Svd svd = Svd.of(Matrix.of(expected), WS)) {
        double[] values = svd.singularValues();
        double dropped = 0;
        for (int k = rank; k < values.length; k++) {
          dropped += values[k] * values[k];
        }
        double missed = 0;
        for (int i = 0; i < out; i++) {
          for (int j = 0; j < in; j++) {
            missed += Math.pow(low[i][j] - expected[i][j], 2);
          }
        }
        assertThat(Math.sqrt(missed))
            .isCloseTo(Math.sqrt(dropped), within(1e-5 * size * Math.sqrt(in * out) * count));
      }
      assertThat(compressed.ranks().get(1)).isLessThanOrEqualTo(rank);
    }
  }

  /** What a written sum adds to a model of zeros. */
  private double[][] change(LoraSum sum, Opened opened, int in, int out) throws IOException {
    Path path = Files.createTempDirectory(folder, "sum");
    sum.write(path, DType.F32, false, WS);
    LoraAdapter written = opened.add(LoraAdapter.open(path));
    Map<String, Tensor> zeros = new LinkedHashMap<>();
    written.targets().forEach(name -> zeros.put(name, Tensor.zeros(DType.F64, out, in)));
    try (Tensor found = written.fold(MemoryCheckpoint.of(zeros)).read("m.weight", WS)) {
      return Matrix.of(found).toArray();
    }
  }

  private static void add(double[][] sum, double[][] term) {
    for (int i = 0; i < sum.length; i++) {
      for (int j = 0; j < sum[i].length; j++) {
        sum[i][j] += term[i][j];
      }
    }
  }

  private static double largest(double[][] a) {
    return distance(a, Oracle.scale(a, 0));
  }

  private static double distance(double[][] a, double[][] b) {
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      for (int j = 0; j < a[i].length; j++) {
        largest = Math.max(largest, Math.abs(a[i][j] - b[i][j]));
      }
    }
    return largest;
  }

  /** {@code tr((B_i^T B_j) (A_j A_i^T))} with weights and scales; a module of one adapter only. */
  @Test
  void innerProductsOfTheTerms() throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> one = new LinkedHashMap<>();
      Adapters.put(one, "m", new double[][] {{1, 0, 2}}, new double[][] {{1}, {-1}});
      Map<String, Tensor> two = new LinkedHashMap<>();
      Adapters.put(
          two, "m", new double[][] {{0, 1, 1}, {1, 0, 0}}, new double[][] {{2, 1}, {0, 3}});
      Adapters.put(two, "n", new double[][] {{3}, {0}}, new double[][] {{4, 0}});
      List<LoraAdapter> adapters =
          List.of(
              opened.add(
                  LoraAdapter.open(
                      Adapters.write(folder.resolve("a"), "\"r\": 1, \"lora_alpha\": 2", one))),
              opened.add(
                  LoraAdapter.open(
                      Adapters.write(folder.resolve("b"), "\"r\": 2, \"lora_alpha\": 2", two))));
      // [[1 0 2] [-1 0 -2]] times 2 .5, and [[1 2 2] [3 0 0]] times 1 3.
      Map<String, LoraSum.Products> found = LoraSum.exact(adapters, List.of(0.5, 3.0)).products(WS);
      assertThat(found.get("m.weight"))
          .isEqualTo(new LoraSum.Products(6, List.of(List.of(10.0, 6.0), List.of(6.0, 9 * 18.0))));
      assertThat(found.get("n.weight"))
          .isEqualTo(new LoraSum.Products(1, List.of(List.of(0.0, 0.0), List.of(0.0, 9 * 144.0))));
    }
  }

  /**
   * By hand: the sum has singular values 4 and 1; of rank 1 the 4 is split into two factors of norm
   * 2, and what is dropped is 1.
   */
  @Test
  void rootsOfSingularValuesAreInBothFactors() throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> one = new LinkedHashMap<>();
      Adapters.put(one, "m", new double[][] {{0, 2, 0}}, new double[][] {{2}, {0}});
      Map<String, Tensor> two = new LinkedHashMap<>();
      Adapters.put(two, "m", new double[][] {{1, 0, 0}}, new double[][] {{0}, {-1}});
      List<LoraAdapter> adapters = new ArrayList<>();
      for (Map<String, Tensor> each : List.of(one, two)) {
        Path path = Files.createTempDirectory(folder, "hand");
        Adapters.write(path, "\"r\": 1, \"lora_alpha\": 1", each);
        adapters.add(opened.add(LoraAdapter.open(path)));
      }
      LoraSum sum = LoraSum.ofRank(adapters, List.of(1.0, 1.0), 1);
      try (Tensor a = sum.tensors().read("base_model.model.m.lora_A.weight", WS);
          Tensor b = sum.tensors().read("base_model.model.m.lora_B.weight", WS)) {
        double sign = Math.signum(a.get(1));
        Close.relative("A", a.toDoubleArray(), Oracle.scale(sign, 0, 2, 0), 1e-6);
        Close.relative("B", b.toDoubleArray(), Oracle.scale(sign, 2, 0), 1e-6);
      }
      double[][] full = change(LoraSum.ofRank(adapters, List.of(1.0, 1.0), 2), opened, 3, 2);
      Close.relative("row 0", full[0], new double[] {0, 4, 0}, 1e-6);
      Close.relative("row 1", full[1], new double[] {-1, 0, 0}, 1e-6);
    }
  }

  /** Sums of factors have mixed terms: for the mean of an adapter and its opposite signs, all. */
  @Test
  void sumsOfFactorsAreNotTheSum() throws IOException {
    try (Opened opened = new Opened()) {
      List<LoraAdapter> adapters = new ArrayList<>();
      for (int sign : new int[] {1, -1}) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Adapters.put(tensors, "m", new double[][] {{sign, 2 * sign}}, new double[][] {{3 * sign}});
        Path path =
            Adapters.write(folder.resolve("in" + sign), "\"r\": 1, \"lora_alpha\": 2", tensors);
        adapters.add(opened.add(LoraAdapter.open(path)));
      }
      List<Double> halves = List.of(0.5, 0.5);
      double[][] exact = change(LoraSum.exact(adapters, halves), opened, 2, 1);
      assertThat(exact[0]).containsExactly(6, 12);
      double[][] factors = change(LoraSum.ofFactors(adapters, halves), opened, 2, 1);
      assertThat(factors[0]).containsExactly(0, 0);
      double[][] first = change(LoraSum.ofFactors(adapters, List.of(1.0, 0.0)), opened, 2, 1);
      assertThat(first[0]).containsExactly(6, 12);
    }
  }

  /** Ranks differ by module, and one name is the end of another. */
  @Test
  void ranksOfModulesAreWrittenForPeft() throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> one = new LinkedHashMap<>();
      Adapters.put(one, "fc", Oracle.gaussian(2, 4, 1), Oracle.gaussian(5, 2, 2));
      Adapters.put(one, "block.fc", Oracle.gaussian(2, 4, 3), Oracle.gaussian(5, 2, 4));
      Map<String, Tensor> two = new LinkedHashMap<>();
      Adapters.put(two, "fc", Oracle.gaussian(2, 4, 5), Oracle.gaussian(5, 2, 6));
      String settings = "\"r\": 2, \"lora_alpha\": 2, \"task_type\": \"CAUSAL_LM\"";
      List<LoraAdapter> adapters =
          List.of(
              opened.add(LoraAdapter.open(Adapters.write(folder.resolve("a"), settings, one))),
              opened.add(LoraAdapter.open(Adapters.write(folder.resolve("b"), settings, two))));
      Path path = folder.resolve("sum");
      LoraSum sum = LoraSum.exact(adapters, List.of(1.0, 1.0));
      sum.write(path, DType.F32, false, WS);
      String text = Files.readString(path.resolve("adapter_config.json")).replaceAll("\\s+", " ");
      assertThat(text)
          .contains("\"rank_pattern\" : { \"block.fc\" : 2, \"fc\" : 4 }")
          .contains("\"target_modules\" : [ \"block.fc\", \"fc\" ]")
          .contains("\"task_type\" : \"CAUSAL_LM\"");
      LoraAdapter written = opened.add(LoraAdapter.open(path));
      assertThat(written.layers().get("fc.weight").rank()).isEqualTo(4);
      assertThat(written.layers().get("block.fc.weight").scale()).isEqualTo(1);
      assertThatThrownBy(() -> sum.write(path, DType.F32, false, WS))
          .isInstanceOf(FileAlreadyExistsException.class)
          .hasMessageContaining("it holds an adapter");
      byte[] before = Files.readAllBytes(path.resolve("adapter_model.safetensors"));
      sum.write(path, DType.F32, true, WS);
      assertThat(Files.readAllBytes(path.resolve("adapter_model.safetensors"))).isEqualTo(before);
      assertThatThrownBy(() -> sum.write(folder.resolve("a"), DType.F32, true, WS))
          .hasMessageContaining("is read; name another folder");
    }
  }

  @Test
  void whatHasNoSumIsListed() throws IOException {
    Map<String, Tensor> one = new LinkedHashMap<>();
    Adapters.put(one, "m", Oracle.gaussian(2, 4, 1), Oracle.gaussian(5, 2, 2));
    one.put("head.weight", Tensor.zeros(DType.F32, 2));
    Map<String, Tensor> two = new LinkedHashMap<>();
    Adapters.put(two, "m", Oracle.gaussian(3, 6, 1), Oracle.gaussian(5, 3, 2));
    Path a = Adapters.write(folder.resolve("a"), "\"r\": 2, \"lora_alpha\": 2", one);
    Path b =
        Adapters.write(
            folder.resolve("b"), "\"r\": 3, \"lora_alpha\": 2, \"fan_in_fan_out\": true", two);
    try (LoraAdapter first = LoraAdapter.open(a);
        LoraAdapter second = LoraAdapter.open(b)) {
      assertThatThrownBy(() -> LoraSum.ofFactors(List.of(first, second), List.of(1.0, 1.0)))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining("has whole tensors ('head.weight'), which have no sum")
          .hasMessageContaining("has another 'fan_in_fan_out' than")
          .hasMessageContaining("'m' is [5, 4] in " + a + " and [5, 6] in " + b)
          .hasMessageContaining("'m' is of rank 2 in " + a + " and 3 in " + b);
      assertThatThrownBy(() -> LoraSum.exact(List.of(first, second), List.of(1.0)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("1 weights for 2 adapters; give one for each");
    }
  }

  /** What cannot be computed leaves the adapter that it was to replace. */
  @Test
  void anAdapterIsReplacedOnceTheSumIsThere() throws IOException {
    Map<String, Tensor> one = new LinkedHashMap<>();
    Adapters.put(one, "m", Oracle.gaussian(2, 4, 1), Oracle.gaussian(5, 2, 2));
    Map<String, Tensor> two = new LinkedHashMap<>();
    Adapters.put(two, "m", new double[][] {{Double.NaN, 1, 1, 1}}, Oracle.gaussian(5, 1, 3));
    String settings = "\"lora_alpha\": 2, \"r\": ";
    Path path = folder.resolve("sum");
    try (Opened opened = new Opened()) {
      Path a = Adapters.write(folder.resolve("a"), settings + 2, one);
      Path b = Adapters.write(folder.resolve("b"), settings + 1, two);
      LoraAdapter good = opened.add(LoraAdapter.open(a));
      LoraSum.exact(List.of(good), List.of(1.0)).write(path, DType.F32, false, WS);
      LoraSum bad =
          LoraSum.exact(List.of(good, opened.add(LoraAdapter.open(b))), List.of(1.0, 1.0));
      assertThatThrownBy(() -> bad.write(path, DType.F32, true, WS))
          .isInstanceOf(NumericalException.class);
      assertThat(opened.add(LoraAdapter.open(path)).layers().get("m.weight").rank()).isEqualTo(2);
      try (Stream<Path> files = Files.list(path)) {
        assertThat(files).hasSize(2);
      }
    }
  }

  /** Of which PEFT has one rank, that of the attention. */
  @Test
  void bothWeightsOfAnAttentionHaveOneRank() throws IOException {
    Map<String, Tensor> one = new LinkedHashMap<>();
    Adapters.put(one, "att", Oracle.gaussian(2, 4, 1), Oracle.gaussian(12, 2, 2));
    Adapters.put(
        one, "att.base_layer.out_proj", Oracle.gaussian(2, 4, 3), Oracle.gaussian(4, 2, 4));
    Map<String, Tensor> two = new LinkedHashMap<>();
    Adapters.put(two, "att.out_proj", Oracle.gaussian(1, 4, 5), Oracle.gaussian(4, 1, 6));
    String settings = "\"lora_alpha\": 2, \"r\": ";
    try (LoraAdapter first =
            LoraAdapter.open(Adapters.write(folder.resolve("a"), settings + 2, one));
        LoraAdapter second =
            LoraAdapter.open(Adapters.write(folder.resolve("b"), settings + 1, two))) {
      List<LoraAdapter> both = List.of(second, first);
      assertThatThrownBy(() -> LoraSum.exact(both, List.of(1.0, 1.0)))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessageContaining(
              "the sum has rank 2 for queries, keys and values of 'att' and 3 for its out_proj, PEFT one for both; give a rank of at most 2");
      Path path = folder.resolve("sum");
      LoraSum.ofRank(both, List.of(1.0, 1.0), 2).write(path, DType.F32, false, WS);
      try (LoraAdapter written = LoraAdapter.open(path)) {
        assertThat(written.layers().keySet())
            .containsExactlyInAnyOrder("att.in_proj_weight", "att.out_proj.weight");
        assertThat(written.tensors().tensors())
            .containsKey(LoraAdapter.nameOfA(LoraAdapter.outOfAttention("att")));
      }
    }
  }

  /** More ranks than out_proj has rows: what adapters do together is of one rank all the same. */
  @Test
  void anAttentionIsAlignedOfAnyRanks() throws IOException {
    List<double[][]> changes = new ArrayList<>();
    try (Opened opened = new Opened()) {
      List<LoraAdapter> adapters = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        double[][] a = Oracle.gaussian(3, 4, 10 + i);
        double[][] b = Oracle.gaussian(4, 3, 20 + i);
        Adapters.put(tensors, "att", Oracle.gaussian(3, 4, 30 + i), Oracle.gaussian(12, 3, 40 + i));
        Adapters.put(tensors, "att.base_layer.out_proj", a, b);
        changes.add(Oracle.multiply(b, a));
        Path path =
            Adapters.write(folder.resolve("in" + i), "\"lora_alpha\": 3, \"r\": 3", tensors);
        adapters.add(opened.add(LoraAdapter.open(path)));
      }
      Path path = folder.resolve("aligned");
      // The right vectors of the second adapter are those of what it does.
      LoraSum.aligned(
              adapters, (parts, ws) -> Matrix.of(parts.get(1).asTensor().to(DType.F64, ws)), 0, 1)
          .write(path, DType.F32, false, WS);
      LoraAdapter written = opened.add(LoraAdapter.open(path));
      assertThat(written.layers().get("att.in_proj_weight").rank()).isEqualTo(6);
      Map<String, Tensor> zeros =
          Map.of(
              "att.in_proj_weight", Tensor.zeros(DType.F64, 12, 4),
              "att.out_proj.weight", Tensor.zeros(DType.F64, 4, 4));
      try (Tensor found =
          written.fold(MemoryCheckpoint.of(zeros)).read("att.out_proj.weight", WS)) {
        assertThat(distance(Matrix.of(found).toArray(), changes.get(1))).isLessThan(1e-5);
      }
    }
  }

  /** Of equal shapes only the kinds tell what is wrong. */
  @Test
  void anEmbeddingAndALinearLayerHaveNoSum() {
    LoraAdapter.Settings one = new LoraAdapter.Settings("one", "", 1, 1, false);
    LoraAdapter.Settings two = new LoraAdapter.Settings("two", "", 1, 1, false);
    Map<String, Tensor> embedding =
        Map.of(
            "base_model.model.m.lora_embedding_A", Tensor.zeros(DType.F32, 1, 5),
            "base_model.model.m.lora_embedding_B", Tensor.zeros(DType.F32, 3, 1));
    Map<String, Tensor> linear =
        Map.of(
            LoraAdapter.nameOfA("m"), Tensor.zeros(DType.F32, 1, 5),
            LoraAdapter.nameOfB("m"), Tensor.zeros(DType.F32, 3, 1));
    List<LoraAdapter> both =
        List.of(
            LoraAdapter.of(one, MemoryCheckpoint.of(embedding)),
            LoraAdapter.of(two, MemoryCheckpoint.of(linear)));
    assertThatThrownBy(() -> LoraSum.exact(both, List.of(1.0, 1.0)))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("'m' is an embedding [3, 5] in one and a linear layer [3, 5] in two");
  }

  @Test
  void sumsAreViews() throws IOException {
    try (LoraAdapter adapter = LoraAdapter.open(Adapters.fixture("plain"));
        LoraAdapter other = LoraAdapter.open(Adapters.fixture("other"))) {
      Checkpoint sum = LoraSum.ofRank(List.of(adapter, other), List.of(0.7, -0.4), 2).tensors();
      for (String name : sum.tensors().keySet()) {
        try (Tensor whole = sum.read(name, WS);
            Tensor part = Tensor.allocate(DType.F32, whole.size() - 1)) {
          sum.readRange(name, 1, whole.size(), part, WS);
          byte[] bytes = Models.bytes(whole);
          assertThat(Models.bytes(part))
              .isEqualTo(java.util.Arrays.copyOfRange(bytes, 4, bytes.length));
        }
        assertThat(sum.cost(name).reads()).isPositive();
      }
    }
  }
}
