// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.merganser.compute.Workspace;
import org.merganser.error.RecipeException;
import org.merganser.io.ModelStore;
import org.merganser.recipe.MergeJob;
import picocli.CommandLine.Option;

/** How recipes are read. */
final class RecipeOptions {
  /** Whose defaults and arithmetic a recipe means. */
  enum Compat {
    MERGANSER,
    MERGEKIT
  }

  @Option(
      names = "--models",
      paramLabel = "DIR",
      description =
          "For recipes: a folder in which models that are no paths lie under their names, such as"
              + " DIR/org/name (may be repeated).")
  List<Path> folders = new ArrayList<>();

  @Option(
      names = "--compat",
      paramLabel = "WHOSE",
      defaultValue = "merganser",
      description =
          "For recipes: mergekit takes its defaults where they differ (docs/mergekit.md)"
              + " (default: ${DEFAULT-VALUE}).")
  Compat compat;

  /** Whether a path names a recipe. */
  static boolean isRecipe(Path path) {
    String name = String.valueOf(path.getFileName()).toLowerCase(Locale.ROOT);
    return name.endsWith(".yml") || name.endsWith(".yaml");
  }

  /** A recipe with its models; errors say where in the file. */
  MergeJob open(RecipeFile file, Workspace ws) throws IOException {
    try {
      MergeJob.Options options =
          MergeJob.Options.defaults()
              .withStore(ModelStore.of(folders))
              .withMergekit(compat == Compat.MERGEKIT)
              .withSource(file.text());
      MergeJob.Options all = file.repair().map(options::withRepair).orElse(options);
      return MergeJob.open(file.recipe(), all, ws);
    } catch (RecipeException e) {
      throw file.located(e);
    }
  }
}
