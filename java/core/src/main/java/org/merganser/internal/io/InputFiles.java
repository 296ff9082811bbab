// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The files that are read where a file or folder is given. */
public final class InputFiles {
  private InputFiles() {}

  /**
   * The file itself, or those of the folder in order of their names: not those of folders in it,
   * which nothing reads. Links are followed; what is no file, a pipe for example, is left out.
   */
  public static List<Path> of(Path fileOrFolder) throws IOException {
    if (!Files.isDirectory(fileOrFolder)) {
      return Stream.of(fileOrFolder).filter(Files::isRegularFile).toList();
    }
    try (Stream<Path> inside = Files.list(fileOrFolder)) {
      return inside.filter(Files::isRegularFile).sorted().toList();
    }
  }
}
