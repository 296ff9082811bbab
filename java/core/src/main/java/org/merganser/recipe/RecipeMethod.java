// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.merganser.error.RecipeException;
import org.merganser.internal.Names;
import org.merganser.merge.Merger;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;
import org.merganser.recipe.Recipe.Case;
import org.merganser.recipe.Recipe.Parameter;

/**
 * The method of a recipe: parameters as mergekit spells them, made into settings of the catalogue's
 * method. A setting of a list takes one value of each model, any other one of the slice or recipe.
 */
final class RecipeMethod {
  /** What mergekit calls otherwise, beside underscores, plurals and the z of normalise. */
  private static final Map<String, String> SPELLINGS =
      Map.of(
          "multislerp", "multi-slerp",
          "normalize_weights", "normalise",
          "max_iter", "iterations",
          "tol", "tolerance",
          "nuslerp_flatten", "flatten",
          "nuslerp_row_wise", "row-wise");

  /** What a truth value means where there are more than two ways. */
  private static final Map<String, String> TRUTHS =
      Map.of(
          "normalise=true", "sum-to-one",
          "normalise=false", "as-given",
          "rescale=true", "inv-density",
          "rescale=false", "none");

  /** What mergekit does by default, or always, where there are other ways. */
  private static final Map<String, String> MERGEKIT = Map.of("rescale", "l1", "clamp", "false");

  /** Parameters without a default in mergekit. */
  private static final Set<String> REQUIRED = Set.of("weights", "t");

  /** Parameters of mergekit that change nothing in a result. */
  private static final Set<String> WITHOUT_EFFECT = Set.of("int8_mask");

  private static final String TASK_VECTORS = "task-vectors";

  private final String name;
  private final Catalogue.Entry<Merger> entry;
  private final boolean mergekit;
  private final Map<String, Settings.Entry> settings = new LinkedHashMap<>();
  private final Map<String, Merger> methods = new HashMap<>();

  /** Of settings that do not vary: the value, and where it came from. */
  private final Map<String, Found> fixed = new HashMap<>();

  /** Parameters of one place, under their names. */
  record Level(String place, Map<String, Parameter> parameters) {}

  /** A value, and where it stands. */
  private record Found(Object value, String place) {}

  /**
   * @param mergekit whether mergekit's defaults are taken where they differ
   */
  RecipeMethod(String name, boolean mergekit) {
    this.name = name;
    this.mergekit = mergekit;
    String id = SPELLINGS.getOrDefault(name, name.replace('_', '-'));
    boolean known = Catalogue.mergers().ids().contains(id);
    if (!known || Catalogue.mergers().entry(id).method().needs().objective()) {
      throw new RecipeException(
          "merge_method",
          "no method "
              + Names.quote(name)
              + (known ? " for recipes (it needs data)" : "")
              + "; "
              + Names.instead(name, methods()));
    }
    this.entry = Catalogue.mergers().entry(id);
    entry.settings().entries().forEach(setting -> settings.put(setting.name(), setting));
  }

  /** Names that a recipe may give. */
  private static Set<String> methods() {
    Set<String> names = new TreeSet<>();
    for (Catalogue.Entry<Merger> each : Catalogue.mergers().entries()) {
      if (!each.method().needs().objective()) {
        names.add(each.id().equals("multi-slerp") ? "multislerp" : each.id().replace('-', '_'));
      }
    }
    return names;
  }

  /** What it needs, with or without a base. */
  Merger.Needs needs(boolean base) {
    return entry.method(initial(base)).needs();
  }

  String id() {
    return entry.id();
  }

  /** Settings that follow from the method's name, and from whether there is a base. */
  private String initial(boolean base) {
    return base && settings.containsKey(TASK_VECTORS) ? TASK_VECTORS + "=true" : "";
  }

  /** Refuses parameters that it does not have, or not for one model. */
  void check(Level level, boolean model) {
    level
        .parameters()
        .forEach(
            (parameter, value) -> {
              String place = level.place() + "." + parameter;
              Optional<Settings.Entry> setting = setting(parameter);
              if (setting.isEmpty() && !WITHOUT_EFFECT.contains(parameter)) {
                throw new RecipeException(
                    place,
                    name
                        + " has no parameter "
                        + parameter
                        + "; "
                        + Names.instead(parameter, names()));
              }
              if (model && setting.isPresent() && !setting.get().list()) {
                throw new RecipeException(
                    place,
                    parameter
                        + " is one for all models, not for each; put it under the parameters of the"
                        + " recipe, or of a slice");
              }
            });
  }

  private Set<String> names() {
    Set<String> names = new TreeSet<>();
    for (Settings.Entry setting : settings.values()) {
      names.add(setting.name().equals("weights") ? "weight" : spelling(setting.name()));
    }
    names.remove(spelling(TASK_VECTORS));
    return names;
  }

  private String spelling(String setting) {
    for (Map.Entry<String, String> item : SPELLINGS.entrySet()) {
      boolean other = item.getKey().equals("normalize_weights") && !id().equals("multi-slerp");
      if (item.getValue().equals(setting) && !other) {
        return item.getKey();
      }
    }
    return setting.replace('-', '_').replace("normalise", "normalize");
  }

  private Optional<Settings.Entry> setting(String parameter) {
    String kebab = parameter.replace('_', '-');
    for (String candidate :
        List.of(
            SPELLINGS.getOrDefault(parameter, kebab),
            kebab,
            kebab + "s",
            kebab.replace("normalize", "normalise"))) {
      if (settings.containsKey(candidate) && !candidate.equals(TASK_VECTORS)) {
        return Optional.of(settings.get(candidate));
      }
    }
    return Optional.empty();
  }

