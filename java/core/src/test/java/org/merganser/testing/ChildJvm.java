// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** A JVM of its own with the class path of this one, or parts of it. */
public final class ChildJvm {
  private long seconds = 120;
  private final List<String> classPath =
      new ArrayList<>(
          Arrays.asList(
              System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                  .split(File.pathSeparator)));
  private final List<String> options =
      new ArrayList<>(
          // What `auto` says of CUDA has a test of its own.
          List.of("-Xmx256m", "-Dmerganser.backend=cpu"));
  private final Map<String, String> environment = new HashMap<>();

  /** What the child printed on both streams, and its exit code. */
  public record Result(int exit, String output) {}

  /** Removes entries of the class path by file name. */
  public ChildJvm without(Predicate<String> fileName) {
    classPath.removeIf(entry -> fileName.test(Path.of(entry).getFileName().toString()));
    return this;
  }

  /** Puts an entry in front of the class path. */
  public ChildJvm first(Path entry) {
    classPath.add(0, entry.toString());
    return this;
  }

  /** Computes where this JVM does, which may be the fake device; others do on the CPU. */
  public ChildJvm onOurBackend() {
    for (String name : List.of("merganser.backend", "merganser.cuda.plugin")) {
      if (System.getProperty(name) != null) {
        options.add("-D" + name + "=" + System.getProperty(name));
      }
    }
    return this;
  }

  public ChildJvm option(String option) {
    options.add(option);
    return this;
  }

  /** For programs that take longer than two minutes. */
  public ChildJvm within(long limit) {
    seconds = limit;
    return this;
  }

  public ChildJvm environment(String name, String value) {
    environment.put(name, value);
    return this;
  }

  /** Entries of the class path, for programs that load classes themselves. */
  public List<String> classPath() {
    return List.copyOf(classPath);
  }

  public Result run(Class<?> program, String... arguments)
      throws IOException, InterruptedException {
    Path log = Files.createTempFile("child", ".log");
    try {
      Process process = builder(program, arguments).redirectOutput(log.toFile()).start();
      if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new AssertionError(program.getName() + " did not end in " + seconds + " s");
      }
      return new Result(process.exitValue(), Files.readString(log));
    } finally {
      Files.deleteIfExists(log);
    }
  }

  /** Starts a program whose output the caller reads, and which the caller ends. */
  public Process start(Class<?> program, String... arguments) throws IOException {
    return builder(program, arguments).start();
  }

  private ProcessBuilder builder(Class<?> program, String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(options);
    command.add("-cp");
    command.add(String.join(File.pathSeparator, classPath));
    command.add(program.getName());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    // The caller's settings of libgomp would hide ours.
    builder.environment().keySet().removeIf(name -> name.startsWith("OMP_"));
    builder.environment().putAll(environment);
    return builder;
  }
}
