// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.lab.report.Json;
import org.merganser.lora.LoraAdapter;
import org.merganser.merge.Interference;
import org.merganser.merge.MergeProblem;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** How task vectors are in each other's way. */
@Command(
    name = "interference",
    description =
        "Measures how what models learned since their base is in each other's way: lengths of the"
            + " differences, cosines between them, opposite signs, and what the election of signs"
            + " of TIES keeps, by tensor and in all.",
    footer = {
      "",
      "Example:",
      "  merganser interference math code --base base --json interference.json",
      "  merganser interference --adapters math-lora code-lora",
      "  merganser interference --adapters math-lora code-lora --base base"
    })
final class InterferenceCommand extends Computation {
  private static final String LINE = "%-48s %12s %10s %10s %10s %10s%n";

  @Mixin ModelOptions forms;

  @Parameters(
      paramLabel = "MODEL",
      arity = "1..*",
      description = "Checkpoints that were trained from the base, or folders of adapters.")
  List<Path> models;

  @Option(
      names = "--base",
      paramLabel = "BASE",
      description = "The model that they were trained from.")
  Path base;

  @Option(
      names = "--adapters",
      description =
          "They are adapters (LoRA, in PEFT's layout): lengths and cosines from their factors, which"
              + " need no base; with --base all of the model with each in its weights.")
  boolean adapters;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes all numbers as JSON too.")
  Path json;

  @Option(names = "--force", description = "Replaces an existing FILE of any kind.")
  boolean force;

  @Override
  void run(PrintWriter out) throws IOException {
    if (base == null && !adapters) {
      throw new IllegalArgumentException(
          "what models learned is their difference to a base: give --base; adapters (--adapters)"
              + " need none");
    }
    Output output = new Output();
    output.force = force;
    output = output.beside("--json", json);
    if (json != null) {
      List<Path> checkpoints =
          Stream.concat(adapters ? Stream.empty() : models.stream(), Stream.ofNullable(base))
              .toList();
      output.check(Output.Kind.INTERFERENCE, checkpoints, adapters ? models : List.of());
    }
    try (Workspace ws = open(0);
        Opened opened = new Opened()) {
      Interference found = measure(opened, out, ws);
      print(found, out);
      if (json != null) {
        Json.write(facts(found), json);
        out.println(output.wrote());
      }
    }
  }

  private Interference measure(Opened opened, PrintWriter out, Workspace ws) throws IOException {
    List<LoraAdapter> factors = new ArrayList<>();
    for (Path model : adapters ? models : List.<Path>of()) {
      factors.add(opened.add(LoraAdapter.open(model)));
    }
    if (base == null) {
      return Interference.ofAdapters(factors, ws);
    }
    Checkpoint origin = opened.add(Safetensors.open(base));
    List<Checkpoint> all = new ArrayList<>();
    // Rounded to the type of the base an adapter would be lost in part, or as a whole.
    Checkpoint wide = adapters ? origin.as(DType.F64) : origin;
    for (LoraAdapter adapter : factors) {
      adapter.requireBase(origin, ws);
      all.add(adapter.fold(wide));
    }
    for (Path model : adapters ? List.<Path>of() : models) {
      all.add(opened.add(Safetensors.open(model)));
    }
    all.add(wide);
    List<Checkpoint> views = forms.adapt(all);
    forms.tell(out);
    MergeProblem problem = MergeProblem.of(views.subList(0, models.size()));
    return Interference.of(problem.withBase(views.get(models.size())), ws);
  }

  private void print(Interference found, PrintWriter out) {
    out.printf(LINE, "tensor", "elements", "mean |d|", "cosine", "conflict", "kept");
    found.tensors().forEach((name, of) -> print(Printable.line(name), of, out));
    Interference.Of all = found.all();
    print("all", all, out);
    for (int k = 0; k < all.models(); k++) {
      int model = k;
      List<String> cosines =
          IntStream.range(0, all.models())
              .mapToObj(j -> "%.4f".formatted(all.cosine(model, j)))
              .toList();
      out.printf(
          "%s: |d| = %.4g, cosines %s%n",
          Printable.line(models.get(k)), all.norm(k), String.join(" ", cosines));
    }
  }

  private static void print(String name, Interference.Of of, PrintWriter out) {
    double norm = IntStream.range(0, of.models()).mapToDouble(of::norm).average().orElseThrow();
    out.printf(
        LINE,
        name,
        of.size(),
        "%.4g".formatted(norm),
        shown(of.meanCosine()),
        shown(of.signConflict()),
        shown(of.keepRate()));
  }

  private static String shown(double value) {
    return Double.isNaN(value) ? "-" : "%.4f".formatted(value);
  }

  private Map<String, Object> facts(Interference found) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("models", models.stream().map(Path::toString).toList());
    facts.put("base", base == null ? null : base.toString());
    facts.put("all", facts(found.all()));
    Map<String, Object> tensors = new LinkedHashMap<>();
    found.tensors().forEach((name, of) -> tensors.put(name, facts(of)));
    facts.put("tensors", tensors);
    return facts;
  }

  private static Map<String, Object> facts(Interference.Of of) {
    List<Integer> each = IntStream.range(0, of.models()).boxed().toList();
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("elements", of.size());
    facts.put("norms", each.stream().map(of::norm).toList());
    facts.put(
        "cosines",
        each.stream()
            .map(i -> each.stream().map(j -> Compared.number(of.cosine(i, j))).toList())
            .toList());
    facts.put("meanCosine", Compared.number(of.meanCosine()));
    facts.put("signConflict", Compared.number(of.signConflict()));
    facts.put("signConflictWhereBothDiffer", Compared.number(of.signConflictWhereBothDiffer()));
    facts.put("keepRate", Compared.number(of.keepRate()));
    return facts;
  }
}
