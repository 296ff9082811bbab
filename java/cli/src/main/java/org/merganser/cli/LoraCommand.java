// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.ModelReference;
import org.merganser.io.ModelStore;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;
import org.merganser.io.ShardedWriter.Existing;
import org.merganser.lora.LoraAdapter;
import org.merganser.lora.LoraSum;
import org.merganser.merge.KnotsMerger;
import org.merganser.plan.Catalogue;
import org.merganser.recipe.MergeJob;
import org.merganser.recipe.Recipe;
import org.merganser.recipe.Recipe.Input;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What is done with adapters of low rank. */
abstract class LoraCommand extends Computation {
  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The folder to write.")
  Path out;

  @Option(names = "--force", description = "Replaces what of its kind the folder holds.")
  boolean force;

  @Option(
      names = "--models",
      paramLabel = "DIR",
      description =
          "A folder in which models and adapters that are no paths lie under their names, such as"
              + " DIR/org/name (may be repeated).")
  List<Path> folders = new ArrayList<>();

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "Writes floating-point tensors in TYPE: f32, bf16, f16 or f64.")
  DType dtype;

  /** Those that there are. */
  @Command(
      name = "lora",
      description = "Folds adapters (LoRA, in PEFT's layout) into models, or adds them up.",
      synopsisSubcommandLabel = "COMMAND")
  private static final class All {}

  static CommandLine all() {
    return new CommandLine(new All()).addSubcommand(new Fold()).addSubcommand(new Combine());
  }

  ModelStore store() {
    if (dtype != null && !dtype.isArithmetic()) {
      throw new IllegalArgumentException("--dtype " + dtype + ": give f32, bf16, f16 or f64");
    }
    return ModelStore.of(folders);
  }

  /** A model with an adapter in its weights. */
  @Command(
      name = "fold",
      description =
          "Writes a model with an adapter in its weights, as a folder in the layout of Hugging"
              + " Face.",
      footer = {
        "",
        "Example:",
        "  merganser lora fold org/model org/adapter --models DIR -o folded",
        "In recipes MODEL+ADAPTER is the same model, without writing it."
      })
  static final class Fold extends LoraCommand {
    @Parameters(index = "0", paramLabel = "MODEL", description = "Path or name of the model.")
    String model;

    @Parameters(index = "1", paramLabel = "ADAPTER", description = "Path or name of the adapter.")
    String adapter;

    @Option(
        names = "--max-shard",
        paramLabel = "SIZE",
        description = "Bytes of tensors in a file at most, such as 2GB (default: 5GB).")
    String maxShard;

    @Override
    void run(PrintWriter print) throws IOException {
      Recipe recipe = Recipe.of("passthrough", Input.of(model + "+" + adapter));
      recipe = dtype == null ? recipe : recipe.withDtype(dtype);
      long shardBytes =
          maxShard == null ? ShardPlan.DEFAULT_SHARD_BYTES : Sizes.parse("--max-shard", maxShard);
      ShardedWriter.Options how =
          ShardedWriter.Options.defaults().withExisting(force ? Existing.REPLACE : Existing.REFUSE);
      MergeJob.Options options = MergeJob.Options.defaults().withStore(store());
      try (Workspace ws = open(0);
          MergeJob job = MergeJob.open(recipe, options, ws)) {
        job.describe().stream()
            .filter(line -> line.startsWith("adapter"))
            .forEach(line -> print.println(Printable.line(line)));
        job.write(out, shardBytes, how, ws);
        print.printf(
            "wrote %s: %d tensors, %d parameters%n",
            Printable.line(out), job.result().tensors().size(), job.result().parameters());
      }
    }
  }

  /** Adapters as one. */
  @Command(
      name = "combine",
      description =
          "Adds up adapters of one model: exactly, side by side, or nearest to that for a rank; or"
              + " merges them where they are aligned (--merger knots).",
      footer = {
        "",
        "Example:",
        "  merganser lora combine math code --weights 0.7,0.5 --rank 16 -o both"
      })
  static final class Combine extends LoraCommand {
    @Parameters(paramLabel = "ADAPTER", arity = "1..*", description = "Paths or names of adapters.")
    List<String> adapters;

    @Option(
        names = "--weights",
        paramLabel = "W,...",
        split = ",",
        description = "One for each adapter (default: 1 each).")
    List<Double> weights;

    @Option(
        names = "--rank",
        paramLabel = "R",
        description =
            "The rank of the result at most: the leading singular triples of the sum (default: the"
                + " sum of the ranks, exactly).")
    Integer rank;

    @Option(
        names = "--factors",
        description =
            "Sums factors A and factors B, each by themselves, which is not the sum of what the"
                + " adapters do.")
    boolean factors;

    @Option(
        names = "--merger",
        paramLabel = "knots[:SETTINGS]",
        description =
            "Merges them in their common singular vectors, as KnOTS does, instead of adding them up;"
                + " settings are those of the method: knots:weights=0.7:0.5,density=0.5.")
    String merger;

    @Override
    void run(PrintWriter print) throws IOException {
      if (rank != null && factors) {
        throw new IllegalArgumentException("--factors keeps the rank; leave out --rank");
      }
      Optional<KnotsMerger> knots = Optional.ofNullable(merger).map(this::knots);
      ModelStore store = store();
      try (Workspace ws = open(0);
          Opened opened = new Opened()) {
        List<LoraAdapter> found = new ArrayList<>();
        for (String adapter : adapters) {
          ModelReference reference = ModelReference.parse(adapter);
          if (reference.adapter().isPresent()) {
            throw new IllegalArgumentException(
                "%s: a model with an adapter; name adapters alone (one whose path has a + by a link)"
                    .formatted(Names.quote(adapter)));
          }
          found.add(opened.add(LoraAdapter.open(store.resolve(reference))));
        }
        LoraSum sum =
            opened.add(knots.map(method -> method.combine(found)).orElseGet(() -> sum(found)));
        sum.notes().forEach(note -> print.println("note: " + Printable.line(note)));
        sum.write(out, dtype == null ? sum.type() : dtype, force, ws);
        long least = sum.ranks().get(0);
        long most = sum.ranks().get(1);
        print.printf(
            "wrote %s: %d tensors, %d parameters, rank %s%n",
            Printable.line(out),
            sum.tensors().tensors().size(),
            sum.tensors().parameters(),
            least == most ? "" + least : least + " to " + most);
      }
    }

    private KnotsMerger knots(String text) {
      if (weights != null || rank != null || factors) {
        throw new IllegalArgumentException(
            "--merger beside --weights, --rank or --factors, which are of sums; weights are a"
                + " setting: --merger knots:weights=0.7:0.5");
      }
      if (Catalogue.mergers().method(text) instanceof KnotsMerger method) {
        return method;
      }
      throw new IllegalArgumentException(
          "--merger %s: of adapters alone only knots is done; others merge models (in a recipe,"
                  .formatted(Names.quote(text))
              + " MODEL+ADAPTER)");
    }

    private LoraSum sum(List<LoraAdapter> found) {
      List<Double> each = weights == null ? Collections.nCopies(found.size(), 1.0) : weights;
      return factors
          ? LoraSum.ofFactors(found, each)
          : rank == null ? LoraSum.exact(found, each) : LoraSum.ofRank(found, each, rank);
    }
  }
}
