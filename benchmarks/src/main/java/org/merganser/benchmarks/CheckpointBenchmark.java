// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.io.ShardPlan;
import org.merganser.io.ShardedWriter;

/**
 * Merges of three checkpoints of 0.36 billion parameters in BF16 (and their base), each in a
 * process of its own, started as {@code bin/merganser} starts one: wall time from start to end,
 * what is written being on the disk, and peak resident memory; beside them copies by as many
 * threads, without and with digests, and mergekit where a Python has it. Linux only.
 */
public final class CheckpointBenchmark {
  static final List<String> METHODS = List.of("linear", "slerp", "dare-ties", "ties");

  /** Options of {@code bin/merganser} for recipes. */
  private static final List<String> AS_LAUNCHED =
      List.of("-Xms32m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

  /** What merges without arithmetic would take; two copies move as many bytes as linear does. */
  private static final List<String> COPIES =
      List.of(
          "copy",
          "copy, digests",
          "copy of 2",
          "copy of 2, digests",
          "read 3, write 1",
          "read 3, write 1, digests");

  private static final String ARCHIVE = "classes.jsa";

  private static final Map<String, String> RECIPES =
      Map.of(
          "linear", recipe("linear", 3, false, "{weight: 0.333}", ""),
          "slerp", recipe("slerp", 1, true, "{}", "{t: 0.5}"),
          "dare-ties", recipe("dare_ties", 3, true, "{weight: 0.333, density: 0.5}", ""),
          "ties", recipe("ties", 3, true, "{weight: 0.333, density: 0.5}", "{normalize: true}"));

  private static final String USAGE =
      "[--dir DIR] [--threads N] [--runs N] [--python PYTHON] [METHOD...]; methods: " + METHODS;

  private CheckpointBenchmark() {}

  public static void main(String... arguments) throws Exception {
    OptionalInt restarted = CleanJvm.restart(CheckpointBenchmark.class, arguments);
    if (restarted.isPresent()) {
      System.exit(restarted.getAsInt());
    }
    Path dir = null;
    String python = "";
    int threads = Runtime.getRuntime().availableProcessors();
    int runs = 3;
    List<String> methods = new ArrayList<>();
    for (int k = 0; k < arguments.length; k++) {
      switch (arguments[k]) {
        case "--dir" -> dir = Path.of(arguments[++k]);
        case "--threads" -> threads = Integer.parseInt(arguments[++k]);
        case "--runs" -> runs = Integer.parseInt(arguments[++k]);
        case "--python" -> python = arguments[++k];
        default -> {
          if (!METHODS.contains(arguments[k])) {
            throw new UsageException(USAGE);
          }
          methods.add(arguments[k]);
        }
      }
    }
    Path folder = dir == null ? Files.createTempDirectory("merganser-checkpoints") : dir;
    generate(folder);
    archive(folder);
    table(folder, threads, runs, methods.isEmpty() ? METHODS : methods, python);
    if (dir == null) {
      delete(folder);
    }
  }

  /** Two shards each, as they are not there yet. */
  private static void generate(Path dir) throws IOException {
    for (int k = 0; k <= 3; k++) {
      Path folder = dir.resolve(k == 0 ? "base" : "m" + k);
      if (!Files.exists(folder)) {
        LlamaModel model = LlamaModel.usual(k);
        ShardPlan plan = ShardPlan.of(model, model.parameters() + (64 << 20));
        try (Workspace ws = Workspace.open();
            ShardedWriter writer =
                ShardedWriter.open(plan, folder, ShardedWriter.Options.defaults())) {
          writer.write(model, ws);
        }
        // As mergekit wants it.
        Files.writeString(
            folder.resolve("config.json"),
            "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\","
                + " \"num_hidden_layers\": 32, \"tie_word_embeddings\": true,"
                + " \"vocab_size\": 49152, \"hidden_size\": 960,"
                + " \"intermediate_size\": 2560, \"num_attention_heads\": 15,"
                + " \"num_key_value_heads\": 5, \"torch_dtype\": \"bfloat16\"}\n");
      }
    }
  }

  /** The file of loaded classes that {@code bin/merganser} makes after a build. */
  private static void archive(Path dir) throws IOException, InterruptedException {
    Path file = dir.resolve(ARCHIVE);
    Files.deleteIfExists(file);
    Path out = dir.resolve("out");
    delete(out);
    List<String> command =
        process("linear", dir, out, 1, List.of("-XX:ArchiveClassesAtExit=" + file));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    if (process.waitFor() != 0 || !Files.exists(file)) {
      throw new BenchmarkFailure("no archive of classes: " + command, null);
    }
    delete(out);
  }

  private static List<String> process(
      String what, Path dir, Path out, int threads, List<String> options) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx256m");
    command.addAll(options);
    command.addAll(
        List.of(
            "-cp",
            System.getProperty("java.class.path"),
            CheckpointProcess.class.getName(),
            what,
            dir.toString(),
            out.toString(),
            String.valueOf(threads)));
    return command;
  }

