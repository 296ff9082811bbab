// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.ModelReference;
import org.merganser.io.ModelStore;
import org.merganser.io.Safetensors;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.MoeModel;
import org.merganser.lora.MoeUpcycler;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Adapters as the experts of one model. */
@Command(
    name = "moe",
    description =
        "Makes adapters (LoRA, in PEFT's layout) the experts of one model, without training: each"
            + " input of a module goes to the experts whose gates it agrees with most.",
    footer = {
      "",
      "Example:",
      "  merganser moe org/model math code law --router arrow --top-k 2 -o experts"
    })
final class MoeCommand extends Computation {
  @Parameters(index = "0", paramLabel = "MODEL", description = "Path or name of the model.")
  String model;

  @Parameters(
      index = "1..*",
      paramLabel = "ADAPTER",
      arity = "1..*",
      description = "Paths or names of adapters of that model, one expert each, which is named so.")
  List<String> adapters;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The folder to write: moe_config.json and moe.safetensors.")
  Path out;

  @Option(
      names = "--force",
      description =
          "Replaces a model of experts that the folder holds, and with --include-model any model.")
  boolean force;

  @Option(
      names = "--router",
      paramLabel = "ROUTER",
      defaultValue = "arrow",
      description =
          "How gates are made: arrow, from the factors alone; mean-activation, from mean inputs"
              + " (--means); random (default: ${DEFAULT-VALUE}).")
  String router;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      description = "Experts that each input goes to, -1 for all (default: 2, or 1 of one).")
  Integer topK;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "1",
      description =
          "What logits are divided by; 0 for the root of the inputs (default: ${DEFAULT-VALUE}).")
  double temperature;

  @Option(
      names = "--means",
      paramLabel = "FILE",
      description =
          "Mean inputs for mean-activation: safetensors with [experts x inputs] under the name of"
              + " each module.")
  Path means;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of random gates (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(
      names = "--include-model",
      description = "Writes the weights of the model as well, not only their digests.")
  boolean includeModel;

  @Option(
      names = "--models",
      paramLabel = "DIR",
      description =
          "A folder in which models and adapters that are no paths lie under their names, such as"
              + " DIR/org/name (may be repeated).")
  List<Path> folders = new ArrayList<>();

  @Override
  void run(PrintWriter print) throws IOException {
    MoeModel.Router kind = MoeModel.Router.of(router);
    if ((kind == MoeModel.Router.MEAN_ACTIVATION) != (means != null)) {
      throw new IllegalArgumentException(
          "--means belongs to --router mean-activation, which needs it (--router is "
              + kind.id()
              + ")");
    }
    ModelStore store = ModelStore.of(folders);
    Path base = path(store, model);
    List<Path> paths = new ArrayList<>();
    for (String adapter : adapters) {
      paths.add(path(store, adapter));
    }
    check(base, paths);
    try (Workspace ws = open(seed);
        Opened opened = new Opened()) {
      List<LoraAdapter> found = new ArrayList<>();
      for (Path path : paths) {
        found.add(opened.add(LoraAdapter.open(path)));
      }
      Checkpoint weights = opened.add(Safetensors.open(base));
      MoeModel experts = opened.add(upcycler(kind, opened).upcycle(weights, found, ws));
      experts.notes().forEach(note -> print.println("note: " + Printable.line(note)));
      if (includeModel) {
        experts.write(out, weights, force, ws);
      } else {
        experts.write(out, force, ws);
      }
      print.printf(
          "wrote %s: %s, %d parameters%n", Printable.line(out), experts, experts.parameters());
    }
  }

  private MoeUpcycler upcycler(MoeModel.Router kind, Opened opened) throws IOException {
    int k = topK == null ? Math.min(2, adapters.size()) : topK;
    MoeUpcycler plain =
        switch (kind) {
          case ARROW -> MoeUpcycler.arrow(k);
          case RANDOM -> MoeUpcycler.random(k);
          case MEAN_ACTIVATION ->
              MoeUpcycler.meanActivation(k, opened.add(Safetensors.open(means)));
        };
    // As they were typed: folders of a hub's cache are named by hashes.
    List<String> names =
        adapters.stream().map(name -> ModelReference.parse(name).toString()).toList();
    return plain.withTemperature(temperature).withNames(names);
  }

  private static Path path(ModelStore store, String name) throws IOException {
    ModelReference reference = ModelReference.parse(name);
    if (reference.adapter().isPresent()) {
      throw new IllegalArgumentException(
          "%s: a model with an adapter; name the model, and adapters after it"
              .formatted(Names.quote(name)));
    }
    return store.resolve(reference);
  }

  /** What is read is not written to, and what is there not replaced unasked. */
  private void check(Path base, List<Path> paths) throws IOException {
    List<Path> read = new ArrayList<>(paths);
    read.add(Files.isDirectory(base) ? base : base.toAbsolutePath().getParent());
    for (Path path : read) {
      if (Output.isSame(out, path)) {
        throw new IllegalArgumentException(
            "-o " + out + ": the input " + path + " is read there; name another folder");
      }
    }
    if (Files.exists(out) && !Files.isDirectory(out)) {
      throw new IllegalArgumentException(
          "-o " + out + " is a file, and is to be a folder; name another");
    }
    if (!force && MoeModel.isIn(out)) {
      throw new IllegalArgumentException(
          "-o " + out + " holds a model of experts; name another folder, or replace it (--force)");
    }
    Optional<Path> weights = includeModel ? MoeModel.weightsIn(out) : Optional.empty();
    if (!force && weights.isPresent()) {
      throw new IllegalArgumentException(
          "-o %s holds a model, %s; name another folder, or replace it (--force)"
              .formatted(out, weights.get().getFileName()));
    }
  }
}
