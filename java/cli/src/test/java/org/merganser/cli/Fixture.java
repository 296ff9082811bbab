// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/**
 * Small checkpoints {@code fc1 [6 x 4]}, ReLU, {@code fc2 [3 x 6]} with their activations: {@code
 * a}, {@code b} with the features of {@code a} in another order, and {@code c} on its own.
 */
final class Fixture {
  static final int HIDDEN = 6;
  static final int IN = 4;
  static final int OUT = 3;
  static final int SAMPLES = 200;

  /** Feature r of b is this feature of a. */
  static final int[] ORDER = {3, 0, 5, 1, 4, 2};

  final Path folder;

  Fixture(Path folder) throws IOException {
    this.folder = folder;
    float[] inputs = normal(1, SAMPLES * IN);
    Map<String, float[]> a = random(2);
    write("a", a, inputs);
    write("b", permuted(a), inputs);
    write("c", random(3), inputs);
  }

  Path model(String name) {
    return folder.resolve(name + ".safetensors");
  }

  Path activations(String name) {
    return folder.resolve("acts-" + name);
  }

  Path path(String name) {
    return folder.resolve(name);
  }

  static Map<String, float[]> random(long seed) {
    Map<String, float[]> values = new LinkedHashMap<>();
    values.put("fc1.weight", normal(10 * seed, HIDDEN * IN));
    values.put("fc1.bias", normal(10 * seed + 1, HIDDEN));
    values.put("fc2.weight", normal(10 * seed + 2, OUT * HIDDEN));
    values.put("fc2.bias", normal(10 * seed + 3, OUT));
    return values;
  }

  private static Map<String, float[]> permuted(Map<String, float[]> a) {
    Map<String, float[]> b = new LinkedHashMap<>();
    a.forEach((name, values) -> b.put(name, values.clone()));
    for (int r = 0; r < HIDDEN; r++) {
      System.arraycopy(a.get("fc1.weight"), ORDER[r] * IN, b.get("fc1.weight"), r * IN, IN);
      b.get("fc1.bias")[r] = a.get("fc1.bias")[ORDER[r]];
      for (int o = 0; o < OUT; o++) {
        b.get("fc2.weight")[o * HIDDEN + r] = a.get("fc2.weight")[o * HIDDEN + ORDER[r]];
      }
    }
    return b;
  }

  private void write(String name, Map<String, float[]> values, float[] inputs) throws IOException {
    model(name, tensors(values));
    float[] hidden = new float[SAMPLES * HIDDEN];
    for (int s = 0; s < SAMPLES; s++) {
      for (int f = 0; f < HIDDEN; f++) {
        float sum = values.get("fc1.bias")[f];
        for (int i = 0; i < IN; i++) {
          sum += values.get("fc1.weight")[f * IN + i] * inputs[s * IN + i];
        }
        hidden[s * HIDDEN + f] = Math.max(0, sum);
      }
    }
    activations(name, hidden, SAMPLES, HIDDEN);
  }

  /**
   * Writes two models of layers of one width with ReLU between them, the second with the hidden
   * features of the first reversed, and their activations.
   */
  void square(String first, String second, int width, int samples, String... layers)
      throws IOException {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (int k = 0; k < layers.length; k++) {
      values.put(layers[k] + ".weight", normal(100 + k, width * width));
      values.put(layers[k] + ".bias", normal(200 + k, width));
    }
    for (String model : new String[] {first, second}) {
      boolean reverse = model.equals(second);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      Files.createDirectories(activations(model));
      float[] h = normal(300, samples * width);
      for (int k = 0; k < layers.length; k++) {
        boolean last = k + 1 == layers.length;
        float[] weight =
            reversed(values.get(layers[k] + ".weight"), width, reverse && !last, reverse && k > 0);
        float[] bias = reversed(values.get(layers[k] + ".bias"), 1, reverse && !last, false);
        tensors.put(layers[k] + ".weight", Tensor.of(weight, width, width));
        tensors.put(layers[k] + ".bias", Tensor.of(bias, width));
        float[] next = new float[samples * width];
        for (int i = 0; i < next.length; i++) {
          float sum = bias[i % width];
          for (int j = 0; j < width; j++) {
            sum += weight[i % width * width + j] * h[i / width * width + j];
          }
          next[i] = last ? sum : Math.max(0, sum);
        }
        h = next;
        try (Tensor acts = Tensor.of(h, samples, width)) {
          Npy.write(acts, activations(model).resolve(layers[k] + ".npy"));
        }
      }
      model(model, tensors);
    }
  }

  private static float[] reversed(float[] values, int columns, boolean rows, boolean within) {
    float[] result = new float[values.length];
    int count = values.length / columns;
    for (int i = 0; i < values.length; i++) {
      int row = rows ? count - 1 - i / columns : i / columns;
      int column = within ? columns - 1 - i % columns : i % columns;
      result[i] = values[row * columns + column];
    }
    return result;
  }

  static Map<String, Tensor> tensors(Map<String, float[]> values) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("fc1.weight", Tensor.of(values.get("fc1.weight"), HIDDEN, IN));
    tensors.put("fc1.bias", Tensor.of(values.get("fc1.bias"), HIDDEN));
    tensors.put("fc2.weight", Tensor.of(values.get("fc2.weight"), OUT, HIDDEN));
    tensors.put("fc2.bias", Tensor.of(values.get("fc2.bias"), OUT));
    return tensors;
  }

  /** Writes a checkpoint. */
  Path model(String name, Map<String, Tensor> tensors) throws IOException {
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint checkpoint = MemoryCheckpoint.of(tensors)) {
      Safetensors.write(checkpoint, model(name), ws);
    }
    return model(name);
  }

  /** Writes {@code fc1.npy} into a folder of its own. */
  Path activations(String name, float[] values, long... shape) throws IOException {
    Files.createDirectories(activations(name));
    try (Tensor tensor = Tensor.of(values, shape)) {
      Npy.write(tensor, activations(name).resolve("fc1.npy"));
    }
    return activations(name);
  }

  /** Writes bytes as {@code fc1.npy} into a folder of its own. */
  Path rawActivations(String name, byte[] bytes) throws IOException {
    Files.createDirectories(activations(name));
    Files.write(activations(name).resolve("fc1.npy"), bytes);
    return activations(name);
  }

  /** All values of a file, by name. */
  static Map<String, float[]> read(Path path) throws IOException {
    Map<String, float[]> found = new LinkedHashMap<>();
    try (Workspace ws = Workspace.builder().threads(1).open();
        Checkpoint checkpoint = Safetensors.open(path)) {
      for (String name : checkpoint.tensors().keySet()) {
        try (Tensor tensor = checkpoint.read(name, ws)) {
          found.put(name, tensor.toFloatArray());
        }
      }
    }
    return found;
  }

  static float[] normal(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Files that a failed command may have left half-written. */
  static boolean hasPartial(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.anyMatch(file -> file.toString().endsWith(".partial"));
    }
  }
}
