// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.merganser.compute.DType;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import picocli.CommandLine.Option;

/** How models are read, so that models that were stored differently fit. */
final class ModelOptions {
  /** Types that are computed in. */
  enum Type {
    F32,
    BF16,
    F16,
    F64;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "Reads the models' floating-point tensors as one type, and writes the result in TYPE:"
              + " ${COMPLETION-CANDIDATES}.")
  Type dtype;

  @Option(
      names = "--strip-prefix",
      paramLabel = "PREFIX",
      description =
          "Takes PREFIX off the names that begin with it, such as module. or _orig_mod. (may be"
              + " repeated).")
  List<String> prefixes = new ArrayList<>();

  @Option(
      names = "--ignore",
      paramLabel = "GLOB",
      description =
          "Leaves tensors of these names (* and ? stand for any characters) out of every model and"
              + " of the result, such as a tied lm_head.weight (may be repeated).")
  List<String> ignored = new ArrayList<>();

  /** The models as they are to be merged; views, which the files must outlive. */
  Models adapt(Models files) {
    List<Checkpoint> views = new ArrayList<>(files.checkpoints());
    if (prefixes.contains("") || ignored.contains("")) {
      throw new IllegalArgumentException(
          "--strip-prefix and --ignore need a value; a variable may not be set");
    }
    if (!prefixes.isEmpty()) {
      prefixes.forEach(p -> requireUse("--strip-prefix " + p, name -> name.startsWith(p), views));
      views.replaceAll(view -> view.withoutPrefix(prefixes));
    }
    if (!ignored.isEmpty()) {
      ignored.forEach(glob -> requireUse("--ignore " + glob, matches(glob), views));
      Predicate<String> any =
          ignored.stream().map(ModelOptions::matches).reduce(Predicate::or).orElseThrow();
      views.replaceAll(view -> view.where(any.negate()));
      if (views.stream().allMatch(view -> view.tensors().isEmpty())) {
        throw new IllegalArgumentException("--ignore leaves no tensor of any model");
      }
    }
    if (dtype != null) {
      // One rounding at the end: the mean is formed in a type that holds the models'.
      DType wide =
          dtype == Type.F64 || views.stream().anyMatch(this::hasDoubles) ? DType.F64 : DType.F32;
      views.replaceAll(view -> view.as(wide));
    }
    return new Models(files.paths(), views);
  }

  /** A merged model in the type that it is to be written in. */
  Checkpoint result(Checkpoint merged) {
    return dtype == null ? merged : merged.as(DType.valueOf(dtype.name()));
  }

  /** Names of tensors that are left out. */
  List<String> leftOut(Models files) {
    List<Predicate<String>> globs = ignored.stream().map(ModelOptions::matches).toList();
    return files.checkpoints().stream()
        .flatMap(model -> model.withoutPrefix(prefixes).tensors().keySet().stream())
        .distinct()
        .filter(name -> globs.stream().anyMatch(glob -> glob.test(name)))
        .map(Names::quote)
        .toList();
  }

  private boolean hasDoubles(Checkpoint model) {
    return model.tensors().values().stream().anyMatch(info -> info.dtype() == DType.F64);
  }

  private static void requireUse(String option, Predicate<String> wanted, List<Checkpoint> models) {
    if (models.stream().noneMatch(m -> m.tensors().keySet().stream().anyMatch(wanted))) {
      throw new IllegalArgumentException(option + " fits no tensor of any model");
    }
  }

  private static Predicate<String> matches(String glob) {
    String regex =
        glob.codePoints()
            .mapToObj(c -> c == '*' ? ".*" : c == '?' ? "." : Pattern.quote(Character.toString(c)))
            .collect(Collectors.joining());
    return Pattern.compile(regex, Pattern.DOTALL).asMatchPredicate();
  }
}