  /**
   * With the settings of one tensor.
   *
   * @param common where values for all models stand, the strongest first
   * @param models likewise of each model
   * @param tensor its name in the result
   * @param sources its name in each model
   * @param at of its layer, 0 for the first, 1 for the last
   */
  Merger method(
      List<Level> common,
      List<List<Level>> models,
      String tensor,
      List<String> sources,
      double at,
      boolean base) {
    Map<String, String> given = new LinkedHashMap<>();
    Set<String> places = new LinkedHashSet<>();
    for (Settings.Entry setting : settings.values()) {
      List<String> texts = new ArrayList<>();
      for (Found found : found(setting, common, models, tensor, sources, at)) {
        texts.add(checked(setting, found));
        places.add(found.place());
      }
      if (!texts.isEmpty()) {
        given.put(setting.name(), String.join(":", texts));
      }
    }
    String text = initial(base);
    for (Map.Entry<String, String> item : given.entrySet()) {
      text += (text.isEmpty() ? "" : ",") + item.getKey() + "=" + item.getValue();
    }
    return methods.computeIfAbsent(text, t -> method(t, places));
  }

  private Merger method(String text, Set<String> places) {
    try {
      return entry.method(text);
    } catch (IllegalArgumentException e) {
      throw new RecipeException(
          places.stream().findFirst().orElse("merge_method"), e.getMessage(), e);
    }
  }

  /** One value, or one of each model, or none for the default. */
  private List<Found> found(
      Settings.Entry setting,
      List<Level> common,
      List<List<Level>> models,
      String tensor,
      List<String> sources,
      double at) {
    Found usual = new Found(setting.initial(), "merge_method");
    if (!setting.list()) {
      Optional<Found> found = find(setting, common, tensor, at);
      if (found.isEmpty() && isRequired(setting)) {
        throw new RecipeException(
            common.get(common.size() - 1).place(),
            name + " needs " + setting.name() + ", " + setting.help());
      }
      return found.or(() -> mergekit(setting)).stream().toList();
    }
    List<Found> all = new ArrayList<>();
    int given = 0;
    for (int k = 0; k < models.size(); k++) {
      Optional<Found> found = find(setting, models.get(k), sources.get(k), at);
      if (found.isEmpty() && isRequired(setting)) {
        throw new RecipeException(
            models.get(k).get(0).place(),
            "no weight of this model for "
                + Names.quote(sources.get(k))
                + "; give one to each model, or one for all under parameters of the recipe");
      }
      given += found.isPresent() ? 1 : 0;
      all.add(found.orElse(usual));
    }
    return given == 0 ? List.of() : all;
  }

  private boolean isRequired(Settings.Entry setting) {
    // What is measured weighs by itself.
    boolean weighed = entry.method().needs().importance() != Merger.Importance.NONE;
    return REQUIRED.contains(setting.name()) && !weighed;
  }

  private Optional<Found> mergekit(Settings.Entry setting) {
    String other = MERGEKIT.getOrDefault(setting.name(), "");
    return mergekit && setting.constants().contains(other)
        ? Optional.of(new Found(other, "merge_method"))
        : Optional.empty();
  }

  private Optional<Found> find(
      Settings.Entry setting, List<Level> levels, String tensor, double at) {
    for (Level level : levels) {
      for (Map.Entry<String, Parameter> item : level.parameters().entrySet()) {
        if (setting(item.getKey()).filter(setting::equals).isPresent()) {
          List<Case> cases = item.getValue().cases();
          for (int c = 0; c < cases.size(); c++) {
            if (cases.get(c).isFor(tensor)) {
              String place = level.place() + "." + item.getKey();
              return Optional.of(
                  new Found(
                      cases.get(c).at(at), cases.size() == 1 ? place : place + "[" + c + "]"));
            }
          }
        }
      }
    }
    return Optional.empty();
  }

  /** As text, if the setting may have that value. */
  private String checked(Settings.Entry setting, Found found) {
    if (!setting.varies()) {
      Found before = fixed.putIfAbsent(setting.name(), found);
      if (before != null && !text(setting, before).equals(text(setting, found))) {
        throw new RecipeException(
            found.place(),
            setting.name()
                + " is one for the whole merge, not "
                + text(setting, before)
                + " for one tensor and "
                + text(setting, found)
                + " for another");
      }
    }
    String text = text(setting, found);
    try {
      entry.settings().parse("", Map.of(setting.name(), text));
    } catch (IllegalArgumentException e) {
      // What concerns several settings, or models, is seen with all of them.
      if (e.getMessage().startsWith(setting.name() + " must be")) {
        throw new RecipeException(found.place(), e.getMessage(), e);
      }
    }
    return text;
  }

  private String text(Settings.Entry setting, Found found) {
    Object value = found.value();
    if (value instanceof Number number && !setting.constants().isEmpty()) {
      // Truth values of mergekit are numbers, too.
      double given = number.doubleValue();
      value = given == 1 ? Boolean.TRUE : given == 0 ? Boolean.FALSE : value;
    }
    if (value instanceof Double number
        && number == Math.rint(number)
        && Math.abs(number) < 1e15
        && !number.equals(-0.0)) {
      return String.valueOf(number.longValue());
    }
    String text = String.valueOf(value);
    boolean truth = value instanceof Boolean && !setting.constants().contains(text);
    if (!truth) {
      return text;
    }
    String other = MERGEKIT.getOrDefault(setting.name(), "");
    return mergekit && value.equals(true) && setting.constants().contains(other)
        ? other
        : TRUTHS.getOrDefault(setting.name() + "=" + text, text);
  }
}
