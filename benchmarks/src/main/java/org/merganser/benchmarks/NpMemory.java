// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.NpMerger;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.objective.TorchObjective;

/**
 * Peak resident memory of NP Merge in bytes a parameter, on a perceptron of 52 million parameters
 * whose activations are small; the models are files. Linux only: reads {@code /proc/self/status}.
 */
public final class NpMemory {
  private static final int WIDTH = 4096;
  private static final int SAMPLES = 64;

  private NpMemory() {}

  /** Prints the resident memory before, the peak, and the difference over the parameters. */
  public static void main(String[] args) throws IOException {
    TorchNetwork network = TorchNetwork.mlp(128, WIDTH, 4, 10, Activation.RELU);
    Path folder = Files.createTempDirectory("merganser-np-memory");
    try (Workspace ws = Workspace.builder().threads(1).open()) {
      for (int k = 0; k < 2; k++) {
        try (MemoryCheckpoint model = network.initialise(k)) {
          Safetensors.write(model, folder.resolve(k + ".safetensors"), ws);
        }
      }
      try (Examples data = RandomExamples.of(SAMPLES, 128, 10);
          Checkpoint a = Safetensors.open(folder.resolve("0.safetensors"));
          Checkpoint c = Safetensors.open(folder.resolve("1.safetensors"))) {
        TorchObjective objective =
            TorchObjective.of(
                network,
                data,
                TorchObjective.Options.defaults().withHeldOut(.25).withBatchSize(16));
        // What libtorch and the JVM need in any case.
        try (var session = objective.open(ws)) {
          session.lossAndGradient(0);
        }
        System.gc();
        Files.writeString(Path.of("/proc/self/clear_refs"), "5");
        long before = status("VmRSS");
        NpMerger.Options options = NpMerger.Options.defaults().withSteps(4).withEvalEvery(1);
        try (NpMerger.Result learned =
            NpMerger.of(objective, options).learn(MergeProblem.of(List.of(a, c)), ws)) {
          long peak = status("VmHWM");
          System.out.printf(
              Locale.ROOT,
              "%d parameters, before %.0f MB, peak %.0f MB: %.1f bytes a parameter (best step %d)%n",
              network.size(),
              1e-6 * before,
              1e-6 * peak,
              (double) (peak - before) / network.size(),
              learned.bestStep());
        }
      }
    } finally {
      Files.deleteIfExists(folder.resolve("0.safetensors"));
      Files.deleteIfExists(folder.resolve("1.safetensors"));
      Files.deleteIfExists(folder);
    }
  }

  private static long status(String key) throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith(key + ":"))
        .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow(() -> new IOException("no " + key + " in /proc/self/status"));
  }
}
