// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;

/**
 * An adapter of low rank (LoRA) as PEFT stores it: a folder with {@code adapter_config.json} and
 * {@code adapter_model.safetensors} (or {@code .bin}, read as data). For a weight W [out x in] it
 * has A [r x in] and B [out x r],
 *
 * <pre>
 *   W + s B A,   s = alpha / r, of rsLoRA alpha / sqrt(r)
 * </pre>
 *
 * <p>Linear layers, also those stored transposed ({@code fan_in_fan_out}); convolutions, whose
 * filters are rows; embeddings; ranks and alphas by pattern; whole tensors that were trained beside
 * ({@code modules_to_save}, {@code bias}), which replace those of the model. What is not done, such
 * as DoRA, is refused by the key of the configuration that asks for it.
 *
 * <p>Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"; Kalajdzievski
 * 2023 (rsLoRA); the layout is that of PEFT.
 */
public final class LoraAdapter implements AutoCloseable {
  private static final List<String> WEIGHTS =
      List.of("adapter_model.safetensors", "adapter_model.bin");

  private final Path path;
  private final List<Path> files;
  private final LoraConfig config;
  private final Checkpoint tensors;
  private final Map<String, LoraLayer> layers;
  private final Map<String, String> whole;

  private LoraAdapter(Path path, List<Path> files, LoraConfig config, Checkpoint tensors) {
    this.path = path;
    this.files = files;
    this.config = config;
    this.tensors = tensors;
    LoraNames names = new LoraNames(tensors, config);
    this.layers = Collections.unmodifiableMap(names.layers());
    this.whole = Collections.unmodifiableMap(names.whole());
  }

  /**
   * Opens a folder; of the tensors only headers are read.
   *
   * @throws FormatException when a file does not follow its format, or asks for what is not done
   * @throws IncompatibleModelsException when tensors and configuration contradict each other
   */
  public static LoraAdapter open(Path folder) throws IOException {
    Path description = folder.resolve(LoraConfig.FILE);
    if (!Files.exists(description)) {
      throw new IOException(
          folder + ": no adapter of PEFT: there is no " + LoraConfig.FILE + " in it");
    }
    LoraConfig config = LoraConfig.read(description);
    Path weights =
        WEIGHTS.stream()
            .map(folder::resolve)
            .filter(Files::exists)
            .findFirst()
            .orElseThrow(() -> new IOException(folder + ": none of " + String.join(", ", WEIGHTS)));
    try (Opened opened = new Opened()) {
      Checkpoint tensors = opened.add(Safetensors.open(weights));
      LoraAdapter adapter = new LoraAdapter(folder, List.of(description, weights), config, tensors);
      opened.release();
      return adapter;
    }
  }

  public Path path() {
    return path;
  }

  /** Configuration and tensors. */
  public List<Path> files() {
    return files;
  }

  /** Names of the tensors of a model that it changes or replaces. */
  public List<String> targets() {
    return Stream.concat(layers.keySet().stream(), whole.keySet().stream()).distinct().toList();
  }

  /** The model that it was trained for, by the name that it had there; may be empty. */
  public String baseName() {
    return config.text("base_model_name_or_path").orElse("");
  }

  /**
   * The model with the adapter in its weights: {@code W + s B A} in F32 (F64 where W, A or B is),
   * rounded once to the type of W. A view, computed by rows as they are read, to the same bytes for
   * any part; memory: A, and some rows. What is folded into ends with neither.
   *
   * @throws IncompatibleModelsException when it is not for this model, with all that does not fit
   */
  public Checkpoint fold(Checkpoint base) {
    return FoldedCheckpoint.of(base, this);
  }

  LoraConfig config() {
    return config;
  }

  Checkpoint tensors() {
    return tensors;
  }

  /** By the tensors that they change. */
  Map<String, LoraLayer> layers() {
    return layers;
  }

  /** Tensors of its own by those that they replace. */
  Map<String, String> whole() {
    return whole;
  }

  @Override
  public void close() {
    tensors.close();
  }

  @Override
  public String toString() {
    return path.toString();
  }
}
