// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** {@link LeftBehind} in a JVM of its own: nothing there is left by other tests. */
final class ExampleProcess {
  private ExampleProcess() {}

  /** What it prints on both streams. */
  static String leftBehind(String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-Dmerganser.backend=cpu",
                "-Dmerganser.trackAllocations=true",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                LeftBehind.class.getName()));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }
}
