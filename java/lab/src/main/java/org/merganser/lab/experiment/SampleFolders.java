// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** What becomes of folders of samples when these are not needed any more. */
final class SampleFolders {
  private SampleFolders() {}

  /**
   * The files of a store of samples, whole and partial, and its folder when nothing else is there.
   */
  static void removeStore(Path folder) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "{seed*,samples.txt}*")) {
      for (Path file : files) {
        Files.delete(file);
      }
    }
    removeEmpty(folder);
  }

  static void removeEmpty(Path folder) throws IOException {
    try {
      Files.deleteIfExists(folder);
    } catch (DirectoryNotEmptyException e) {
      // Samples that are kept, or that an interrupted run goes on from; files of the user.
    }
  }

  /** With all that is in it: a temporary one, which nobody finds again. */
  static void removeAll(Path folder) throws IOException {
    List<Path> inside;
    try (Stream<Path> walk = Files.walk(folder)) {
      inside = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path each : inside) {
      Files.delete(each);
    }
  }
}
