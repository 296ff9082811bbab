// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Draw;
import org.merganser.testing.Oracle;

/** Adapters for tests: those that PEFT wrote (fixtures/peft/make.py), and made here. */
public final class Adapters {
  private Adapters() {}

  static Path fixture(String name) {
    try {
      return Path.of(Adapters.class.getResource("/fixtures/peft/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * A folder with an adapter.
   *
   * @param settings JSON, such as {@code "r": 2, "lora_alpha": 4}
   */
  public static Path write(Path folder, String settings, Map<String, Tensor> tensors)
      throws IOException {
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("adapter_config.json"), "{\"peft_type\": \"LORA\", " + settings + "}");
    Map<String, Tensor> named = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> named.put("base_model.model." + name, tensor));
    Safetensors.write(MemoryCheckpoint.of(named), folder.resolve("adapter_model.safetensors"), WS);
    return folder;
  }

  /** Factors of a module, F32. */
  public static void put(Map<String, Tensor> tensors, String module, double[][] a, double[][] b) {
    tensors.put(module + ".lora_A.weight", tensor(DType.F32, a));
    tensors.put(module + ".lora_B.weight", tensor(DType.F32, b));
  }

  public static Tensor tensor(DType type, double[][] rows) {
    try (Tensor flat = Tensor.of(type, Oracle.flat(rows), WS);
        Tensor host = flat.toHost(WS)) {
      return host.reshape(rows.length, rows[0].length).copy();
    }
  }

  /**
   * As training makes it, for the base of the fixtures: linear layers and a convolution, rsLoRA.
   */
  public static LoraAdapter trained() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    put(tensors, "layers.0.q", Oracle.gaussian(2, 8, 1), Oracle.gaussian(8, 2, 2));
    put(tensors, "layers.1.up", Oracle.gaussian(2, 8, 3), Oracle.gaussian(20, 2, 4));
    try (Tensor a = tensor(DType.F32, Oracle.gaussian(2, 18, 5));
        Tensor b = tensor(DType.F32, Oracle.gaussian(6, 2, 6))) {
      tensors.put("conv.lora_A.weight", a.reshape(2, 3, 2, 3).copy());
      tensors.put("conv.lora_B.weight", b.reshape(6, 2, 1, 1).copy());
    }
    Map<String, Tensor> named = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> named.put("base_model.model." + name, tensor));
    LoraAdapter.Settings settings = new LoraAdapter.Settings("trained", "lab/base", 2, 3.5, true);
    return LoraAdapter.of(settings, MemoryCheckpoint.of(named));
  }

  /** A view with an adapter of rank 2 in the weights of some modules. */
  public static Checkpoint fold(Checkpoint base, String... modules) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String module : modules) {
      long[] shape = base.info(module + ".weight").dims();
      long[] ofB = new long[shape.length];
      Arrays.fill(ofB, 1);
      ofB[0] = shape[0];
      ofB[1] = 2;
      shape[0] = 2;
      tensors.put(module + ".lora_A.weight", gaussian(shape));
      tensors.put(module + ".lora_B.weight", gaussian(ofB));
    }
    try {
      Path folder = Files.createTempDirectory("adapter");
      LoraAdapter adapter = LoraAdapter.open(write(folder, "\"r\": 2, \"lora_alpha\": 3", tensors));
      // Whoever has a file open keeps it.
      for (Path file : adapter.files()) {
        Files.delete(file);
      }
      Files.delete(folder);
      return adapter.fold(base);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Factors in F64 of any rank for some of the weights of a base, at least one: linear layers and
   * convolutions, not transposed.
   */
  public static Path random(Path folder, Checkpoint base, Draw draw) throws IOException {
    int rank = draw.integer(1, 5);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : base.tensors().keySet()) {
      long[] ofA = base.info(name).dims();
      if (ofA.length > 1 && (tensors.isEmpty() || draw.of(false, true))) {
        long[] ofB = new long[ofA.length];
        Arrays.fill(ofB, 1);
        ofB[0] = ofA[0];
        ofB[1] = rank;
        ofA[0] = rank;
        String module = name.substring(0, name.length() - ".weight".length());
        tensors.put(module + ".lora_A.weight", gaussian(draw, ofA));
        tensors.put(module + ".lora_B.weight", gaussian(draw, ofB));
      }
    }
    String settings = "\"r\": %d, \"lora_alpha\": %d".formatted(rank, draw.integer(1, 8));
    return write(folder, settings, tensors);
  }

  private static Tensor gaussian(Draw draw, long... shape) {
    double[] values = new double[(int) Tensor.size(shape)];
    Arrays.setAll(values, i -> draw.random().nextGaussian());
    return Tensor.of(values, shape);
  }

  private static Tensor gaussian(long... shape) {
    try (Tensor flat =
        tensor(DType.F32, Oracle.gaussian(1, (int) Tensor.size(shape), shape.length))) {
      return flat.reshape(shape).copy();
    }
  }
}
