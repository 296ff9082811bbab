// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.internal.io.PartialFile;

/**
 * A model as Hugging Face's libraries store it: a folder with a checkpoint ({@link
 * Safetensors#open}), {@code config.json}, and beside them the files of tokenizer, generation and
 * chat template. A file alone is a model without these.
 */
public final class ModelDirectory implements AutoCloseable {
  private static final String CONFIG = "config.json";
  private static final String TEMPLATES = "additional_chat_templates";
  private static final int CHUNK = 1 << 20;

  private static final Pattern TOKENIZER =
      Pattern.compile(
          "tokenizer.*\\.json|tokenizer\\.model.*|special_tokens_map\\.json|added_tokens\\.json"
              + "|vocab\\.(json|txt)|merges\\.txt|spiece\\.model|sentencepiece.*\\.model"
              + "|.*\\.tiktoken|tekken\\.json|chat_template.*\\.(json|jinja)|"
              + TEMPLATES
              + "/.*\\.jinja");
  private static final Pattern OTHER =
      Pattern.compile("config\\.json|generation_config\\.json|(.*_)?(pre)?processor_config\\.json");

  private final Path path;
  private final Checkpoint checkpoint;
  private final Config config;
  private final List<String> sideFiles;
  private final Optional<GgufCheckpoint> gguf;
  private final Optional<LayerNames> layers;

  /**
   * What {@code config.json} says of a model, or of the part of it that is called {@code
   * text_config}; what it does not say is empty.
   *
   * @param architectures classes of the model, such as {@code LlamaForCausalLM}
   * @param modelType such as {@code llama}
   * @param layers {@code num_hidden_layers} ({@code n_layer}, {@code n_layers}, {@code num_layers})
   * @param hiddenSize {@code hidden_size} ({@code n_embd}, {@code d_model})
   * @param vocabularySize {@code vocab_size}
   * @param tiedEmbeddings {@code tie_word_embeddings}
   * @param dtype {@code torch_dtype} or {@code dtype}, such as {@code bfloat16}
   */
  public record Config(
      List<String> architectures,
      Optional<String> modelType,
      OptionalInt layers,
      OptionalLong hiddenSize,
      OptionalLong vocabularySize,
      Optional<Boolean> tiedEmbeddings,
      Optional<String> dtype) {
    public Config {
      architectures = List.copyOf(architectures);
    }
  }

  /**
   * Tokens that a file of parameters holds itself.
   *
   * @param model how texts are divided into them, such as {@code gpt2} (BPE of bytes) or {@code
   *     llama} (of SentencePiece)
   * @param texts by id, as {@code tokenizer.json} has them
   * @param kinds of each; empty where the file does not say
   * @param merges of pairs, {@code "left right"}, the first ones first
   * @param special ids by use, such as {@code bos} and {@code eos}
   */
  public record Tokens(
      String model,
      List<String> texts,
      List<Kind> kinds,
      List<String> merges,
      Map<String, Integer> special) {
    /** In the order of their numbers in GGUF, from 0. */
    public enum Kind {
      UNDEFINED,
      NORMAL,
      UNKNOWN,
      CONTROL,
      USER_DEFINED,
      UNUSED,
      BYTE
    }

    public Tokens {
      texts = List.copyOf(texts);
      kinds = List.copyOf(kinds);
      merges = List.copyOf(merges);
      special = Map.copyOf(special);
    }

    /** Whether an id is one of a row that pads the embeddings. */
    public boolean isPadding(int id) {
      return !kinds.isEmpty()
          && kinds.get(id) == Kind.UNUSED
          && texts.get(id).equals("[PAD" + id + "]");
    }
  }

  private ModelDirectory(
      Path path,
      Checkpoint checkpoint,
      Config config,
      List<String> sideFiles,
      Optional<GgufCheckpoint> gguf) {
    this.path = path;
    this.checkpoint = checkpoint;
    this.config = config;
    this.sideFiles = sideFiles;
    this.gguf = gguf;
    this.layers = LayerNames.find(checkpoint.tensors().keySet(), config.layers());
  }

