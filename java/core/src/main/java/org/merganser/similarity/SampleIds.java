// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.merganser.internal.Names;

/**
 * Which samples activations are of: {@code FOLDER/samples.txt}, a line each, written beside the
 * layers by who exports them. Nothing in activations tells that their rows are of other samples,
 * and every measure would give a number.
 */
final class SampleIds {
  static final String FILE = "samples.txt";

  private SampleIds() {}

  /** Adds what does not fit; folders without any such file are taken as they are. */
  static void require(List<Path> folders, long samples, List<String> problems) throws IOException {
    List<Path> files = folders.stream().map(folder -> folder.resolve(FILE)).toList();
    List<Path> there = files.stream().filter(Files::isRegularFile).toList();
    if (there.isEmpty()) {
      return;
    }
    if (there.size() < files.size()) {
      Path missing = files.stream().filter(file -> !there.contains(file)).findFirst().orElseThrow();
      problems.add(
          "%s says which samples these are, and there is no %s; write both, or neither"
              .formatted(there.get(0), missing));
      return;
    }
    List<String> first = null;
    for (Path file : there) {
      List<String> ids = Files.readAllLines(file);
      if (ids.size() != samples) {
        problems.add("%s has %d lines for %d samples".formatted(file, ids.size(), samples));
      } else if (first == null) {
        first = ids;
      } else {
        compare(there.get(0), first, file, ids, problems);
      }
    }
  }

  private static void compare(
      Path file, List<String> ids, Path other, List<String> others, List<String> problems) {
    for (int i = 0; i < ids.size(); i++) {
      if (!ids.get(i).equals(others.get(i))) {
        problems.add(
            "sample %d is %s in %s and %s in %s; export the same samples in the same order"
                .formatted(i, Names.quote(ids.get(i)), file, Names.quote(others.get(i)), other));
        return;
      }
    }
  }
}
