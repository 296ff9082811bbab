// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what the catalogue holds. */
@Command(
    name = "methods",
    mixinStandardHelpOptions = true,
    description = "Lists aligners, mergers and repairs, or shows one with its settings.",
    footer = {
      "",
      "Settings follow the id: --method cca:gamma=0.1,unit=absolute. Items of a list are",
      "divided by colons: --merger linear:weights=1:3."
    })
final class MethodsCommand implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Parameters(
      paramLabel = "ID",
      arity = "0..1",
      completionCandidates = Ids.class,
      description = "One method (default: all).")
  String id;

  /** Of all kinds. */
  static final class Ids implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return entries().map(Catalogue.Entry::id).iterator();
    }
  }

  private static Stream<Catalogue.Entry<?>> entries() {
    return Catalogue.kinds().values().stream().flatMap(kind -> kind.entries().stream());
  }

  @Override
  public Integer call() {
    PrintWriter print = spec.commandLine().getOut();
    if (id == null) {
      Catalogue.kinds()
          .forEach(
              (kind, methods) -> {
                print.println(kind);
                methods.entries().forEach(entry -> line(entry, print));
              });
    } else {
      Catalogue.Entry<?> found =
          entries()
              .filter(entry -> entry.id().equals(id))
              .findFirst()
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          "no method '"
                              + id
                              + "'; there are "
                              + String.join(", ", entries().map(Catalogue.Entry::id).toList())));
      show(found, print);
    }
    print.flush();
    return 0;
  }

  private static void line(Catalogue.Entry<?> entry, PrintWriter print) {
    List<String> defaults = new ArrayList<>();
    for (Settings.Entry setting : entry.settings().entries()) {
      defaults.add(setting.name() + "=" + setting.initial());
    }
    String end = defaults.isEmpty() ? "" : " (" + String.join(",", defaults) + ")";
    print.println(String.format(Locale.ROOT, "  %-20s%s%s", entry.id(), entry.summary(), end));
  }

  private static void show(Catalogue.Entry<?> entry, PrintWriter print) {
    print.println(entry.id() + ": " + entry.summary());
    if (!entry.method().requires().isEmpty()) {
      print.println("needs " + entry.method().requires());
    }
    if (entry.settings().entries().isEmpty()) {
      print.println("no settings");
    }
    for (Settings.Entry setting : entry.settings().entries()) {
      print.println();
      print.println("  " + setting.name() + "=" + setting.initial());
      print.println("      " + setting.help());
      print.println(
          "      "
              + setting.type()
              + (setting.range().isEmpty() ? "" : " " + setting.range())
              + (setting.varies() ? "; tensors and layers may have their own" : ""));
    }
  }
}
