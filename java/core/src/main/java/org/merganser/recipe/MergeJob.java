// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.ModelStore;
import org.merganser.io.Safetensors;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.TensorInfo;
import org.merganser.lora.LoraAdapter;

/**
 * A recipe with its models, checked and ready: the merged model is a view that computes what is
 * read.
 *
 * <pre>
 *   try (Workspace ws = Workspace.open();
 *       MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
 *     job.write(folder, ShardPlan.DEFAULT_SHARD_BYTES, ShardedWriter.Options.defaults(), ws);
 *   }
 * </pre>
 *
 * <p>Arithmetic is that of the methods: in F32 (F64 for F64), rounded once, into the {@code dtype}
 * of the recipe. mergekit converts the models to it first, and computes in it.
 */
public final class MergeJob implements AutoCloseable {
  private final Opened opened;
  private final Recipe recipe;
  private final Options options;
  private RecipeModels models;
  private List<SliceMerge> slices;
  private Checkpoint joined;
  private Checkpoint result;
  private ModelTensors tensors;
  private Repairing.Ready repair;

  /**
   * How a recipe is read.
   *
   * @param store where models are looked for
   * @param mergekit whether defaults are mergekit's where they differ, and models are converted
   *     before they are merged
   * @param source what the recipe was read from, for the model card; empty for its JSON
   * @param repair what becomes of the merged model before it is written
   */
  public record Options(
      ModelStore store, boolean mergekit, String source, Optional<Repairing> repair) {
    /** Paths and the hub's cache, our defaults. */
    public static Options defaults() {
      return new Options(ModelStore.of(List.of()), false, "", Optional.empty());
    }

    public Options withStore(ModelStore value) {
      return new Options(value, mergekit, source, repair);
    }

    public Options withMergekit(boolean value) {
      return new Options(store, value, source, repair);
    }

    public Options withSource(String value) {
      return new Options(store, mergekit, value, repair);
    }

    public Options withRepair(Repairing value) {
      return new Options(store, mergekit, source, Optional.of(value));
    }
  }

  /** A repair of the merged model, which runs it as a recipe cannot describe. */
  public interface Repairing {
    /** As {@code merganser.json} tells it; equal texts are equal repairs. */
    String description();

    /** Files that it reads: they are no place for the result, and have not changed when resumed. */
    List<Path> inputs() throws IOException;

    /**
     * Opens what it needs and refuses what it cannot repair; called once for a job, before a folder
     * is claimed, so nothing is lost.
     *
     * @param merged the model as it will be merged, of which only names, types and shapes are read
     * @return closed with the job
     */
    Ready prepare(Checkpoint merged) throws IOException;

    /** A repair that can be done. */
    interface Ready extends AutoCloseable {
      /**
       * Called at most once, before the first part is written.
       *
       * @param models as they were merged
       * @param shares how much each of them counts
       * @return of the same tensors as the merged model; closed with the job
       */
      Checkpoint repair(List<Checkpoint> models, List<Double> shares, Workspace ws)
          throws IOException;

      @Override
      void close();
    }
  }

  private MergeJob(Recipe recipe, Options options, Opened opened) {
    this.recipe = recipe;
    this.options = options;
    this.opened = opened;
  }

  /**
   * Opens the models and checks everything that does not need their values.
   *
   * @throws RecipeException when the recipe cannot be followed
   * @throws IncompatibleModelsException when the models do not fit each other
   */
  public static MergeJob open(Recipe recipe, Options options, Workspace ws) throws IOException {
    MergeJob job = new MergeJob(recipe, options, new Opened());
    try {
      job.compile(ws);
      return job;
    } catch (IOException | RuntimeException | Error e) {
      job.close();
      throw e;
    }
  }

