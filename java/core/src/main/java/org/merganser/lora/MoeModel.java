// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;

/**
 * Layers of experts beside the weights of a model: of each module
 *
 * <pre>
 *   y = W x + sum over the k experts of largest logits of  p_e s_e B_e A_e x
 *   logit_e = |v_e x| / T  (arrow),  v_e x / T  (the others);  p = softmax of those k logits
 * </pre>
 *
 * <p>Of equal logits those of the lower expert count. A [r x in] and B [out x r] are factors of
 * LoRA, s their scale, v the gate of an expert. Of a convolution x is the patch under its filters,
 * so that each position of its output has logits of its own. {@link MoeUpcycler} makes it of
 * adapters.
 *
 * <p>A folder of it has {@code moe_config.json} and {@code moe.safetensors}, described in
 * docs/moe.md; of the model that it is for it has digests, or the weights as well.
 */
public final class MoeModel implements AutoCloseable {
  static final String WEIGHTS = "moe.safetensors";

  /** Either is there where a folder has the weights of a model, in one file or in shards. */
  private static final List<String> BASE =
      List.of("model.safetensors", "model.safetensors.index.json");

  /** How gates were made, and what logits are. */
  public enum Router {
    /** The direction that the expert acts on most; its sign means nothing. */
    ARROW,
    /** The mean input of the expert's data, less that of the others. */
    MEAN_ACTIVATION,
    /** Nothing; what the others are to be compared with, or to be trained. */
    RANDOM;

    /** As files have it, such as {@code mean-activation}. */
    public String id() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Whether logits are magnitudes. */
    public boolean isAbsolute() {
      return this == ARROW;
    }

