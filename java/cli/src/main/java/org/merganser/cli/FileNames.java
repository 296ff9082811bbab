// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.CommandLine.TypeConversionException;

/**
 * Names that Java cannot pass to the system. It takes the encoding of names from the locale when it
 * starts, and nothing changes it later: in the locale C a name beyond ASCII cannot be opened.
 */
final class FileNames {
  private static final char UNDECODED = '\ufffd';

  private FileNames() {}

  /** A path given on the command line. */
  static Path of(String name) {
    if (name.isEmpty()) {
      // Java takes it for the current folder.
      throw new TypeConversionException("the name is empty; a variable may not be set");
    }
    try {
      Path path = Path.of(name);
      if (name.indexOf(UNDECODED) >= 0 && !Files.exists(path)) {
        throw new TypeConversionException(undecoded(name));
      }
      return path;
    } catch (InvalidPathException e) {
      throw new TypeConversionException(message(e));
    }
  }

  static String message(InvalidPathException e) {
    String name = e.getInput();
    if (name.indexOf('\0') >= 0) {
      return "'" + name + "' is no file name: it holds a null character";
    }
    return undecoded(name);
  }

  private static String undecoded(String name) {
    String encoding = System.getProperty("sun.jnu.encoding");
    String remedy =
        encoding.equals("UTF-8")
            ? "rename the file, or give it a second name (ln -s)"
            : "set LC_ALL=C.UTF-8 first (bin/merganser does)";
    return "the name '%s' is not of this locale, whose encoding is %s; %s"
        .formatted(name, encoding, remedy);
  }
}
