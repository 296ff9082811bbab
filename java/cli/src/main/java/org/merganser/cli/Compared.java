// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import com.fasterxml.jackson.databind.node.NullNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.merganser.internal.io.PartialFile;
import org.merganser.lab.report.Section;

/** What measures found, in the forms that the command gives it. */
interface Compared {
  /** For the terminal. */
  void print(PrintWriter out);

  /** Fields of {@code results.json}, {@code measures} with the values by measure first. */
  Map<String, Object> facts();

  /** Parts of the page. */
  List<Section<?>> sections();

  /** Names of the files beside results and page. */
  List<String> files();

  /** Makes these files, without those that come with the page. */
  void write(Path folder) throws IOException;

  /** JSON has no NaN. */
  static Object number(double value) {
    return Double.isFinite(value) ? value : NullNode.instance;
  }

  /** The same, left out of rows. */
  static Double orNull(double value) {
    return Double.isFinite(value) ? value : null;
  }

  static String lower(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /** Before any work: that files can be written to a folder that is there or can be made. */
  static void requireFolder(Path folder) throws IOException {
    Path existing = folder.toAbsolutePath();
    while (!Files.exists(existing)) {
      existing = existing.getParent();
    }
    if (!Files.isDirectory(existing)) {
      throw new FileAlreadyExistsException(existing.toString());
    }
    PartialFile.requirePlace(existing.resolve(SimilarityCommand.RESULTS), 0);
  }
}
