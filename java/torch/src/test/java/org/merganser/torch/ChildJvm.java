// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** Runs a main class in a fresh JVM, for what happens once a process. */
final class ChildJvm {
  private static final long LIMIT_SECONDS = 120;

  private ChildJvm() {}

  /** What it printed on both streams, and how it ended. */
  record Result(int code, String output) {}

  static Result run(Predicate<String> classPath, List<String> options, Class<?> main, Path log)
      throws IOException, InterruptedException {
    return run(classPath, options, main, log, Map.of());
  }

  static Result run(
      Predicate<String> classPath,
      List<String> options,
      Class<?> main,
      Path log,
      Map<String, String> environment)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.add("-cp");
    command.add(
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(classPath)
            .collect(Collectors.joining(File.pathSeparator)));
    command.add(main.getName());
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().keySet().removeIf(name -> name.startsWith("OMP_"));
    builder.environment().putAll(environment);
    Process process = builder.start();
    if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly();
      throw new IOException("no end after " + LIMIT_SECONDS + " s: " + Files.readString(log));
    }
    return new Result(process.exitValue(), Files.readString(log));
  }
}
