// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Cancellation;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.FormatException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.testing.JavaObjective;
import org.merganser.testing.JavaObjective.Value;

/** NP Merge that is stopped and goes on from its state file. */
class NpResumeTest {
  private static final Workspace WS = Workspace.open();
  private static final float[] A = {1, -1, .5f};
  private static final float[] C = {0, 1, .5f};
  private static final float[] G = {.2f, -.4f, 1};

  @TempDir Path folder;

  private static MemoryCheckpoint model(float... values) {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(values, values.length)));
  }

  @Test
  void cancelledAndGoneOnEqualsUninterrupted() throws IOException {
    Path state = folder.resolve("run.npstate");
    float[] target = {.9f, .25f, .5f};
    for (NpMerger.Optimizer optimizer :
        List.of(
            new NpMerger.Optimizer.Adam(.05),
            new NpMerger.Optimizer.Sgd(.1, .9),
            new NpMerger.Optimizer.Sgd(.1, 0))) {
      NpMerger.Options options =
          NpMerger.Options.defaults()
              .withOptimizer(optimizer)
              .withSteps(60)
              .withEvalEvery(4)
              .withPatience(100);
      JavaObjective plain = JavaObjective.distance(target).heldOut(theta -> theta[0][1]);
      MergeProblem problem = MergeProblem.of(model(A), model(C));
      NpMerger.Result whole = NpMerger.of(plain, options).learn(problem, WS);
      NpMerger.Options resumable = options.withState(state);
      Cancellation cancellation = new Cancellation();
      JavaObjective cancelling =
          JavaObjective.of(
              Map.of("w", new long[] {3}),
              (step, theta) -> {
                if (step == 31) {
                  cancellation.cancel();
                }
                float[] g = new float[3];
                double loss = 0;
                for (int i = 0; i < 3; i++) {
                  g[i] = theta[0][i] - target[i];
                  loss += g[i] * g[i] / 2;
                }
                return new Value(loss, new float[][] {g});
              });
      cancelling.heldOut(theta -> theta[0][1]);
      try (Workspace stopped = Workspace.builder().cancellation(cancellation).open()) {
        assertThatThrownBy(() -> NpMerger.of(cancelling, resumable).learn(problem, stopped))
            .isInstanceOf(CancelledException.class)
            .hasMessage(
                "cancelled after step 32 of 60; its state is in "
                    + state
                    + ", and the same call goes on from there");
      }
      assertThat(state).exists();
      NpMerger.Result rest = NpMerger.of(plain, resumable).learn(problem, WS);
      assertThat(rest.model().tensor("w").sameBytes(whole.model().tensor("w"))).isTrue();
      assertThat(rest.losses()).isEqualTo(whole.losses());
      assertThat(rest.heldOut()).isEqualTo(whole.heldOut());
      assertThat(rest.bestStep()).isEqualTo(whole.bestStep());
      assertThat(state).doesNotExist();
    }
  }

  /** The evaluation that was due is made when the run goes on. */
  @Test
  void cancelledWhileLookingAndGoneOnEqualsUninterrupted() throws IOException {
    NpMerger.Options options =
        NpMerger.Options.defaults().withSteps(12).withEvalEvery(4).withPatience(100);
    JavaObjective plain = JavaObjective.distance(G).heldOut(theta -> theta[0][1]);
    MergeProblem problem = MergeProblem.of(model(A), model(C));
    NpMerger.Result whole = NpMerger.of(plain, options).learn(problem, WS);
    NpMerger.Options resumable = options.withState(folder.resolve("evaluating.npstate"));
    int[] evaluations = new int[1];
    JavaObjective stopping =
        JavaObjective.distance(G)
            .heldOut(
                theta -> {
                  if (evaluations[0]++ == 2) {
                    throw new CancelledException("cancelled");
                  }
                  return theta[0][1];
                });
    assertThatThrownBy(() -> NpMerger.of(stopping, resumable).learn(problem, WS))
        .isInstanceOf(CancelledException.class)
        .hasMessageStartingWith("cancelled after step 8 of 12");
    NpMerger.Result rest = NpMerger.of(plain, resumable).learn(problem, WS);
    assertThat(rest.heldOut()).isEqualTo(whole.heldOut()).hasSize(4);
    assertThat(rest.model().tensor("w").sameBytes(whole.model().tensor("w"))).isTrue();
  }

  @Test
  void aStateOfAnotherRunIsRefused() throws IOException {
    Path state = folder.resolve("run.npstate");
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    NpMerger.Options options = NpMerger.Options.defaults().withState(state);
    JavaObjective objective = JavaObjective.distance(G);
    try (Workspace stopped = Workspace.builder().cancellation(cancellation).open()) {
      // Reading the models is refused already: nothing is left behind.
      assertThatThrownBy(
              () ->
                  NpMerger.of(objective, options)
                      .learn(MergeProblem.of(model(A), model(C)), stopped))
          .isInstanceOf(CancelledException.class);
    }
    Files.write(state, new byte[] {8, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' ', ' ', ' ', ' ', ' '});
    assertThatThrownBy(
            () -> NpMerger.of(objective, options).learn(MergeProblem.of(model(A), model(C)), WS))
        .hasMessage(
            state + ": no state of NP Merge; name another file, or delete this one to start anew");
  }

  /** What is in a state file is not believed: sizes, counts and numbers are checked before use. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "size | damaged: tensor 'z.w' is F32 [1], needed F32 [3]",
        "long | damaged: tensor 'm.w' is F32 [300000], needed F32 [3]",
        "type | damaged: tensor 'v.w' is F64 [3], needed F32 [3]",
        "gone | damaged: tensor 'v.w' is missing, needed F32 [3]",
        "nan | damaged: np_load: element 0 of slot 0 is",
        "steps | damaged: 14 losses, but a run of 10 steps",
        "evaluation | damaged: an evaluation on held-out data after step 9 of 4",
        "best | damaged: tensor 'best.w' is missing, needed F32 [3]",
        "word | damaged: numbers of its history cannot be read",
        "version | state of NP Merge of version 1, read is 2; name another file, or"
      })
  void aDamagedStateIsRefused(String how, String message) throws IOException {
    Path state = folder.resolve("damaged.npstate");
    NpMerger.Options options = NpMerger.Options.defaults().withSteps(10).withState(state);
    MergeProblem problem = MergeProblem.of(model(A), model(C));
    Cancellation cancellation = new Cancellation();
    JavaObjective stopping =
        JavaObjective.of(
            Map.of("w", new long[] {3}),
            (step, theta) -> {
              if (step == 3) {
                cancellation.cancel();
              }
              return new JavaObjective.Value(1, new float[][] {{.1f, .1f, .1f}});
            });
    try (Workspace ws = Workspace.builder().cancellation(cancellation).open()) {
      assertThatThrownBy(() -> NpMerger.of(stopping, options).learn(problem, ws))
          .isInstanceOf(CancelledException.class);
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Map<String, String> metadata;
    try (Checkpoint file = Safetensors.open(state)) {
      for (String name : file.tensors().keySet()) {
        tensors.put(name, file.read(name, WS));
      }
      metadata = new TreeMap<>(file.metadata());
    }
    switch (how) {
      case "size" -> tensors.put("z.w", Tensor.of(new float[1], 1));
      case "long" -> tensors.put("m.w", Tensor.of(new float[300_000], 300_000));
      case "type" -> tensors.put("v.w", Tensor.of(new double[3], 3));
      case "gone" -> tensors.remove("v.w");
      case "nan" -> tensors.put("z.w", Tensor.of(new float[] {Float.NaN, 0, 0}, 3));
      case "steps" -> metadata.merge("losses", " 1 1 1 1 1 1 1 1 1 1", String::concat);
      case "evaluation" -> metadata.put("heldOut", "9:1.0");
      case "version" -> metadata.put("merganser.np-merge", "1");
      case "best" -> metadata.put("heldOut", "2:1.0");
      default -> metadata.put("heldOut", "2;1.0");
    }
    Files.delete(state);
    Safetensors.write(MemoryCheckpoint.of(tensors), metadata, state, WS);
    assertThatThrownBy(() -> NpMerger.of(JavaObjective.distance(G), options).learn(problem, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(state + ": " + message)
        .hasMessageMatching(".*delete (it|this one) to start anew");
  }
}
