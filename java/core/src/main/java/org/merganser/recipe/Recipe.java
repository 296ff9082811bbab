// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.error.RecipeException;
import org.merganser.plan.Catalogue;

/**
 * What to merge, and how: mergekit's recipes as a value. {@link MergeJob} follows it.
 *
 * <pre>
 *   Recipe.of("ties", Input.of("a").with("weight", 0.6), Input.of("b").with("weight", 0.4))
 *       .withBase("base")
 *       .with("lambda", Parameter.gradient(0.8, 1))
 * </pre>
 *
 * @param method as mergekit spells it, {@code dare_ties}, or as {@link Catalogue} does
 * @param base the model whose differences are merged, or the first end of an interpolation
 * @param models to be merged as a whole; empty when there are slices
 * @param slices of layers, one after the other; empty when there are models
 * @param parameters of the method, for all models and slices that have none of their own
 * @param dtype of the result; by default that of the models, which must have one
 * @param outDtype in which the result is written, {@code dtype} by default
 * @param tokenizer the vocabulary of the result; without, models must have one size of embeddings
 * @param chatTemplate of the result
 * @param align how models are mapped to the features of the first before they are merged
 * @param fit what becomes of tensors that models do not have alike
 */
public record Recipe(
    String method,
    Optional<String> base,
    List<Input> models,
    List<Slice> slices,
    Map<String, Parameter> parameters,
    Optional<DType> dtype,
    Optional<DType> outDtype,
    Optional<Tokenizer> tokenizer,
    Optional<String> chatTemplate,
    Optional<Align> align,
    Fit fit) {

  /** Types that a result may have, under their names in recipes. */
  public static final Map<String, DType> TYPES =
      Map.of(
          "float16", DType.F16,
          "bfloat16", DType.BF16,
          "float32", DType.F32,
          "float64", DType.F64);

  public Recipe {
    models = List.copyOf(models);
    slices = List.copyOf(slices);
    parameters = copy(parameters);
    if (models.isEmpty() == slices.isEmpty()) {
      throw new RecipeException(
          "",
          models.isEmpty()
              ? "nothing to merge: give models, or slices"
              : "both models and slices: give one of them");
    }
  }

  /** Of whole models, the rest by default. */
  public static Recipe of(String method, Input... models) {
    return of(method, Arrays.asList(models), List.of());
  }

  /** Of slices, likewise. */
  public static Recipe of(String method, Slice... slices) {
    return of(method, List.of(), Arrays.asList(slices));
  }

  private static Recipe of(String method, List<Input> models, List<Slice> slices) {
    return new Recipe(
        method,
        Optional.empty(),
        models,
        slices,
        Map.of(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Fit.EXACT);
  }

  private Recipe with(Consumer<RecipeCopy> change) {
    return RecipeCopy.of(this, change);
  }

  public Recipe withBase(String model) {
    return with(copy -> copy.base = Optional.of(model));
  }

  /** With one more parameter. */
  public Recipe with(String name, Parameter value) {
    return with(copy -> copy.parameters = put(parameters, name, value));
  }

  /** With one more parameter, a number, truth value or text. */
  public Recipe with(String name, Object value) {
    return with(name, Parameter.of(value));
  }

  public Recipe withDtype(DType value) {
    return with(copy -> copy.dtype = Optional.of(value));
  }

  /** With the vocabulary of all models ({@code union}), of the base ({@code base}), or of one. */
  public Recipe withTokenizerSource(String value) {
    return withTokenizer(Tokenizer.of(value));
  }

  public Recipe withTokenizer(Tokenizer value) {
    return with(copy -> copy.tokenizer = Optional.of(value));
  }

  public Recipe withAlign(Align value) {
    return with(copy -> copy.align = Optional.of(value));
  }

  public Recipe withFit(Fit value) {
    return with(copy -> copy.fit = value);
  }

  /**
   * Maps into the features of the first model, which the base shares; or, with the method {@code
   * symmetry}, of what models learned since another one into the coordinates of the base or first
   * model ({@link SkillTransfer}).
   *
   * @param method an aligner, with settings, as {@link
   *     org.merganser.plan.Catalogue#aligner(String)} takes it, or {@code symmetry} with those of
   *     {@link SkillTransfer.Options}
   * @param architecture a builder file; empty for a stack of linear layers
   * @param activations a folder for each model, for aligners that need them
   * @param from the model that the others were trained from; of {@code symmetry}
   * @param element a file with the symmetry, which is found by weights otherwise
   */
  public record Align(
      String method,
      Optional<String> architecture,
      List<String> activations,
      Optional<String> from,
      Optional<String> element) {
    public Align {
      activations = List.copyOf(activations);
    }

    /** Of a stack of linear layers. */
    public static Align of(String method, String... activations) {
      Optional<String> none = Optional.empty();
      return new Align(method, none, List.of(activations), none, none);
    }

    public Align withFrom(String model) {
      return new Align(method, architecture, activations, Optional.of(model), element);
    }

    public Align withElement(String file) {
      return new Align(method, architecture, activations, from, Optional.of(file));
    }

    /** Files and folders that are read. */
    List<Path> inputs() {
      return Stream.of(architecture.stream(), activations.stream(), element.stream())
          .flatMap(paths -> paths)
          .map(Path::of)
          .toList();
    }
  }

  /**
   * One model of a merge.
   *
   * @param model a path, or a name that the {@link MergeJob} finds
   * @param layers of a slice; empty for the whole model
   * @param parameters for this model
   * @param importance file of what was measured on its data, for methods that weigh by it ({@link
   *     org.merganser.merge.Merger.Importance}); of whole models
   */
  public record Input(
      String model,
      Optional<Layers> layers,
      Map<String, Parameter> parameters,
      Optional<String> importance) {
    public Input {
      parameters = copy(parameters);
    }

    /** A whole model. */
    public static Input of(String model) {
      return new Input(model, Optional.empty(), Map.of(), Optional.empty());
    }

    /** Layers {@code from} (included) to {@code to} (excluded) of a model. */
    public static Input of(String model, int from, int to) {
      return new Input(model, Optional.of(new Layers(from, to)), Map.of(), Optional.empty());
    }

    /** With one more parameter. */
    public Input with(String name, Parameter value) {
      return new Input(model, layers, put(parameters, name, value), importance);
    }

    /** With a file of importances. */
    public Input withImportance(String file) {
      return new Input(model, layers, parameters, Optional.of(file));
    }

    /** With one more parameter, a number, truth value or text. */
    public Input with(String name, Object value) {
      return with(name, Parameter.of(value));
    }
  }

  /** Layers {@code from} (included) to {@code to} (excluded). */
  public record Layers(int from, int to) {
    public Layers {
      if (from < 0 || to <= from) {
        throw new IllegalArgumentException(
            "layers [%d, %d] are none; the second number is the first layer left out"
                .formatted(from, to));
      }
    }

    int size() {
      return to - from;
    }

    @Override
    public String toString() {
      return "[" + from + ", " + to + "]";
    }
  }

  /**
   * Layers of the result, made of as many layers of each source.
   *
   * @param base instead of the recipe's
   * @param parameters for this slice
   */
  public record Slice(
      List<Input> sources, Optional<String> base, Map<String, Parameter> parameters) {
    public Slice {
      sources = List.copyOf(sources);
      parameters = copy(parameters);
    }

    public static Slice of(Input... sources) {
      return new Slice(Arrays.asList(sources), Optional.empty(), Map.of());
    }

    /** With one more parameter. */
    public Slice with(String name, Parameter value) {
      return new Slice(sources, base, put(parameters, name, value));
    }
  }

  /**
   * A value that may depend on the tensor: of the first case whose filter is part of its name.
   *
   * @param cases in order, at least one
   */
  public record Parameter(List<Case> cases) {
    public Parameter {
      cases = List.copyOf(cases);
      if (cases.isEmpty()) {
        throw new IllegalArgumentException("a parameter must have a value");
      }
    }

    /** The same for all. */
    public static Parameter of(Object value) {
      return new Parameter(List.of(new Case(Optional.empty(), List.of(value))));
    }

    /** Values from the first layer to the last, interpolated between them. */
    public static Parameter gradient(double... values) {
      return new Parameter(
          List.of(new Case(Optional.empty(), List.copyOf(Arrays.stream(values).boxed().toList()))));
    }

    /** A value for tensors whose name holds the filter, and otherwise what this gives. */
    public Parameter where(String filter, Object... values) {
      List<Case> all = new ArrayList<>();
      all.add(new Case(Optional.of(filter), Arrays.asList(values)));
      all.addAll(cases);
      return new Parameter(all);
    }
  }

  /**
   * One value of a parameter.
   *
   * @param filter part of the name of the tensors that it is for; empty, or {@code *}, for all
   * @param values numbers, truth values or texts, at least one; several go from the first layer to
   *     the last
   */
  public record Case(Optional<String> filter, List<Object> values) {
    public Case {
      values =
          values.stream()
              .map(v -> v instanceof Number number ? (Object) number.doubleValue() : v)
              .toList();
      for (Object value : values) {
        boolean known =
            value instanceof Double || value instanceof Boolean || value instanceof String;
        if (!known) {
          throw new IllegalArgumentException(
              "a value of a parameter must be a number, a truth value or a text, not " + value);
        }
      }
      if (values.isEmpty()) {
        throw new IllegalArgumentException("a parameter must have a value");
      }
    }

    boolean isFor(String tensor) {
      return filter.isEmpty() || filter.get().equals("*") || tensor.contains(filter.get());
    }

    /**
     * The value of a layer: numbers are interpolated, of others that before it is taken.
     *
     * @param at from 0, the first layer, to 1, the last
     */
    Object at(double at) {
      double scaled = at * (values.size() - 1);
      int before = (int) scaled;
      if (!values.stream().allMatch(value -> value instanceof Double)) {
        return values.get(before);
      }
      int after = Math.min(values.size() - 1, before + 1);
      double part = scaled - before;
      return (1 - part) * (double) values.get(before) + part * (double) values.get(after);
    }
  }

  /** As JSON, in the keys of mergekit's YAML. */
  public String toJson() {
    return RecipeJson.write(this);
  }

  /** Every model that is named, the base first, with the place where it is first. */
  Map<String, String> references() {
    Map<String, String> all = new LinkedHashMap<>();
    base.ifPresent(name -> all.put(name, "base_model"));
    for (int m = 0; m < models.size(); m++) {
      all.putIfAbsent(models.get(m).model(), "models[" + m + "].model");
    }
    for (int s = 0; s < slices.size(); s++) {
      String place = "slices[" + s + "]";
      slices.get(s).base().ifPresent(name -> all.putIfAbsent(name, place + ".base_model"));
      List<Input> sources = slices.get(s).sources();
      for (int i = 0; i < sources.size(); i++) {
        all.putIfAbsent(sources.get(i).model(), place + ".sources[" + i + "].model");
      }
    }
    align.flatMap(Align::from).ifPresent(name -> all.putIfAbsent(name, "align.from"));
    return all;
  }

  private static Map<String, Parameter> copy(Map<String, Parameter> parameters) {
    return Collections.unmodifiableMap(new LinkedHashMap<>(parameters));
  }

  private static Map<String, Parameter> put(
      Map<String, Parameter> parameters, String name, Parameter value) {
    Map<String, Parameter> more = new LinkedHashMap<>(parameters);
    more.put(name, value);
    return more;
  }
}