  private static void table(Path dir, int threads, int runs, List<String> methods, String python)
      throws Exception {
    System.out.println(
        "| "
            + threads
            + " threads | s | s of CPU | MB resident | MB planned | MB heap |\n"
            + "|---|---|---|---|---|---|");
    for (String copy : COPIES) {
      print(copy, best(runs, () -> ours(copy, dir, threads)));
    }
    boolean mergekit = !python.isEmpty() && has(python);
    for (String method : methods) {
      print(method, best(runs, () -> ours(method, dir, threads)));
      if (mergekit) {
        print("mergekit " + method, best(runs, () -> mergekit(method, dir, python)));
      }
    }
    if (!python.isEmpty() && !mergekit) {
      System.out.println("\nno rows of mergekit: " + python + " cannot import it");
    }
  }

  /** Seconds, those of all processors; bytes resident, planned and of heap (-1: not known). */
  record Run(double seconds, double cpu, long resident, long planned, long heap) {}

  private interface Once {
    Run run() throws Exception;
  }

  private static Run best(int runs, Once once) throws Exception {
    List<Run> all = new ArrayList<>();
    for (int k = 0; k < runs; k++) {
      all.add(once.run());
    }
    return all.stream().min(Comparator.comparingDouble(Run::seconds)).orElseThrow();
  }

  private static void print(String name, Run run) {
    System.out.printf(
        Locale.ROOT,
        "| %s | %.2f | %.2f | %.0f | %s | %s |%n",
        name,
        run.seconds(),
        run.cpu(),
        1e-6 * run.resident(),
        megabytes(run.planned()),
        megabytes(run.heap()));
  }

  private static String megabytes(long bytes) {
    return bytes < 0 ? "" : String.format(Locale.ROOT, "%.0f", 1e-6 * bytes);
  }

  private static Run ours(String what, Path dir, int threads) throws Exception {
    Path out = dir.resolve("out");
    delete(out);
    List<String> options = new ArrayList<>(AS_LAUNCHED);
    options.add("-XX:SharedArchiveFile=" + dir.resolve(ARCHIVE));
    List<String> command = process(what, dir, out, threads, options);
    long start = System.nanoTime();
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) {
      throw new BenchmarkFailure(what + " failed: " + printed, null);
    }
    double seconds = 1e-9 * (System.nanoTime() - start);
    delete(out);
    String[] bytes = printed.strip().lines().reduce((a, b) -> b).orElse("").split(" ");
    return new Run(
        seconds,
        1e-9 * Long.parseLong(bytes[2]),
        Long.parseLong(bytes[0]),
        Long.parseLong(bytes[3]),
        Long.parseLong(bytes[1]));
  }

  private static boolean has(String python) throws Exception {
    return new ProcessBuilder(python, "-c", "import mergekit.scripts.run_yaml")
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor()
        == 0;
  }

  private static String recipe(
      String method, int models, boolean base, String parameters, String global) {
    StringBuilder text = new StringBuilder("merge_method: " + method + "\ndtype: bfloat16\n");
    text.append(base ? "base_model: DIR/base\n" : "").append("models:\n");
    for (int k = 1; k <= models; k++) {
      text.append("  - {model: DIR/m" + k + ", parameters: " + parameters + "}\n");
    }
    return text + (global.isEmpty() ? "" : "parameters: " + global + "\n");
  }

  private static Run mergekit(String method, Path dir, String python) throws Exception {
    Path out = dir.resolve("out");
    delete(out);
    Path recipe = dir.resolve(method + ".yml");
    Files.writeString(recipe, RECIPES.get(method).replace("DIR", dir.toAbsolutePath().toString()));
    String program =
        """
        import os, resource, subprocess, sys
        subprocess.run([sys.executable, "-m", "mergekit.scripts.run_yaml", *sys.argv[1:]],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in os.listdir(sys.argv[2]):
            file = os.open(os.path.join(sys.argv[2], name), os.O_RDONLY)
            os.fsync(file)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(used.ru_maxrss * 1024, used.ru_utime + used.ru_stime)
        """;
    long start = System.nanoTime();
    Process process =
        new ProcessBuilder(python, "-c", program, recipe.toString(), out.toString()).start();
    String printed = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) {
      throw new BenchmarkFailure("mergekit failed: " + method, null);
    }
    double seconds = 1e-9 * (System.nanoTime() - start);
    delete(out);
    String[] used = printed.strip().split(" ");
    return new Run(seconds, Double.parseDouble(used[1]), Long.parseLong(used[0]), -1, -1);
  }

  private static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        files
            .sorted(Comparator.reverseOrder())
            .forEach(
                file -> {
                  try {
                    Files.delete(file);
                  } catch (IOException e) {
                    throw new UncheckedIOException(e);
                  }
                });
      }
    }
  }
}
