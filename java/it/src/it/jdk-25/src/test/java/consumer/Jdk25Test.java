// SPDX-License-Identifier: Apache-2.0
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What the README says of newer JDKs, on JDK 25: the exact text of both streams. */
class Jdk25Test {
  private static final String ALLOWED = "--enable-native-access=ALL-UNNAMED";

  @Test
  void coreIsSilentWithTheOption() throws Exception {
    assertEquals("Java 25: assignment 5.0\n", run(Core.class, ALLOWED));
  }

  @Test
  void torchIsSilentWithTheOption() throws Exception {
    assertEquals("Java 25: logit 13.0\n", run(Torch.class, ALLOWED));
  }

  @Test
  void withoutTheOptionJavaWarnsAndGoesOn() throws Exception {
    assertEquals(warning() + "Java 25: assignment 5.0\n", run(Core.class));
    assertEquals(warning() + "Java 25: logit 13.0\n", run(Torch.class));
  }

  @Test
  void aJvmThatForbidsNativeAccessIsExplained() throws Exception {
    assertEquals(
        "cannot load the native library of Merganser on linux-x86_64: this JVM forbids native access"
            + " to the class path; add the option "
            + ALLOWED
            + "\n",
        run(Core.class, "--illegal-native-access=deny"));
  }

  @Test
  void jniIsUsedAsItAllows() throws Exception {
    String output = run(Core.class, ALLOWED, "-Xcheck:jni");
    assertFalse(output.contains("in native method"), output);
    assertEquals("Java 25: assignment 5.0", output.lines().reduce((a, b) -> b).orElse(""));
  }

  /** The four lines of JDK 25, once a process. */
  private static String warning() {
    String javacpp =
        classPath()
            .filter(entry -> Path.of(entry).getFileName().toString().matches("javacpp-[0-9.]+jar"))
            .findFirst()
            .orElseThrow();
    return "WARNING: A restricted method in java.lang.System has been called\n"
        + "WARNING: java.lang.System::load has been called by org.bytedeco.javacpp.Loader in an"
        + " unnamed module (file:"
        + javacpp
        + ")\n"
        + "WARNING: Use "
        + ALLOWED
        + " to avoid a warning for callers in this module\n"
        + "WARNING: Restricted methods will be blocked in a future release unless native access is"
        + " enabled\n\n";
  }

  private static Stream<String> classPath() {
    return Stream.of(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
            .split(File.pathSeparator));
  }

  private static String run(Class<?> program, String... options)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("jdk25.home"), "bin", "java").toString());
    // What `auto` logs of CUDA depends on the machine.
    command.add("-Dmerganser.backend=cpu");
    command.addAll(List.of(options));
    command.add("-Dorg.bytedeco.javacpp.cachedir=" + System.getProperty("cache"));
    command.add("-cp");
    command.add(classPath().collect(Collectors.joining(File.pathSeparator)));
    command.add(program.getName());
    Path output = Files.createTempFile("jdk25", ".txt");
    try {
      new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(output.toFile())
          .start()
          .waitFor();
      return Files.readString(output);
    } finally {
      Files.delete(output);
    }
  }
}
