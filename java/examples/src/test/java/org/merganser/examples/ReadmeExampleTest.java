// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** The Java on the first screen of the README is the compiled example, and it does what it says. */
class ReadmeExampleTest {
  private static final int[] PERMUTATION = {2, 0, 3, 1};

  @Test
  void readmeShowsTheCompiledExample() throws IOException {
    Path root = Path.of(System.getProperty("merganser.root"));
    String source =
        Files.readString(
            root.resolve(
                "java/examples/src/main/java/org/merganser/examples/MergeTwoCheckpoints.java"));
    String shown =
        source
            .substring(source.indexOf("// README begin") + 15, source.indexOf("// README end"))
            .stripIndent()
            .strip();
    assertThat(unindent(Files.readString(root.resolve("README.md")))).contains(unindent(shown));
  }

  @Test
  void mergingWithAPermutedCopyGivesTheModelBackAndLeavesNoMemory(@TempDir Path folder)
      throws IOException {
    try (Workspace ws = Workspace.open();
        MemoryCheckpoint a = model(new int[] {0, 1, 2, 3});
        MemoryCheckpoint b = model(PERMUTATION)) {
      Safetensors.write(a, folder.resolve("a.safetensors"), ws);
      Safetensors.write(b, folder.resolve("b.safetensors"), ws);
      activations(folder.resolve("acts-a"), new int[] {0, 1, 2, 3});
      activations(folder.resolve("acts-b"), PERMUTATION);

      String left =
          ExampleProcess.leftBehind(
              "merge",
              folder.resolve("a.safetensors").toString(),
              folder.resolve("b.safetensors").toString(),
              folder.resolve("acts-a").toString(),
              folder.resolve("acts-b").toString(),
              folder.resolve("merged.safetensors").toString());
      assertThat(left.strip()).isEqualTo("bytes left: 0");

      try (Checkpoint merged = Safetensors.open(folder.resolve("merged.safetensors"))) {
        for (String name : a.tensors().keySet()) {
          try (Tensor found = merged.read(name, ws)) {
            assertThat(found.toDoubleArray())
                .containsExactly(a.tensor(name).toDoubleArray(), Offset.offset(1e-6));
          }
        }
      }
    }
  }

  /** A 3-4-2 network, its hidden features in the order given. */
  private static MemoryCheckpoint model(int[] order) {
    SplittableRandom random = new SplittableRandom(5);
    float[] first = gaussian(12, random);
    float[] bias = gaussian(4, random);
    float[] second = gaussian(8, random);
    float[] w1 = new float[12];
    float[] b1 = new float[4];
    float[] w2 = new float[8];
    for (int r = 0; r < 4; r++) {
      System.arraycopy(first, 3 * order[r], w1, 3 * r, 3);
      b1[r] = bias[order[r]];
      w2[r] = second[order[r]];
      w2[4 + r] = second[4 + order[r]];
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc1.weight", Tensor.of(w1, 4, 3));
    tensors.put("fc1.bias", Tensor.of(b1, 4));
    tensors.put("fc2.weight", Tensor.of(w2, 2, 4));
    tensors.put("fc2.bias", Tensor.of(new float[] {1, 2}, 2));
    return MemoryCheckpoint.of(tensors);
  }

  private static void activations(Path folder, int[] order) throws IOException {
    Files.createDirectory(folder);
    SplittableRandom random = new SplittableRandom(6);
    float[] values = new float[400 * 4];
    for (int m = 0; m < 400; m++) {
      float[] sample = gaussian(4, random);
      for (int f = 0; f < 4; f++) {
        values[4 * m + f] = sample[order[f]];
      }
    }
    try (Tensor samples = Tensor.of(values, 400, 4)) {
      Npy.write(samples, folder.resolve("fc1.npy"));
    }
  }

  private static float[] gaussian(int count, SplittableRandom random) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Indentation differs between the source and the README. */
  private static String unindent(String text) {
    return text.lines().map(String::strip).reduce("", (x, y) -> x + "\n" + y);
  }
}
