// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;
import org.merganser.similarity.SimilarityMeasure;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Shows what the catalogue holds. */
@Command(
    name = "methods",
    description = "Lists aligners, mergers, repairs and measures, or shows one with its settings.",
    footer = {
      "",
      "Settings follow the id: --method cca:gamma=0.1,unit=absolute. Items of a list are",
      "divided by colons: --merger linear:weights=1:3."
    })
final class MethodsCommand implements Runnable {
  @Spec CommandSpec spec;

  @Parameters(paramLabel = "ID", arity = "0..1", description = "One method (default: all).")
  String id;

  @Override
  public void run() {
    PrintWriter out = spec.commandLine().getOut();
    if (id == null) {
      Catalogue.kinds().forEach((kind, methods) -> list(kind, methods, out));
      return;
    }
    List<Catalogue.Entry<?>> all = new ArrayList<>();
    Catalogue.kinds().values().forEach(kind -> all.addAll(kind.entries()));
    String known = all.stream().map(Catalogue.Entry::id).collect(Collectors.joining(", "));
    Catalogue.Entry<?> found =
        all.stream()
            .filter(entry -> entry.id().equals(id))
            .findFirst()
            .orElseThrow(
                () -> new IllegalArgumentException("no method '" + id + "'; there are " + known));
    show(found, out);
  }

  private static void list(String kind, Catalogue.Methods<?> methods, PrintWriter out) {
    out.println(kind);
    for (Catalogue.Entry<?> entry : methods.entries()) {
      String settings =
          entry.settings().entries().stream()
              .map(Settings.Entry::toString)
              .collect(Collectors.joining(","));
      String end = settings.isEmpty() ? "" : " (" + settings + ")";
      out.printf("  %-23s %s%s%n", entry.id(), entry.summary(), end);
    }
  }

  private static void show(Catalogue.Entry<?> entry, PrintWriter out) {
    out.println(entry.id() + ": " + entry.summary());
    if (!entry.method().requires().isEmpty()) {
      out.println("needs " + entry.method().requires());
    }
    if (entry.method() instanceof SimilarityMeasure measure) {
      measure.explain().lines().skip(1).forEach(out::println);
    }
    if (entry.settings().entries().isEmpty()) {
      out.println("no settings");
    }
    for (Settings.Entry setting : entry.settings().entries()) {
      String varies = setting.varies() ? "; tensors and layers may have their own" : "";
      out.printf(
          "%n  %s%n      %s%n      %s%s%n",
          setting, setting.help(), (setting.type() + " " + setting.range()).strip(), varies);
    }
  }
}
