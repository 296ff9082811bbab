// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What {@link Guard} and {@link Scaling} are called with. */
record Arguments(
    boolean shortForm,
    boolean markdown,
    boolean help,
    Optional<Path> boundsFile,
    Optional<Path> out,
    String filter) {

  static Arguments parse(String... arguments) {
    boolean shortForm = false;
    boolean markdown = false;
    boolean help = false;
    Optional<Path> bounds = Optional.empty();
    Optional<Path> out = Optional.empty();
    String filter = "";
    for (int k = 0; k < arguments.length; k++) {
      switch (arguments[k]) {
        case "--short" -> shortForm = true;
        case "--markdown" -> markdown = true;
        case "-h", "--help" -> help = true;
        case "--bounds" -> bounds = Optional.of(value(arguments, ++k));
        case "--out" -> out = Optional.of(value(arguments, ++k));
        default -> {
          if (arguments[k].startsWith("-")) {
            throw new UsageException("unknown argument: " + arguments[k]);
          }
          if (!filter.isEmpty()) {
            throw new UsageException("two filters: " + filter + " and " + arguments[k]);
          }
          filter = arguments[k];
        }
      }
    }
    return new Arguments(shortForm, markdown, help, bounds, out, filter);
  }

  private static Path value(String[] arguments, int k) {
    if (k == arguments.length || arguments[k].startsWith("--")) {
      throw new UsageException(arguments[k - 1] + " needs a value");
    }
    return Path.of(arguments[k]);
  }

  /** All bounds of the file, that in the jar if none was given. */
  List<Bound> bounds() throws IOException {
    return boundsFile.isPresent() ? Bound.read(boundsFile.get()) : Bound.committed();
  }

  /** The lines of this form whose pair contains the filter. */
  List<Bound> pick(List<Bound> all) {
    List<Bound> picked =
        all.stream().filter(b -> b.shortForm() == shortForm && b.pair().contains(filter)).toList();
    if (picked.isEmpty()) {
      List<String> known =
          all.stream().filter(b -> b.shortForm() == shortForm).map(Bound::pair).toList();
      throw new UsageException("no pair contains \"" + filter + "\"; known: " + known);
    }
    return picked;
  }
}