  private void compile(Workspace ws) throws IOException {
    RecipeMethod method = new RecipeMethod(recipe.method(), options.mergekit());
    openModels();
    if (recipe.align().isPresent()) {
      List<String> reasons = new ArrayList<>();
      tensors.replace(
          RecipeSymmetry.isMeant(recipe)
              ? RecipeSymmetry.of(recipe, models(), reasons, ws)
              : RecipeAlignment.of(recipe, tensors, opened, reasons, ws),
          reasons);
    }
    slices = new RecipeCompiler(recipe, method, models(), tensors).compile();
    weigh();
    Optional<DType> target = recipe.outDtype().or(recipe::dtype);
    // Differences that a symmetry moved are rounded once, at the end: mergekit has none.
    if (recipe.dtype().isPresent() && options.mergekit() && !RecipeSymmetry.isMeant(recipe)) {
      slices.forEach(slice -> slice.as(recipe.dtype().get()));
    } else if (target.isPresent()) {
      widen(target.get());
    }
    List<Checkpoint> parts = new ArrayList<>();
    for (int s = 0; s < slices.size(); s++) {
      parts.add(slices.get(s).merge(ws));
    }
    joined = addsNothing() ? donor().checkpoint() : JoinedCheckpoint.of(parts);
    result = typed(joined);
    if (options.repair().isPresent()) {
      if (!recipe.slices().isEmpty()) {
        throw new RecipeException("repair", "whole models are repaired; write models, not slices");
      }
      repair = opened.add(options.repair().get().prepare(joined));
    } else if (!result.stale().isEmpty()) {
      throw new RecipeException(
          "align.method",
          "dense maps make %d normalisation statistics meaningless, and nothing resets them; take permutation, or give the recipe repair: with method: bn-reset"
              .formatted(result.stale().size()));
    }
    ResultFiles.check(this);
  }

  /** With lambda 0 the target is as it is stored: no -0 becomes 0, no gain is absorbed. */
  private boolean addsNothing() {
    return RecipeSymmetry.isMeant(recipe)
        && recipe.method().equals("task_arithmetic")
        && settings().keySet().stream()
            .allMatch(each -> each.get("lambda") instanceof Double lambda && lambda == 0);
  }

  private Checkpoint typed(Checkpoint merged) {
    Optional<DType> target = recipe.outDtype().or(recipe::dtype);
    if (target.isPresent()) {
      return merged.as(target.get());
    }
    return RecipeSymmetry.isMeant(recipe)
        ? JoinedCheckpoint.typed(merged, donor().checkpoint())
        : merged;
  }

  private Checkpoint repaired(Workspace ws) throws IOException {
    if (options.repair().isEmpty()) {
      return result;
    }
    SliceMerge all = slices.get(0);
    Checkpoint made = opened.add(repair.repair(all.merged(), all.shares(), ws));
    if (!made.stale().isEmpty()) {
      throw new RecipeException(
          "repair.method",
          "%d normalisation statistics are still meaningless after it; take bn-reset"
              .formatted(made.stale().size()));
    }
    return typed(made);
  }

  /** What models are weighed by, where the recipe names it. */
  private void weigh() throws IOException {
    if (importances().isEmpty()) {
      return;
    }
    if (recipe.align().isPresent()) {
      throw new RecipeException(
          "align", "importances are those of models as they are stored; leave out one of the two");
    }
    Map<String, Checkpoint> found = new LinkedHashMap<>();
    for (int m = 0; m < recipe.models().size(); m++) {
      Recipe.Input input = recipe.models().get(m);
      if (input.importance().isPresent()) {
        try {
          found.put(input.model(), opened.add(Safetensors.open(Path.of(input.importance().get()))));
        } catch (NoSuchFileException e) {
          throw new RecipeException("models[" + m + "].importance", e.getMessage(), e);
        }
      }
    }
    slices.forEach(slice -> slice.weigh(found));
  }

  /** Files of what models are weighed by. */
  List<Path> importances() {
    return recipe.models().stream()
        .flatMap(input -> input.importance().stream())
        .map(Path::of)
        .toList();
  }

  private void openModels() throws IOException {
    models = RecipeModels.open(recipe, options, opened);
    tensors = new ModelTensors(recipe, models());
  }

  /** One rounding at the end: unless all have the type already, they are read as a wider one. */
  private void widen(DType target) {
    List<TensorInfo> all = slices.stream().flatMap(MergeJob::arithmetic).toList();
    boolean doubles = target == DType.F64 || all.stream().anyMatch(i -> i.dtype() == DType.F64);
    if (all.stream().anyMatch(info -> info.dtype() != target)) {
      slices.forEach(slice -> slice.as(doubles ? DType.F64 : DType.F32));
    }
  }

  private static Stream<TensorInfo> arithmetic(SliceMerge slice) {
    return slice.sources().stream()
        .flatMap(source -> source.tensors().tensors().values().stream())
        .filter(info -> info.dtype().isArithmetic());
  }

