// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.ExpertTask;
import org.merganser.lab.data.ExpertTasks;
import org.merganser.lab.data.SyntheticTasks;
import org.merganser.lab.data.TaskSizes;
import org.merganser.linalg.Tensor;
import org.merganser.merge.EmrMerger;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.Merger.Importance;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;
import org.merganser.torch.objective.FisherDiagonal;

/** Which mergers take part in {@link UndertrainingExperiment}, and what they are given. */
class ExpertMethodsTest {
  private static final int IN = 48;
  private static final int HIDDEN = 7;

  private static final int EXPERTS = 6;

  /** Those of fewer or more models, and what needs a loss. */
  private static List<String> noPart() {
    return Catalogue.mergers().entries().stream()
        .filter(
            entry -> {
              Merger.Needs needs = entry.method().needs();
              return needs.objective() || needs.fewest() > EXPERTS || needs.most() < EXPERTS;
            })
        .map(Catalogue.Entry::id)
        .toList();
  }

  /** Whatever the catalogue has takes part, or is refused with its name and what it needs. */
  @Test
  void everyMergerOfTheCatalogueTakesPartOrSaysWhyNot() throws IOException {
    List<String> all = new ArrayList<>(Catalogue.mergers().ids());
    assertThat(noPart()).contains("slerp", "np-merge");
    for (String id : noPart()) {
      assertThatThrownBy(() -> ExpertMethods.of(id, EXPERTS, 0))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith(
              "methods: " + id + " needs " + Catalogue.mergers().entry(id).method().requires());
    }
    all.removeAll(noPart());
    Map<String, String> tiny =
        new HashMap<>(
            Map.of("train", "30", "held-out", "20", "test", "20", "base-steps", "3", "steps", "3"));
    tiny.putAll(Map.of("batch", "8", "rank", "2", "noise", "0", "hidden", "9:8"));
    tiny.putAll(Map.of("experts", "full:lora", "methods", String.join(",", all)));
    UndertrainingExperiment.Options options =
        Settings.of(UndertrainingExperiment.Options.defaults()).parse("", tiny);
    try (Workspace ws = Workspace.builder().threads(2).open()) {
      ExperimentResult result = new UndertrainingExperiment(options).run(ws);
      for (String form : List.of("full", "lora")) {
        for (String id : all) {
          assertThat(result.row("noise-0.0-" + form + "-3+" + id).accuracy())
              .as(id)
              .isBetween(0.0, 1.0);
        }
      }
    }
  }

  /** The usual ones are of the catalogue and fit. */
  @Test
  void theUsualMethodsFit() throws IOException {
    assertThat(ExpertMethods.USUAL).isEqualTo(String.join(",", ExpertMethods.KINDS));
    ExpertMethods usual = ExpertMethods.of(ExpertMethods.USUAL, 6, 0);
    try (Workspace ws = Workspace.builder().threads(1).open();
        ExpertTasks tasks = SyntheticTasks.draw(new TaskSizes(10, 30, 10, 10), 0, 1)) {
      usual.check(network(), tasks.tasks(), ws);
    }
    assertThat(usual.named().keySet())
        .map(name -> Catalogue.mergers().id(name))
        .doesNotContainAnyElementsOf(noPart())
        .contains("linear", "task-arithmetic", "ties", "fisher");
  }

  private static ExpertNetwork network() {
    return ExpertNetwork.of(ExpertArchitecture.MLP, List.of(HIDDEN, 5), 8, IN);
  }