    /**
     * @throws IllegalArgumentException when there is none, naming those that there are
     */
    public static Router of(String id) {
      return Arrays.stream(values())
          .filter(router -> router.id().equals(id))
          .findFirst()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "no router %s; %s"
                          .formatted(
                              Names.quote(id),
                              Names.instead(
                                  id, Arrays.stream(values()).map(Router::id).toList()))));
    }
  }

  /**
   * What its tensors do not say.
   *
   * @param topK experts that each input goes to, 1 to all
   * @param temperature T; of 0 or less it is the root of the elements of a gate
   * @param experts their names, one at least, all different
   * @param baseName of the model that it is for; may be empty
   */
  public record Description(
      Router router, int topK, double temperature, List<String> experts, String baseName) {
    public Description {
      experts = List.copyOf(experts);
      if (experts.isEmpty()) {
        throw new IllegalArgumentException("no experts; give one adapter or more");
      }
      for (int e = 0; e < experts.size(); e++) {
        int first = experts.indexOf(experts.get(e));
        if (first < e) {
          throw new IllegalArgumentException(
              "experts %d and %d are both named %s; each needs a name of its own"
                  .formatted(first + 1, e + 1, Names.quote(experts.get(e))));
        }
      }
      if (topK < 1 || topK > experts.size()) {
        throw new IllegalArgumentException(
            "top-k is %d of %d experts; give 1 to %2$d, or %d for all"
                .formatted(topK, experts.size(), MoeUpcycler.ALL));
      }
      if (!Double.isFinite(temperature)) {
        throw new IllegalArgumentException(
            "temperature must be finite (0 or less: the root of the inputs), not " + temperature);
      }
    }
  }

  /**
   * One module with experts. A convolution has a [experts x r x in x height x width] and a gate
   * [experts x in x height x width].
   *
   * @param aInfo [experts x r x in]
   * @param bInfo [experts x out x r]
   */
  public record Layer(String module, TensorInfo aInfo, TensorInfo bInfo) {
    public String a() {
      return module + ".experts.A";
    }

    public String b() {
      return module + ".experts.B";
    }

    /** F64 [experts]. */
    public String scale() {
      return module + ".experts.scale";
    }

    public String gate() {
      return module + ".experts.gate";
    }

    public long rank() {
      return aInfo.dim(1);
    }

    /** Elements of a gate. */
    public long in() {
      return aInfo.size() / aInfo.dim(0) / rank();
    }

    public long out() {
      return bInfo.dim(1);
    }

    public boolean isConvolution() {
      return aInfo.rank() > 3;
    }

    /** What logits are divided by. */
    public double temperature(Description description) {
      return description.temperature() > 0 ? description.temperature() : Math.sqrt(in());
    }
  }

  private final Description description;
  private final Map<String, Layer> layers;
  private final Checkpoint tensors;
  private final List<String> notes;
  private final Optional<Path> withBase;

  MoeModel(
      Description description, Checkpoint tensors, List<String> notes, Optional<Path> withBase) {
    this.description = description;
    this.tensors = tensors;
    this.layers = Collections.unmodifiableMap(MoeTensors.layers(description, tensors));
    this.notes = List.copyOf(notes);
    this.withBase = withBase;
  }

  /**
   * Opens a folder; of the tensors only headers are read.
   *
   * @throws FormatException when a file does not follow its format, or has no digests of the model
   *     that it is for
   * @throws IncompatibleModelsException when tensors and description contradict each other
   */
  public static MoeModel open(Path folder) throws IOException {
    MoeConfig config = MoeConfig.read(folder.resolve(MoeConfig.FILE));
    try (Opened opened = new Opened()) {
      Checkpoint tensors = opened.add(Safetensors.open(folder.resolve(WEIGHTS)));
      Optional<Path> base = config.baseIncluded() ? Optional.of(folder) : Optional.empty();
      MoeModel model = new MoeModel(config.description(), tensors, List.of(), base);
      BaseDigests.requireIn(tensors);
      opened.release();
      return model;
    }
  }

  /** Whether a folder holds such a model. */
  public static boolean isIn(Path folder) {
    return Files.exists(folder.resolve(MoeConfig.FILE));
  }

  /** The file of weights that those of a model written with this one would replace, if any. */
  public static Optional<Path> weightsIn(Path folder) {
    return BASE.stream().map(folder::resolve).filter(Files::exists).findFirst();
  }

  public Description description() {
    return description;
  }

  /** By the modules of the model. */
  public Map<String, Layer> layers() {
    return layers;
  }

  /** Factors, scales and gates; see {@link Layer}. */
  public Checkpoint tensors() {
    return tensors;
  }

  /** What is worth knowing about how it was made, beside errors. */
  public List<String> notes() {
    return notes;
  }

  /** Factors and gates of all experts; scales are none. */
  public long parameters() {
    return tensors.parameters() - (long) layers.size() * description.experts().size();
  }

  /**
   * The same with other factors and gates, such as trained ones.
   *
   * @param trained with the names and shapes of {@link #tensors}; owned from then on
   * @throws IncompatibleModelsException when they have others
   */
  public MoeModel with(Map<String, Tensor> trained) {
    Map<String, String> metadata = tensors.metadata();
    Checkpoint memory = MemoryCheckpoint.of(trained, metadata, Set.of());
    return new MoeModel(description, memory, List.of(), Optional.empty());
  }

  /**
   * Opens the model that it is for, where the folder has its weights; the caller closes it.
   *
   * @throws IOException when it has not
   */
  public Checkpoint openBase() throws IOException {
    return Safetensors.open(
        withBase.orElseThrow(
            () ->
                new IOException(
                    tensors
                        + " has no weights of the model that it is for, only their digests; name"
                        + " that model")));
  }

  /** Whether {@link #openBase} opens it. */
  public boolean hasBase() {
    return withBase.isPresent();
  }

  /**
   * Refuses a model that this was not made for, by digests of its tensors.
   *
   * @throws IncompatibleModelsException naming the tensors that are others
   */
  public void requireBase(Checkpoint base, Workspace ws) throws IOException {
    BaseDigests.require("the model of experts", tensors, base, ws);
  }

  /**
   * Writes a folder that {@link #open} reads, without the weights of the model that it is for.
   *
   * @param replace whether one that lies there is replaced
   * @throws IOException when one does and is not to be
   */
  public void write(Path folder, boolean replace, Workspace ws) throws IOException {
    write(folder, Optional.empty(), replace, ws);
  }

  /**
   * The same with those weights, as {@code model.safetensors} or shards of 5 GB.
   *
   * @param replace whether a model that lies there, of experts or not, is replaced
   * @throws IOException when one does and is not to be
   * @throws IncompatibleModelsException when it is another model
   */
  public void write(Path folder, Checkpoint base, boolean replace, Workspace ws)
      throws IOException {
    write(folder, Optional.of(base), replace, ws);
  }

  private void write(Path folder, Optional<Checkpoint> base, boolean replace, Workspace ws)
      throws IOException {
    LoraFolder into = LoraFolder.ofExperts(folder);
    into.check(base.isPresent() ? BASE : List.of(), replace);
    if (base.isPresent()) {
      requireBase(base.get(), ws);
      // Else experts that lay there would be taken for those of this model, if it ends here.
      into.invalidate();
      Safetensors.writeFolder(base.get(), folder, ShardPlan.DEFAULT_SHARD_BYTES, ws);
    }
    MoeConfig config = new MoeConfig(description, base.isPresent());
    into.write(tensors, config.text(List.copyOf(layers.keySet())), ws);
  }

  @Override
  public void close() {
    tensors.close();
  }

  @Override
  public String toString() {
    return "%d experts (%s, top %d) in %d modules"
        .formatted(
            description.experts().size(),
            description.router().id(),
            description.topK(),
            layers.size());
  }
}
