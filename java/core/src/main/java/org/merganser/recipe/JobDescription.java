// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelDirectory;
import org.merganser.io.TensorInfo;

/** A job in lines for people. */
final class JobDescription {
  /** Groups of tensors with settings of their own that are shown. */
  private static final int SHOWN = 6;

  private final MergeJob job;

  JobDescription(MergeJob job) {
    this.job = job;
  }

  /** With the places of models. */
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    for (Map.Entry<String, ModelDirectory> model : job.models().entrySet()) {
      ModelDirectory found = model.getValue();
      lines.add(
          "model     " + model.getKey() + ": " + found.path() + ", " + size(found.checkpoint()));
    }
    job.adapters()
        .forEach(
            (name, adapter) ->
                lines.add(
                    "adapter   of %s: %s, in %d tensors"
                        .formatted(name, adapter.path().orElseThrow(), adapter.targets().size())));
    lines.addAll(portable());
    return lines;
  }

  /** What does not depend on the machine. */
  List<String> portable() {
    List<String> lines = new ArrayList<>();
    Recipe recipe = job.recipe();
    lines.add("method    " + recipe.method() + recipe.base().map(b -> ", base " + b).orElse(""));
    for (int s = 0; s < recipe.slices().size(); s++) {
      List<String> sources = new ArrayList<>();
      recipe
          .slices()
          .get(s)
          .sources()
          .forEach(i -> sources.add(i.model() + i.layers().map(l -> " " + l).orElse("")));
      lines.add("slice     " + s + ": " + String.join(", ", sources));
    }
    settings(lines);
    lines.add(
        "result    " + size(job.result()) + job.layers().map(n -> ", " + n + " layers").orElse(""));
    job.notes().forEach(note -> lines.add("note      " + note));
    return lines;
  }

  private void settings(List<String> lines) {
    Map<Map<String, Object>, List<String>> all = job.settings();
    int left = SHOWN;
    for (Map.Entry<Map<String, Object>, List<String>> item : all.entrySet()) {
      if (left-- == 0) {
        lines.add("settings  ... and " + (all.size() - SHOWN) + " more groups of tensors");
        return;
      }
      List<String> names = item.getValue();
      String which =
          all.size() == 1
              ? ""
              : " for "
                  + names.get(0)
                  + (names.size() == 1 ? "" : " and " + (names.size() - 1) + " more");
      lines.add("settings  " + text(item.getKey()) + which);
    }
  }

  private static String text(Map<String, Object> settings) {
    List<String> parts = new ArrayList<>();
    settings.forEach((name, value) -> parts.add(name + "=" + value));
    return parts.isEmpty() ? "none" : String.join(" ", parts);
  }

  private static String size(Checkpoint model) {
    long bytes = model.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
    return "%d tensors, %d parameters, %s"
        .formatted(model.tensors().size(), model.parameters(), bytes(bytes));
  }

  static String bytes(long bytes) {
    return bytes < 10_000_000
        ? bytes + " bytes"
        : String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
  }
}
