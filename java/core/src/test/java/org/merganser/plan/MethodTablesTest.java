// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.merganser.method.Settings;
import org.merganser.symmetry.SymmetryAligner;

/**
 * The tables of methods and their settings in README and docs are those of the catalogue. After a
 * change, {@code -Dmerganser.updateTables=true} writes them.
 */
class MethodTablesTest {
  private static final Path ROOT = Path.of("..", "..");
  private static final String BEGIN = "<!-- methods: written by MethodTablesTest -->\n";
  private static final String END = "<!-- end of methods -->\n";

  @Test
  void theReadmeListsTheMethods() throws IOException {
    StringBuilder tables = new StringBuilder();
    for (Map.Entry<String, Catalogue.Methods<?>> kind : Catalogue.kinds().entrySet()) {
      tables
          .append("\n| ")
          .append(kind.getKey())
          .append(" | what it does | needs | settings |\n|---|---|---|---|\n");
      for (Catalogue.Entry<?> entry : kind.getValue().entries()) {
        tables
            .append("| `" + entry.id() + "` | " + entry.summary() + " | ")
            .append(entry.method().requires() + " | ")
            .append(
                entry.settings().entries().stream()
                    .map(setting -> "`" + setting + "`")
                    .collect(Collectors.joining(" ")))
            .append(" |\n");
      }
    }
    hold(ROOT.resolve("README.md"), tables.append('\n').toString());
  }

  @Test
  void thePageOfMethodsHasTheirSettings() throws IOException {
    StringBuilder page = new StringBuilder();
    for (Map.Entry<String, Catalogue.Methods<?>> kind : Catalogue.kinds().entrySet()) {
      String title = kind.getKey().substring(0, 1).toUpperCase(Locale.ROOT);
      page.append("\n## ").append(title).append(kind.getKey().substring(1)).append('\n');
      for (Catalogue.Entry<?> entry : kind.getValue().entries()) {
        page.append("\n### `" + entry.id() + "`\n\n" + sentence(entry.summary()));
        String needs = entry.method().requires();
        page.append(needs.isEmpty() ? "\n" : " Needs " + needs + ".\n");
        page.append(table(entry.settings().entries()));
      }
    }
    hold(ROOT.resolve("docs").resolve("methods.md"), page.append('\n').toString());
  }

  @Test
  void thePageOfSymmetriesHasTheirSettings() throws IOException {
    hold(
        ROOT.resolve("docs").resolve("symmetry-alignment.md"),
        table(Settings.of(SymmetryAligner.Options.defaults()).entries()) + "\n");
  }

  private static String table(List<Settings.Entry> settings) {
    StringBuilder table = new StringBuilder();
    if (!settings.isEmpty()) {
      table.append("\n| setting | default | values | what it is |\n|---|---|---|---|\n");
    }
    for (Settings.Entry setting : settings) {
      table
          .append("| `" + setting.name() + "` | `" + setting.initial() + "` | ")
          .append((setting.type() + " " + setting.range()).strip())
          .append(" | " + setting.help())
          .append(setting.with().isEmpty() ? "" : "; with `" + setting.with() + "`")
          .append(setting.varies() ? "; may vary over tensors and layers |\n" : " |\n");
    }
    return table.toString();
  }

  private static String sentence(String summary) {
    return summary.substring(0, 1).toUpperCase(Locale.ROOT) + summary.substring(1) + ".";
  }

  private static void hold(Path file, String wanted) throws IOException {
    String text = Files.readString(file);
    int from = text.indexOf(BEGIN) + BEGIN.length();
    int to = text.indexOf(END);
    assertThat(to).as("marks in " + file).isGreaterThanOrEqualTo(from);
    if (Boolean.getBoolean("merganser.updateTables")) {
      Files.writeString(file, text.substring(0, from) + wanted + text.substring(to));
    } else {
      assertThat(text.substring(from, to))
          .as(
              file
                  + "; mvn -pl java/core -am package -Dtest=MethodTablesTest"
                  + " -Dsurefire.failIfNoSpecifiedTests=false -Dmerganser.updateTables=true")
          .isEqualTo(wanted);
    }
  }
}
