// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.internal.io.FileBytes;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.TensorInfo;
import org.merganser.lab.data.OnnxWeights;
import org.merganser.transformer.CanonicalCheckpoint;
import org.merganser.transformer.TransformerConfig;
import org.merganser.transformer.TransformerConfig.Activation;
import org.merganser.transformer.TransformerConfig.Norm;

/**
 * Models in files that transfers are planted on.
 *
 * @param encoder ONNX, or a jar with it
 */
record PlantedFiles(Optional<Path> encoder, Optional<Path> gguf) {
  /** Five copies in F64 (target, skill, both of them moved, what is run) and what was read. */
  private static final long BYTES = 6 * Double.BYTES;

  private static final int MEBI = 20;

  /** What is done with the weights of a file, while it is open. */
  @FunctionalInterface
  interface Work {
    void with(String name, TransformerConfig config, Checkpoint canonical) throws IOException;
  }

  static PlantedFiles of(SkillTransferExperiment.Options options) {
    return new PlantedFiles(options.encoder(), options.gguf());
  }

  /**
   * Reads what they are, before anything takes time.
   *
   * @return digests of the files: what findings about them depend on
   * @throws IllegalArgumentException when a model is too large for this machine
   */
  String check() throws IOException {
    long memory =
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
    long heap = Runtime.getRuntime().maxMemory();
    each((name, config, canonical) -> requireRoom(name, config, memory, heap));
    return SkillTransferExperiment.ID + " " + digest(encoder) + " " + digest(gguf);
  }

  void each(Work work) throws IOException {
    if (encoder.isPresent()) {
      TransformerConfig config = encoderConfig();
      try (Checkpoint weights = OnnxWeights.read(encoder.get())) {
        work.with("sentence encoder", config, CanonicalCheckpoint.of(weights, config));
      }
    }
    if (gguf.isPresent()) {
      try (ModelDirectory model = ModelDirectory.open(gguf.get())) {
        TransformerConfig config = TransformerConfig.ofGguf(model.checkpoint());
        work.with(
            String.valueOf(gguf.get().getFileName()),
            config,
            CanonicalCheckpoint.of(model.checkpoint(), config));
      }
    }
  }

  /**
   * @param memory bytes of this machine
   * @param heap bytes that the JVM may take of it: noise is drawn tensor by tensor there
   */
  static void requireRoom(String name, TransformerConfig config, long memory, long heap) {
    long parameters = 0;
    long largest = 0;
    for (TensorInfo tensor : config.tensors(DType.F64).values()) {
      parameters += tensor.size();
      largest = Math.max(largest, tensor.size());
    }
    if (parameters > memory / BYTES) {
      throw new IllegalArgumentException(
          ("%s: transfers planted on %d parameters take about %d MiB (%d bytes each), and this"
                  + " machine has %d MiB; give a smaller model")
              .formatted(name, parameters, (parameters * BYTES) >> MEBI, BYTES, memory >> MEBI));
    }
    if (largest > heap / (2 * Double.BYTES) || largest > Integer.MAX_VALUE / 2) {
      throw new IllegalArgumentException(
          ("%s: a tensor of %d values takes about %d MiB of the heap, which has %d MiB; give more"
                  + " with -Xmx, or a smaller model")
              .formatted(name, largest, (2 * largest * Double.BYTES) >> MEBI, heap >> MEBI));
    }
  }

  private static String digest(Optional<Path> file) throws IOException {
    if (file.isEmpty()) {
      return "none";
    }
    try (FileBytes bytes = new FileBytes(file.get())) {
      return bytes.sha256();
    }
  }

  /** all-MiniLM-L6-v2, which has no configuration in the jar. */
  static TransformerConfig encoderConfig() {
    return TransformerConfig.llama(30_522, 384, 6, 12, 12, 32, 1536)
        .with("modelType", "bert")
        .with("causal", false)
        .with("tied", true)
        .with("rope", Optional.empty())
        .with("positions", 512)
        .with("tokenTypes", 2)
        .with("norm", Norm.LAYER)
        .with("postNorm", true)
        .with("epsilon", 1e-12)
        .with("gated", false)
        .with("activation", Activation.GELU)
        .with("attentionBias", true)
        .with("outputBias", true)
        .with("mlpBias", true);
  }
}