  /** A model of one of the tasks is made for each task. */
  @Test
  void emrMakesTheModelOfEachTask() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Opened opened = new Opened()) {
      List<MemoryCheckpoint> models = new ArrayList<>();
      for (int seed = 0; seed < 4; seed++) {
        models.add(opened.add(network().network().initialise(seed)));
      }
      List<MemoryCheckpoint> experts = models.subList(1, 4);
      ExpertMethods.Way way = ExpertMethods.of("emr", 3, 0).named().get("emr").get(0);
      List<MemoryCheckpoint> merged = way.merge(models.get(0), experts, List.of(), ws);
      merged.forEach(opened::add);
      assertThat(merged).hasSize(3);
      MergeProblem problem = MergeProblem.of(experts).withBase(models.get(0));
      for (int t = 0; t < 3; t++) {
        Checkpoint wanted = EmrMerger.of(new EmrMerger.Options(t)).merge(problem, ws);
        assertSame(merged.get(t), wanted, ws);
      }
      // One that is named is taken for all.
      assertThat(ExpertMethods.of("emr:task=1", 3, 0).named().get("emr").get(0).mergers())
          .singleElement()
          .satisfies(m -> assertThat(m.options()).isEqualTo(new EmrMerger.Options(1)));
    }
  }

  private static void assertSame(Checkpoint found, Checkpoint wanted, Workspace ws)
      throws IOException {
    assertThat(found.tensors()).isEqualTo(wanted.tensors());
    for (String name : wanted.tensors().keySet()) {
      try (Tensor one = found.read(name, ws);
          Tensor other = wanted.read(name, ws)) {
        assertThat(one.sameBytes(other)).as(name).isTrue();
      }
    }
  }

  /** Of each expert on the training examples of its own task, without the last layer. */
  @Test
  void importancesAreThoseOfTheOwnTask() throws IOException {
    ExpertNetwork network = network();
    TaskSizes sizes = new TaskSizes(10, 30, 10, 10);
    try (Workspace ws = Workspace.builder().threads(1).seed(5).open();
        ExpertTasks tasks = SyntheticTasks.draw(sizes, 0, 1);
        Opened opened = new Opened()) {
      List<ExpertTask> two = tasks.tasks().subList(0, 2);
      List<Checkpoint> models = new ArrayList<>();
      for (int seed = 0; seed < 2; seed++) {
        models.add(opened.add(network.network().initialise(seed)));
      }
      ExpertImportances importances = opened.add(new ExpertImportances(network, two, models));
      assertThat(importances.of(Importance.NONE, ws)).isEmpty();
      List<Checkpoint> fisher = importances.of(Importance.FISHER, ws);
      List<Checkpoint> grams = importances.of(Importance.GRAM, ws);
      assertThat(importances.of(Importance.FISHER, ws)).isSameAs(fisher);
      FisherDiagonal.Options drawn =
          FisherDiagonal.Options.defaults().withLabels(FisherDiagonal.Labels.DRAWN);
      for (int t = 0; t < 2; t++) {
        Checkpoint wanted =
            opened.add(
                FisherDiagonal.of(network.network(), models.get(t), two.get(t).train(), drawn, ws));
        assertSame(fisher.get(t), wanted.where(name -> !network.isHead(name)), ws);
        assertThat(grams.get(t).tensors()).containsOnlyKeys("fc1.weight", "fc2.weight");
        double[][] x = rows(two.get(t).train().inputs(), IN);
        assertProducts(grams.get(t), "fc1.weight", x, ws);
        assertProducts(grams.get(t), "fc2.weight", hidden(models.get(t), x, ws), ws);
      }
    }
  }

  private static double[][] rows(Tensor tensor, int columns) {
    double[] flat = tensor.toDoubleArray();
    double[][] rows = new double[flat.length / columns][columns];
    for (int i = 0; i < flat.length; i++) {
      rows[i / columns][i % columns] = flat[i];
    }
    return rows;
  }

  private static double[][] hidden(Checkpoint model, double[][] x, Workspace ws)
      throws IOException {
    try (Tensor weight = model.read("fc1.weight", ws);
        Tensor bias = model.read("fc1.bias", ws)) {
      double[][] h = new double[x.length][HIDDEN];
      for (int i = 0; i < x.length; i++) {
        for (int o = 0; o < HIDDEN; o++) {
          double sum = bias.get(o);
          for (int f = 0; f < IN; f++) {
            sum += weight.get((long) o * IN + f) * x[i][f];
          }
          h[i][o] = Math.max(0, sum);
        }
      }
      return h;
    }
  }

  private static void assertProducts(Checkpoint grams, String name, double[][] x, Workspace ws)
      throws IOException {
    int n = x[0].length;
    assertThat(grams.info(name).shape()).containsExactly((long) n, (long) n);
    try (Tensor found = grams.read(name, ws)) {
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          double sum = 0;
          for (double[] row : x) {
            sum += row[i] * row[j];
          }
          assertThat(found.get((long) i * n + j)).isCloseTo(sum, within(1e-3));
        }
      }
    }
  }

  @Test
  void methodsThatNeedMoreAreRefused() {
    assertThatThrownBy(() -> ExpertMethods.of("linear,nonsense", 4, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("no merger 'nonsense'; there are linear, ");
    assertThatThrownBy(() -> ExpertMethods.of("slerp", 4, 0))
        .hasMessageContaining("here are 4 experts");
    assertThatThrownBy(() -> ExpertMethods.of("linear,linear", 4, 0))
        .hasMessage("methods: linear is there twice in linear,linear; name each once");
  }

  /** Several settings of another kind are no choice of lambda. */
  @Test
  void aLambdaIsChosenWhereSeveralAreTried() {
    ExpertMethods density = ExpertMethods.of("linear,ties:density=0.2/0.5,lambda=1", 3, 0);
    assertThat(density.named().get("ties")).hasSize(2);
    assertThat(density.choosesLambda("ties")).isFalse();
    assertThat(density.weighed()).isEmpty();
    ExpertMethods both =
        ExpertMethods.of("dare-linear:density=0.2/0.5,ties:density=0.2/0.5,lambda=0.5/1", 3, 0);
    assertThat(both.choosesLambda("dare-linear")).isFalse();
    assertThat(both.choosesLambda("ties")).isTrue();
    assertThat(both.choosesLambda("arrow")).isFalse();
    assertThat(both.weighed()).containsExactly("ties");
  }

  /** With a lambda or without, under the names of tables. */
  @Test
  void weightsAreChosenOfTheMethodsNamed() {
    String texts =
        "linear,karcher,task-arithmetic:lambda=0.3,task-arithmetic:lambda=0.1/1,emr,"
            + "ties:density=0.2,lambda=0.5/1,dare-linear:weights=1:2:3,lambda=1";
    assertThat(ExpertMethods.of(texts, 3, 0).weighed()).containsExactly("task-arithmetic");
    assertThat(
            ExpertMethods.of(texts, Optional.of("ties,linear,task-arithmetic:lambda=0.3"), 3, 0)
                .weighed())
        .containsExactly("ties", "linear", "task-arithmetic:lambda=0.3");
    String takers =
        "; of those that are tried, weights can be chosen for linear, task-arithmetic:lambda=0.3,"
            + " task-arithmetic, ties";
    Map.of(
            "emr", "takes none, or has some already",
            "dare-linear", "takes none, or has some already",
            "fisher", "is not among the methods")
        .forEach(
            (name, why) ->
                assertThatThrownBy(() -> ExpertMethods.of(texts, Optional.of(name), 3, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("weights: " + name + " " + why + takers));
  }

  /** Whatever its name in tables is. */
  @Test
  void whatIsFixedIsTaskArithmeticOfOneSetting() {
    assertThat(ExpertMethods.of("linear,task-arithmetic:lambda=0.3", 3, 0).fixed())
        .isEqualTo("task-arithmetic");
    assertThat(
            ExpertMethods.of("task-arithmetic:lambda=0.1/1,task-arithmetic:lambda=0.3", 3, 0)
                .fixed())
        .isEqualTo("task-arithmetic:lambda=0.3");
    assertThat(ExpertMethods.of("linear,task-arithmetic:lambda=0.1/1", 3, 0).fixed()).isNull();
  }

  @Test
  void lambdaIsWhatTaskArithmeticMultipliesEachTaskVectorBy() {
    ExpertMethods methods =
        ExpertMethods.of("linear,task-arithmetic:lambda=0.3,task-arithmetic:lambda=0.1/1", 3, 0);
    assertThat(methods.named().keySet())
        .containsExactly("linear", "task-arithmetic:lambda=0.3", "task-arithmetic");
    assertThat(methods.named().get("task-arithmetic"))
        .extracting(ExpertMethods.Way::settings)
        .containsExactly("lambda=0.1", "lambda=1");
    assertThat(
            methods.named().get("task-arithmetic:lambda=0.3").get(0).merger().options().toString())
        .contains("weights=[1.0, 1.0, 1.0]", "lambda=0.3");
  }

  /** Of every experiment seed other elements, of one seed the same at every length. */
  @Test
  void whatIsDrawnIsOfTheSeed() throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        Opened opened = new Opened()) {
      List<MemoryCheckpoint> models = new ArrayList<>();
      for (int seed = 0; seed < 4; seed++) {
        models.add(opened.add(network().network().initialise(seed)));
      }
      for (String id : List.of("dare-linear", "dare-ties", "della", "della-linear")) {
        assertDrawnOf(id + ":density=0.5,lambda=0.3", false, models, ws);
        assertDrawnOf(id + ":density=0.5,seed=7", true, models, ws);
      }
    }
  }

  /**
   * @param typed whether the seed is part of the text, and of all experiment seeds the same
   */
  private static void assertDrawnOf(
      String text, boolean typed, List<MemoryCheckpoint> models, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      ExpertMethods.Way one = way(text, 1);
      MemoryCheckpoint first = opened.add(merged(one, models, ws));
      assertSame(opened.add(merged(way(text, 1), models, ws)), first, ws);
      assertThat(one.settings()).isEqualTo(text.substring(text.indexOf(':') + 1));
      ExpertMethods.Way weighed = one.with(List.of(1.0, 1.0, 1.0));
      assertSame(opened.add(merged(weighed, models, ws)), first, ws);
      MemoryCheckpoint other = opened.add(merged(way(text, 2), models, ws));
      boolean same = true;
      for (String name : first.tensors().keySet()) {
        same &= first.tensor(name).sameBytes(other.tensor(name));
      }
      assertThat(same).as(text).isEqualTo(typed);
    }
  }

  private static ExpertMethods.Way way(String text, long seed) {
    return ExpertMethods.of(text, 3, seed).named().values().iterator().next().get(0);
  }

  private static MemoryCheckpoint merged(
      ExpertMethods.Way way, List<MemoryCheckpoint> models, Workspace ws) throws IOException {
    return way.merge(models.get(0), models.subList(1, 4), List.of(), ws).get(0);
  }
}
