// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.method.Settings;

/**
 * The structure of a transformer: everything that its function and its symmetries depend on but the
 * weights.
 *
 * @param modelType as {@code config.json} has it; says which layout files have, not what is
 *     computed
 * @param vocabulary rows V of the embedding
 * @param hidden width d of the residual stream
 * @param layers their number L
 * @param heads query heads H
 * @param keyValueHeads K, which divides H; query head h reads KV head h / (H / K)
 * @param headSize width dh of a head, not always d / H
 * @param intermediate hidden units m of an MLP
 * @param tied whether the head is the embedding
 * @param attentionBias whether queries, keys and values have a bias
 * @param outputBias whether the output projection of the attention has one
 * @param mlpBias whether the projections of the MLP have one
 * @param queryKeyNorm whether queries and keys are normed, by gains [dh] that all heads share
 * @param postNorm whether norms stand after the sums (BERT), not before the branches
 * @param epsilon of the norms
 * @param gated whether the MLP is down(act(gate x) * up x), else down(act(up x))
 * @param rope rotary embedding of positions; without it they are learned
 * @param positions rows of the learned positions, or the length of the context
 * @param causal whether a position sees only those before; a model that is not has no head
 * @param tokenTypes rows of the embedding of token types; 0 for none
 */
public record TransformerConfig(
    String modelType,
    int vocabulary,
    int hidden,
    int layers,
    int heads,
    int keyValueHeads,
    int headSize,
    int intermediate,
    boolean tied,
    boolean attentionBias,
    boolean outputBias,
    boolean mlpBias,
    boolean queryKeyNorm,
    Norm norm,
    boolean postNorm,
    double epsilon,
    boolean gated,
    Activation activation,
    Optional<Rope> rope,
    int positions,
    boolean causal,
    int tokenTypes) {

  /** What norms compute. */
  public enum Norm {
    /** g x / sqrt(mean x^2 + eps). */
    RMS,
    /** g (x - mean x) / sqrt(var x + eps) + b. */
    LAYER
  }

  /** Of the MLP. */
  public enum Activation {
    /** z / (1 + exp(-z)). */
    SILU,
    /** z Phi(z). */
    GELU,
    /** The approximation of GELU by tanh. */
    GELU_TANH,
    RELU
  }

  /**
   * Rotary embedding: at position p the pair (i, i + dh/2) of a head turns by p f_i, f_i =
   * theta^(-2i/dh) before scaling.
   */
  public record Rope(double theta, Optional<Llama3Scaling> scaling) {
    public Rope {
      if (!(theta > 1) || Double.isInfinite(theta)) {
        throw new IllegalArgumentException("rope: theta must be a number above 1, not " + theta);
      }
    }

    /** Without scaling. */
    public static Rope of(double theta) {
      return new Rope(theta, Optional.empty());
    }

    /** f_i of the dh / 2 pairs. */
    public double[] frequencies(int headSize) {
      double[] frequencies = new double[headSize / 2];
      for (int i = 0; i < frequencies.length; i++) {
        double plain = StrictMath.pow(theta, -2.0 * i / headSize);
        frequencies[i] = scaling.map(s -> s.scaled(plain)).orElse(plain);
      }
      return frequencies;
    }
  }

  /**
   * Scaling of Llama 3: with the wavelength w = 2 pi / f, what is shorter than o / hi stays, what
   * is longer than o / lo becomes f / s, and what lies between is interpolated.
   *
   * @param factor s
   * @param low lo, {@code low_freq_factor}
   * @param high hi, {@code high_freq_factor}
   * @param context o, {@code original_max_position_embeddings}
   */
  public record Llama3Scaling(double factor, double low, double high, int context) {
    public Llama3Scaling {
      boolean right = factor >= 1 && low > 0 && high > low && context > 0;
      if (!right || Double.isInfinite(factor) || Double.isInfinite(high)) {
        throw new IllegalArgumentException(
            "rope: llama3 scaling needs factor >= 1, 0 < low_freq_factor < high_freq_factor and a"
                + " positive original_max_position_embeddings, not %s, %s, %s and %d"
                    .formatted(factor, low, high, context));
      }
    }

    double scaled(double frequency) {
      double wavelength = 2 * Math.PI / frequency;
      if (wavelength < context / high) {
        return frequency;
      }
      if (wavelength > context / low) {
        return frequency / factor;
      }
      double z = (context / wavelength - low) / (high - low);
      return (1 - z) * frequency / factor + z * frequency;
    }
  }

  public TransformerConfig {
    positive("vocabulary", vocabulary);
    positive("hidden", hidden);
    positive("layers", layers);
    positive("heads", heads);
    positive("keyValueHeads", keyValueHeads);
    positive("headSize", headSize);
    positive("intermediate", intermediate);
    positive("positions", positions);
    require(tokenTypes >= 0, "tokenTypes must not be negative, not " + tokenTypes);
    require(
        heads % keyValueHeads == 0,
        heads + " heads are no multiple of " + keyValueHeads + " keyValueHeads");
    require(
        rope.isEmpty() || headSize % 2 == 0,
        "rotary embedding turns pairs, and headSize is " + headSize);
    require(
        epsilon >= 0 && !Double.isInfinite(epsilon), "epsilon must not be negative: " + epsilon);
    require(!queryKeyNorm || norm == Norm.RMS, "norms of queries and keys must be RMS norms");
    require(!postNorm || norm == Norm.LAYER, "norms after the sums must be layer norms");
    require(
        (long) heads * headSize <= Integer.MAX_VALUE,
        heads + " heads of " + headSize + " are too wide");
  }

  private static void positive(String what, int value) {
    require(value > 0, what + " must be positive, not " + value);
  }

  private static void require(boolean right, String problem) {
    if (!right) {
      throw new IllegalArgumentException("transformer: " + problem);
    }
  }

  /**
   * A model of Llama's kind: RMS norms (eps 1e-5), SwiGLU, rotary embedding (theta 1e4), no biases,
   * a head of its own, 2048 positions.
   */
  public static TransformerConfig llama(
      int vocabulary, int hidden, int layers, int heads, int keyValueHeads, int headSize, int mlp) {
    return new TransformerConfig(
        "llama",
        vocabulary,
        hidden,
        layers,
        heads,
        keyValueHeads,
        headSize,
        mlp,
        false,
        false,
        false,
        false,
        false,
        Norm.RMS,
        false,
        1e-5,
        true,
        Activation.SILU,
        Optional.of(Rope.of(1e4)),
        2048,
        true,
        0);
  }

  /**
   * Reads {@code config.json} of Hugging Face: of the types llama, mistral, phi3, qwen2, qwen3,
   * gpt2 and bert.
   *
   * @param path the file, or the folder that holds it
   * @throws FormatException when it is no configuration, naming the place
   * @throws IncompatibleModelsException when it is of another kind of model: mixtures of experts,
   *     sliding windows in use, latent attention, partly or otherwise scaled rotary embedding
   */
  public static TransformerConfig read(Path path) throws IOException {
    Path file = Files.isDirectory(path) ? path.resolve("config.json") : path;
    return ConfigReader.read(file.toString(), TextFile.read(file));
  }

  /**
   * Of a GGUF file of the architectures llama, qwen2 and qwen3, by its metadata and tensors.
   *
   * @throws IncompatibleModelsException when it is of another, or has frequencies of its own
   */
  public static TransformerConfig ofGguf(Checkpoint checkpoint) {
    return GgufConfig.of(checkpoint);
  }

  /**
   * Writes a {@code config.json} that {@link #read} and Hugging Face's libraries read.
   *
   * @param path the file
   * @throws IllegalArgumentException when no configuration of that model type describes this
   */
  public void writeTo(Path path) throws IOException {
    TextFile.write(path, toJson());
  }

  /**
   * The text of {@code config.json}.
   *
   * @throws IllegalArgumentException when no configuration of that model type describes this
   */
  public String toJson() throws IOException {
    String json = ConfigWriter.write(this);
    TransformerConfig read;
    try {
      read = ConfigReader.read("the configuration", json);
    } catch (FormatException | IncompatibleModelsException e) {
      throw new IllegalArgumentException(
          "no configuration of model type '%s' describes %s: %s"
              .formatted(modelType, this, e.getMessage()),
          e);
    }
    if (!read.equals(this)) {
      throw new IllegalArgumentException(
          "no configuration of model type '%s' describes %s; it would be read as %s"
              .formatted(modelType, this, read));
    }
    return json;
  }

  /** A copy with one component changed, by its name. */
  public TransformerConfig with(String component, Object value) {
    return Settings.with(this, component, value);
  }

  /** Query heads G of a KV head. */
  public int group() {
    return heads / keyValueHeads;
  }

  /** Whether there is {@code lm_head.weight}. */
  public boolean hasHead() {
    return causal && !tied;
  }

  /**
   * Names and shapes of the tensors of a canonical checkpoint, in the order in which the model uses
   * them; matrices are [out, in].
   */
  public Map<String, TensorInfo> tensors(DType dtype) {
    Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    CanonicalTensor.of(this)
        .forEach((name, tensor) -> tensors.put(name, new TensorInfo(dtype, tensor.shape())));
    return tensors;
  }

  /**
   * What a checkpoint with canonical names lacks, has in another shape or type, or has beyond a
   * model of this structure: a sentence each, naming tensor and shapes.
   */
  public List<String> problems(Checkpoint canonical) {
    List<String> problems = new ArrayList<>();
    Map<String, CanonicalTensor> expected = CanonicalTensor.of(this);
    expected.forEach(
        (name, tensor) -> CanonicalCheckpoint.problem(canonical, name, tensor.shape(), problems));
    for (String name : canonical.tensors().keySet()) {
      if (!expected.containsKey(name)) {
        problems.add(Names.quote(name) + " is no part of such a model");
      }
    }
    return problems;
  }

  /**
   * Throws unless two models compute the same function of equal weights. Names of types and, with
   * rotary embedding, lengths of contexts may differ.
   *
   * @param mine name of this for the message
   * @throws IncompatibleModelsException with both values of everything that differs
   */
  public void requireSame(String mine, TransformerConfig other, String theirs) {
    requireSame(description(), mine, other.description(), theirs);
  }

  /**
   * The same for {@link #description descriptions}, such as those that files keep.
   *
   * @throws IncompatibleModelsException with both values of everything that differs
   */
  public static void requireSame(
      Map<String, String> here, String mine, Map<String, String> there, String theirs) {
    List<String> problems = new ArrayList<>();
    Set<String> names = new LinkedHashSet<>(here.keySet());
    names.addAll(there.keySet());
    for (String name : names) {
      String own = here.getOrDefault(name, "none");
      String other = there.getOrDefault(name, "none");
      if (!own.equals(other)) {
        problems.add("%s: %s in %s, %s in %s".formatted(name, own, mine, other, theirs));
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          mine + " and " + theirs + " are transformers of different structure", problems);
    }
  }

  /** All that the function of the weights depends on, by the names of components. */
  public Map<String, String> description() {
    Map<String, String> description = new LinkedHashMap<>();
    RecordComponent[] components = TransformerConfig.class.getRecordComponents();
    Object[] values = values();
    for (int i = 0; i < values.length; i++) {
      String name = components[i].getName();
      if (!name.equals("modelType") && !(name.equals("positions") && rope.isPresent())) {
        description.put(name, text(values[i]));
      }
    }
    return description;
  }

  private static String text(Object value) {
    return value instanceof Optional<?> some
        ? some.map(Object::toString).orElse("none")
        : String.valueOf(value);
  }

  private Object[] values() {
    return new Object[] {
      modelType,
      vocabulary,
      hidden,
      layers,
      heads,
      keyValueHeads,
      headSize,
      intermediate,
      tied,
      attentionBias,
      outputBias,
      mlpBias,
      queryKeyNorm,
      norm,
      postNorm,
      epsilon,
      gated,
      activation,
      rope,
      positions,
      causal,
      tokenTypes
    };
  }
}
