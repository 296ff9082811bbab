// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
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
 * filters are rows; attention of torch, whose fused weight of queries, keys and values is changed
 * as one; embeddings; ranks and alphas by pattern; whole tensors that were trained beside ({@code
 * modules_to_save}, {@code bias}), which replace those of the model. What is not done, such as
 * DoRA, is refused by the key of the configuration that asks for it.
 *
 * <p>Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"; Kalajdzievski
 * 2023 (rsLoRA); the layout is that of PEFT.
 */
public final class LoraAdapter implements AutoCloseable {
  private static final List<String> WEIGHTS =
      List.of("adapter_model.safetensors", "adapter_model.bin");

  private final String label;
  private final Optional<Path> path;
  private final List<Path> files;
  private final LoraConfig config;
  private final Checkpoint tensors;
  private final Map<String, LoraLayer> layers;
  private final Map<String, String> whole;

  private LoraAdapter(
      String label, Optional<Path> path, List<Path> files, LoraConfig config, Checkpoint tensors) {
    this.label = label;
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
      LoraAdapter adapter =
          new LoraAdapter(
              folder.toString(),
              Optional.of(folder),
              List.of(description, weights),
              config,
              tensors);
      opened.release();
      return adapter;
    }
  }

  /**
   * What scales an adapter, and what it is called.
   *
   * @param name in messages
   * @param base model that it is for, as PEFT is to look for it; may be empty
   * @param rootOfRank whether the scale is {@code alpha / sqrt(rank)} (rsLoRA), not {@code alpha /
   *     rank}
   */
  public record Settings(String name, String base, int rank, double alpha, boolean rootOfRank) {
    public Settings {
      if (rank < 1 || !Double.isFinite(alpha)) {
        throw new IllegalArgumentException(
            "rank must be 1 or more and alpha finite, not " + rank + " and " + alpha);
      }
    }

    /** What the product of the factors is multiplied by. */
    public double scale() {
      return alpha / (rootOfRank ? Math.sqrt(rank) : rank);
    }
  }

  /**
   * An adapter in memory, of factors of one rank.
   *
   * @param tensors {@link #nameOfA} and {@link #nameOfB} of each module, owned from then on
   * @throws IncompatibleModelsException when they are no factors of that rank
   */
  public static LoraAdapter of(Settings settings, Checkpoint tensors) {
    return new LoraAdapter(
        settings.name(), Optional.empty(), List.of(), LoraConfig.of(settings), tensors);
  }

  /** Name of the factor A [r x in] of a module, of a convolution [r x in x height x width]. */
  public static String nameOfA(String module) {
    return LoraNames.PREFIX + module + ".lora_A.weight";
  }

  /** Name of the factor B [out x r] of a module, of a convolution [out x r x 1 x 1]. */
  public static String nameOfB(String module) {
    return LoraNames.PREFIX + module + ".lora_B.weight";
  }

  /**
   * What comes out of an attention of torch, {@code ATTENTION.out_proj}, as a module for {@link
   * #nameOfA} where the attention has factors too, under its own name: those of its fused {@code
   * ATTENTION.in_proj_weight}.
   */
  public static String outOfAttention(String attention) {
    return attention + LoraNames.OUT_OF_ATTENTION;
  }

  /** Its folder, when it was opened. */
  public Optional<Path> path() {
    return path;
  }

  /** Configuration and tensors; none in memory. */
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

  /**
   * What {@link #requireBase} compares a model with: SHA-256 of the tensors of the model that is
   * trained, as metadata for those of the adapter.
   */
  public static Map<String, String> baseDigests(Checkpoint base, Workspace ws) throws IOException {
    return BaseDigests.metadata(base, ws);
  }

  /**
   * Throws when a model is not the one that the adapter was trained for, as digests of its tensors
   * say that were recorded with it (see {@link #baseDigests}); without a record nothing is known,
   * and nothing thrown.
   *
   * @throws IncompatibleModelsException naming the tensors that differ
   */
  public void requireBase(Checkpoint base, Workspace ws) throws IOException {
    BaseDigests.require("adapter " + this, tensors, base, ws);
  }

  /**
   * Writes a folder that PEFT loads: {@code adapter_model.safetensors}, then {@code
   * adapter_config.json}.
   *
   * @param replace whether an adapter that lies there is replaced
   * @throws IOException when one does and is not to be, or the folder is that of this adapter
   */
  public void write(Path folder, boolean replace, Workspace ws) throws IOException {
    LoraFolder into = LoraFolder.ofAdapter(folder);
    into.claim(List.of(this), replace);
    into.write(tensors, LoraConfigText.of(this), ws);
  }

  LoraConfig config() {
    return config;
  }

  /** The factors, under PEFT's names. */
  public Checkpoint tensors() {
    return tensors;
  }

  /** Factors by the tensors of the model that they change. */
  public Map<String, LoraLayer> layers() {
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
    return label;
  }
}
