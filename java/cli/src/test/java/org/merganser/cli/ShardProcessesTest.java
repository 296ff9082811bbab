// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;

/** Processes of the command line that share a merge, at the same time. */
class ShardProcessesTest {
  private static final int PROCESSES = 8;

  @TempDir Path temp;
  private Path models;
  private Path recipe;

  @BeforeEach
  void write() throws IOException, URISyntaxException {
    models = temp.resolve("models");
    int seed = 1;
    for (String name : new String[] {"base", "writer", "coder", "math"}) {
      SmallLlama.write(models.resolve("lab/" + name + "-13b"), 40, DType.F32, seed++);
    }
    recipe = Path.of(ShardProcessesTest.class.getResource("/recipes/ties-gradients.yml").toURI());
  }

  @Test
  void eightProcessesGiveTheBytesOfOne() throws Exception {
    Path whole = temp.resolve("whole");
    Path shared = temp.resolve("shared");
    List<Process> processes = new ArrayList<>();
    try {
      for (int part = 1; part <= PROCESSES; part++) {
        processes.add(start(shared, "--shard", part + "/" + PROCESSES));
      }
      List<Object> all = new ArrayList<>(List.of("merge", recipe, "-o", whole));
      all.addAll(common());
      assertThat(Cli.run(all.toArray()).code()).isZero();
      for (int part = 1; part <= PROCESSES; part++) {
        Process process = processes.get(part - 1);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.exitValue()).as(said).isZero();
        assertThat(said).contains(", part " + part + "/" + PROCESSES);
      }
    } finally {
      processes.forEach(Process::destroyForcibly);
    }
    assertThat(Cli.run("merge", "index", shared).out()).isEqualTo("finished " + shared + "\n");
    Map<String, Integer> expected = files(whole);
    assertThat(expected).hasSizeGreaterThan(PROCESSES).containsKey("model.safetensors.index.json");
    assertThat(files(shared)).isEqualTo(expected);
    assertThat(Cli.run("verify", shared).code()).isZero();
  }

  private List<String> common() {
    return List.of("--models", models.toString(), "--max-shard", "10KB");
  }

  private Process start(Path out, String... more) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // They live for a second.
    command.addAll(List.of("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of("merge", recipe.toString(), "-o", out.toString()));
    command.addAll(common());
    command.addAll(List.of(more));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectInput(new File("/dev/null"))
        .start();
  }

  /** Digests by name; a model card has the name of its folder. */
  private static Map<String, Integer> files(Path folder) throws IOException {
    Map<String, Integer> all = new TreeMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> !f.endsWith("README.md")).toList()) {
        all.put(file.getFileName().toString(), Arrays.hashCode(Files.readAllBytes(file)));
      }
    }
    return all;
  }
}