  /**
   * Opens a folder, or a file as {@link Safetensors#open} does.
   *
   * @throws FormatException when a file does not follow its format
   */
  public static ModelDirectory open(Path path) throws IOException {
    boolean folder = Files.isDirectory(path);
    List<String> files = folder ? sideFiles(path) : List.of();
    Config config =
        files.contains(CONFIG) ? ModelConfig.read(path.resolve(CONFIG)) : ModelConfig.NONE;
    Checkpoint checkpoint = Safetensors.open(path);
    try {
      Optional<GgufCheckpoint> gguf =
          checkpoint instanceof GgufCheckpoint found ? Optional.of(found) : Optional.empty();
      return new ModelDirectory(path, checkpoint, config, files, gguf);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private static List<String> sideFiles(Path folder) throws IOException {
    List<String> names = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      files.filter(Files::isRegularFile).forEach(file -> names.add(file.getFileName().toString()));
    }
    if (Files.isDirectory(folder.resolve(TEMPLATES))) {
      try (Stream<Path> files = Files.list(folder.resolve(TEMPLATES))) {
        files
            .filter(Files::isRegularFile)
            .forEach(file -> names.add(TEMPLATES + "/" + file.getFileName()));
      }
    }
    return names.stream()
        .filter(n -> OTHER.matcher(n).matches() || isOfTokenizer(n))
        .sorted()
        .toList();
  }

  /** Whether a side file is of the tokenizer: vocabulary, merges, special tokens, templates. */
  public static boolean isOfTokenizer(String sideFile) {
    return TOKENIZER.matcher(sideFile).matches();
  }

  public Path path() {
    return path;
  }

  /**
   * The same model with other parameters, such as a view of these: their names and layers are
   * theirs. It borrows this one's files; closing it closes the parameters only.
   */
  public ModelDirectory with(Checkpoint parameters) {
    return new ModelDirectory(path, parameters, config, sideFiles, gguf);
  }

  /** The parameters; closed with this. */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  public Config config() {
    return config;
  }

  /**
   * Files that a model is loaded with and that are no weights, relative to the folder, sorted:
   * configuration, generation, preprocessing, tokenizer, chat templates. Code ({@code *.py}), model
   * cards and traces of training are none.
   */
  public List<String> sideFiles() {
    return sideFiles;
  }

  /**
   * Tokens inside the file of parameters, read anew each time: of GGUF; empty where there are none.
   *
   * @throws FormatException when they are damaged
   */
  public Optional<Tokens> tokens() throws IOException {
    return gguf.isPresent() ? gguf.get().tokens() : Optional.empty();
  }

  /**
   * Number of layers: what the configuration says, else what the names of tensors show.
   *
   * @return 0 when neither shows any
   * @throws FormatException when the configuration says more than there are
   */
  public int layers() {
    int named = layers.map(LayerNames::count).orElse(0);
    int configured = config.layers().orElse(named);
    if (named > 0 && configured > named) {
      throw new FormatException(
          path.resolve(CONFIG)
              + " says "
              + configured
              + " layers, "
              + checkpoint
              + " has tensors of "
              + named
              + " ("
              + layerPrefix().orElse("")
              + "0 to "
              + (named - 1)
              + ")");
    }
    return configured;
  }

  /** What stands before the number of a layer in names of tensors, such as {@code model.layers.} */
  public Optional<String> layerPrefix() {
    return layers.map(LayerNames::prefix);
  }

  /** The layer of a tensor, counted from 0; empty for what is before and after the layers. */
  public OptionalInt layer(String tensor) {
    OptionalInt layer = layers.isPresent() ? layers.get().layer(tensor) : OptionalInt.empty();
    return layer.isPresent() && layer.getAsInt() < layers() ? layer : OptionalInt.empty();
  }

  /**
   * Copies side files to another folder, byte for byte; each appears whole or not at all, and
   * replaces one of its name.
   *
   * @param wanted which of {@link #sideFiles}
   * @throws IllegalArgumentException when that is the folder of the model
   */
  public void copySideFiles(Path target, Predicate<String> wanted) throws IOException {
    List<String> chosen = sideFiles.stream().filter(wanted).toList();
    Files.createDirectories(target);
    if (Files.isSameFile(path, target)) {
      throw new IllegalArgumentException(
          "cannot copy the files of " + path + " to itself; name another folder");
    }
    for (String name : chosen) {
      Path to = target.resolve(name);
      Files.createDirectories(to.getParent());
      copy(path.resolve(name), to);
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    byte[] chunk = new byte[CHUNK];
    try (InputStream in = Files.newInputStream(from);
        PartialFile out = new PartialFile(to, Files.size(from))) {
      for (int length = in.read(chunk); length >= 0; length = in.read(chunk)) {
        out.write(ByteBuffer.wrap(chunk, 0, length));
      }
      out.commit();
    }
  }

  @Override
  public void close() {
    checkpoint.close();
  }

  @Override
  public String toString() {
    return path.toString();
  }
}