  /** The merged model; a view that ends with this. */
  public Checkpoint result() {
    return result;
  }

  public Recipe recipe() {
    return recipe;
  }

  Options options() {
    return options;
  }

  /** The models by their names in the recipe. */
  Map<String, ModelDirectory> models() {
    return models.models();
  }

  /** Those that are folded into models, by the names of these. */
  Map<String, LoraAdapter> adapters() {
    return models.adapters();
  }

  /** Whose configuration and other files the result has: the base, or the first model. */
  ModelDirectory donor() {
    return models().get(donorName());
  }

  String donorName() {
    return recipe.references().keySet().iterator().next();
  }

  /** That of the result, where the recipe says something of it. */
  Optional<Vocabularies> vocabularies() {
    return tensors.vocabularies();
  }

  /** Rows of embeddings of the result, where they are not those of its models. */
  Optional<Integer> embeddingRows() {
    return tensors.embeddingRows();
  }

  /** Whether head and embeddings of the result differ, and its configuration must say so. */
  boolean unties() {
    return tensors.unties(donor(), result);
  }

  /** Files and folders that are read: models, adapters, importances, what aligns and repairs. */
  public List<Path> inputs() throws IOException {
    List<Path> inputs = new ArrayList<>(models.inputs());
    inputs.addAll(importances());
    if (options.repair().isPresent()) {
      inputs.addAll(options.repair().get().inputs());
    }
    recipe.align().ifPresent(align -> inputs.addAll(align.inputs()));
    return inputs;
  }

  /** Layers of the result, where it has others than its models. */
  Optional<Integer> layers() {
    return recipe.slices().isEmpty()
        ? Optional.empty()
        : Optional.of(
            recipe.slices().stream()
                .mapToInt(slice -> slice.sources().get(0).layers().orElseThrow().size())
                .sum());
  }

  /** Of each layer of the result, its number in the first model of its slice; empty for all. */
  List<Integer> layerNumbers() {
    return recipe.slices().stream()
        .map(slice -> slice.sources().get(0).layers().orElseThrow())
        .flatMap(layers -> IntStream.range(layers.from(), layers.to()).boxed())
        .toList();
  }

  /** Settings of the method, each with the tensors that have them. */
  Map<Map<String, Object>, List<String>> settings() {
    Map<Map<String, Object>, List<String>> all = new LinkedHashMap<>();
    for (SliceMerge slice : slices) {
      slice.settings().forEach((k, v) -> all.computeIfAbsent(k, s -> new ArrayList<>()).addAll(v));
    }
    return all;
  }

  /** What is worth knowing about the recipe, beside errors. */
  public List<String> notes() {
    List<String> notes = new ArrayList<>();
    slices.forEach(slice -> notes.addAll(slice.notes()));
    notes.addAll(tensors.notes());
    notes.addAll(models.notes());
    notes.addAll(ResultFiles.notes(this));
    return notes.stream().distinct().toList();
  }

  /** The merge in lines for people: models, method with its settings, result, notes. */
  public List<String> describe() {
    return new JobDescription(this).lines();
  }

  /** The files of the result and what writing them takes, before any data is read. */
  public ShardPlan plan(long shardBytes) throws IOException {
    return ShardPlan.of(result, shardBytes);
  }

  /**
   * Writes the result as a folder in the layout of Hugging Face, with configuration, tokenizer and
   * the like of the base or first model, a model card, and {@code merganser.json}, its provenance.
   *
   * @param shardBytes at most so many bytes of tensors in a file
   * @param how job, provenance and inputs are those of this job
   * @throws IncompatibleModelsException when an adapter has digests of another model
   */
  public void write(Path folder, long shardBytes, ShardedWriter.Options how, Workspace ws)
      throws IOException {
    models.requireBases(ws);
    ShardedWriter.Options options =
        how.withJob(Provenance.identity(this))
            .withProvenance(Provenance.json(this, how.digest() == ShardedWriter.Digest.FULL, ws))
            .withInputs(inputs());
    // Places and resumed parts are looked at before a network is run.
    try (ShardedWriter writer = ShardedWriter.open(plan(shardBytes), folder, options)) {
      Checkpoint made = writer.isFinished() ? result : repaired(ws);
      new ResultFiles(this).write(folder);
      writer.write(made, ws);
    }
  }

  /** Closes the models. */
  @Override
  public void close() {
    opened.close();
  }
}
