// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.plan.Recipe.Input;
import org.merganser.plan.Recipe.Slice;

/**
 * A recipe with its models, checked and ready: the merged model is a view that computes what is
 * read.
 *
 * <pre>
 *   try (Workspace ws = Workspace.open();
 *       MergeJob job = MergeJob.open(recipe, MergeJob.Options.defaults(), ws)) {
 *     Safetensors.write(job.result(), out, ws);
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
  private final Map<String, Checkpoint> models = new LinkedHashMap<>();
  private Checkpoint result;

  /**
   * How a recipe is read.
   *
   * @param folders where models are looked for that are no paths
   * @param mergekit whether defaults are mergekit's where they differ, and models are converted
   *     before they are merged
   */
  public record Options(List<Path> folders, boolean mergekit) {
    public Options {
      folders = List.copyOf(folders);
    }

    /** Paths only, our defaults. */
    public static Options defaults() {
      return new Options(List.of(), false);
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
    List<SliceMerge> slices = recipe.slices().isEmpty() ? List.of(whole(method)) : slices(method);
    Optional<DType> target = recipe.outDtype().or(recipe::dtype);
    if (recipe.dtype().isPresent() && options.mergekit()) {
      slices.forEach(slice -> slice.as(recipe.dtype().get()));
    } else if (target.isPresent()) {
      List<TensorInfo> all = slices.stream().flatMap(MergeJob::arithmetic).toList();
      boolean wide =
          target.get() == DType.F64 || all.stream().anyMatch(i -> i.dtype() == DType.F64);
      if (all.stream().anyMatch(info -> info.dtype() != target.get())) {
        slices.forEach(slice -> slice.as(wide ? DType.F64 : DType.F32));
      }
    }
    List<Checkpoint> parts = new ArrayList<>();
    for (int s = 0; s < slices.size(); s++) {
      parts.add(slices.get(s).merge(recipe.slices().isEmpty() ? "models" : slicePlace(s), ws));
    }
    Checkpoint joined = JoinedCheckpoint.of(parts);
    result = target.isPresent() ? joined.as(target.get()) : joined;
  }

  private static Stream<TensorInfo> arithmetic(SliceMerge slice) {
    return slice.sources().stream()
        .flatMap(source -> source.tensors().tensors().values().stream())
        .filter(info -> info.dtype().isArithmetic());
  }

  private SliceMerge whole(RecipeMethod method) throws IOException {
    List<RecipeSource> sources = new ArrayList<>();
    for (int m = 0; m < recipe.models().size(); m++) {
      Input input = recipe.models().get(m);
      String place = "models[" + m + "]";
      if (input.layers().isPresent()) {
        throw new RecipeException(
            place + ".layer_range",
            "layers are chosen in slices; write slices: instead of models:");
      }
      sources.add(RecipeSource.whole(place, input, open(place + ".model", input.model())));
    }
    Optional<String> base = recipe.base();
    if (base.isPresent() && sources.stream().noneMatch(s -> s.input().model().equals(base.get()))) {
      requireUsed(method, sources.size());
      Input input = Input.of(base.get());
      sources.add(RecipeSource.whole("base_model", input, open("base_model", base.get())));
    }
    return new SliceMerge(method, sources, base, List.of(global()));
  }

  private void requireUsed(RecipeMethod method, int models) {
    var needs = method.needs(true);
    boolean second = needs.fewest() == models + 1 && needs.most() == models + 1;
    if (!needs.base() && !second) {
      throw new RecipeException(
          "base_model",
          recipe.method()
              + " uses no base; list "
              + recipe.base().get()
              + " under models if it is to be merged, or take base_model out");
    }
  }

  private List<SliceMerge> slices(RecipeMethod method) throws IOException {
    List<SliceMerge> merges = new ArrayList<>();
    int layers = 0;
    for (int s = 0; s < recipe.slices().size(); s++) {
      Slice slice = recipe.slices().get(s);
      List<RecipeSource> sources = new ArrayList<>();
      for (int i = 0; i < slice.sources().size(); i++) {
        sources.add(source(s, i, layers));
      }
      Optional<String> base = slice.base().or(recipe::base);
      requireBase(method, s, base);
      List<RecipeMethod.Level> common =
          List.of(
              new RecipeMethod.Level(slicePlace(s) + ".parameters", slice.parameters()), global());
      merges.add(new SliceMerge(method, sources, base, common));
      layers += slice.sources().get(0).layers().orElseThrow().size();
    }
    return merges;
  }

  private RecipeSource source(int s, int i, int layersBefore) throws IOException {
    Slice slice = recipe.slices().get(s);
    Input input = slice.sources().get(i);
    String place = slicePlace(s) + ".sources[" + i + "]";
    if (input.layers().isEmpty()) {
      throw new RecipeException(place, "no layer_range; write layer_range: [0, 32] for 32 layers");
    }
    Recipe.Layers first = slice.sources().get(0).layers().orElseThrow();
    if (input.layers().get().size() != first.size()) {
      throw new RecipeException(
          place + ".layer_range",
          "%d layers, where the first source of the slice has %d"
              .formatted(input.layers().get().size(), first.size()));
    }
    Checkpoint model = open(place + ".model", input.model());
    boolean last = s == recipe.slices().size() - 1;
    return RecipeSource.slice(place, input, model, layersBefore, last, Optional.empty());
  }

  private void requireBase(RecipeMethod method, int s, Optional<String> base) {
    boolean listed =
        base.isPresent()
            && recipe.slices().get(s).sources().stream()
                .anyMatch(source -> source.model().equals(base.get()));
    if (base.isPresent() && method.needs(true).base() && !listed) {
      throw new RecipeException(
          slicePlace(s) + ".sources",
          "the base "
              + base.get()
              + " is not among the sources; list it with the layers that these are compared with");
    }
  }

  private static String slicePlace(int s) {
    return "slices[" + s + "]";
  }

  private RecipeMethod.Level global() {
    return new RecipeMethod.Level("parameters", recipe.parameters());
  }

  private Checkpoint open(String place, String reference) throws IOException {
    Checkpoint model = models.get(reference);
    if (model == null) {
      model = opened.add(Safetensors.open(find(place, reference)));
      models.put(reference, model);
    }
    return model;
  }

  private Path find(String place, String reference) {
    Path path = Path.of(reference);
    if (Files.exists(path)) {
      return path;
    }
    for (Path folder : options.folders()) {
      if (Files.exists(folder.resolve(reference))) {
        return folder.resolve(reference);
      }
    }
    throw new RecipeException(
        place,
        "no model " + reference + (options.folders().isEmpty() ? "" : " in " + options.folders()));
  }

  /** The merged model; a view that ends with this. */
  public Checkpoint result() {
    return result;
  }

  public Recipe recipe() {
    return recipe;
  }

  /** Closes the models. */
  @Override
  public void close() {
    opened.close();
  }
}
