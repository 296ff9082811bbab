// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.merganser.compute.DType;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import picocli.CommandLine.Option;

/** How models are read, so that models that were stored differently fit. */
final class ModelOptions {
  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "Reads the models' floating-point tensors as one type, and writes the result in TYPE:"
              + " f32, bf16, f16 or f64.")
  DType dtype;

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

  private final Set<String> leftOut = new TreeSet<>();

  /** The models as they are to be merged; views, which the files must outlive. */
  List<Checkpoint> adapt(List<Checkpoint> files) {
    List<Checkpoint> views = new ArrayList<>(files);
    if (prefixes.contains("") || ignored.contains("")) {
      throw new IllegalArgumentException(
          "--strip-prefix and --ignore need a value; a variable may not be set");
    }
    for (String prefix : prefixes) {
      named("--strip-prefix " + prefix, name -> name.startsWith(prefix), views);
    }
    views.replaceAll(view -> view.withoutPrefix(prefixes));
    for (String glob : ignored) {
      leftOut.addAll(named("--ignore " + glob, matches(glob), views));
    }
    views.replaceAll(view -> view.where(name -> !leftOut.contains(name)));
    if (views.stream().allMatch(view -> view.tensors().isEmpty())) {
      throw new IllegalArgumentException("--ignore leaves no tensor of any model");
    }
    if (dtype != null) {
      // One rounding at the end: the mean is formed in a type that holds the models'.
      DType wide =
          dtype == DType.F64 || views.stream().anyMatch(ModelOptions::hasDoubles)
              ? DType.F64
              : DType.F32;
      views.replaceAll(view -> view.as(wide));
    }
    return views;
  }

  /** A merged model in the type that it is to be written in. */
  Checkpoint result(Checkpoint merged) {
    return dtype == null ? merged : merged.as(dtype);
  }

  /** What of these options is not usual. */
  void describe(MergeManifest manifest) {
    manifest.put("dtype", dtype);
    manifest.put("strip_prefix", prefixes);
    manifest.put("ignore", ignored);
  }

  /** Says which tensors are left out. */
  void tell(PrintWriter out) {
    if (!leftOut.isEmpty()) {
      out.println("left out: " + leftOut.stream().map(Names::quote).toList());
    }
  }

  private static boolean hasDoubles(Checkpoint model) {
    return model.tensors().values().stream().anyMatch(info -> info.dtype() == DType.F64);
  }

  /** The tensors that an option means, of all models; an option that means none is a slip. */
  private static List<String> named(
      String option, Predicate<String> wanted, List<Checkpoint> models) {
    List<String> found =
        models.stream().flatMap(model -> model.tensors().keySet().stream()).filter(wanted).toList();
    if (found.isEmpty()) {
      throw new IllegalArgumentException(option + " fits no tensor of any model");
    }
    return found;
  }

  private static Predicate<String> matches(String glob) {
    String regex =
        glob.codePoints()
            .mapToObj(c -> c == '*' ? ".*" : c == '?' ? "." : Pattern.quote(Character.toString(c)))
            .collect(Collectors.joining());
    return Pattern.compile(regex, Pattern.DOTALL).asMatchPredicate();
  }
}
