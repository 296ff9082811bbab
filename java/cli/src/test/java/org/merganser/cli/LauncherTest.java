// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code bin/merganser} in a checkout of empty sources, with a Maven that only leaves a trace. */
class LauncherTest {
  private static final String[] SOURCES = {
    "pom.xml",
    "cppbuild.sh",
    "native/pom.xml",
    "native/src/main/cpp/merganser.h",
    "java/core/pom.xml",
    "java/core/src/main/java/A.java",
    "java/torch/pom.xml",
    "java/torch/src/main/java/A.java",
    "java/lab/pom.xml",
    "java/lab/src/main/java/A.java",
    "java/cli/pom.xml",
    "java/cli/src/main/java/A.java"
  };

  @TempDir Path temp;

  private Path root;
  private Path stamp;
  private Path trace;

  @BeforeEach
  void checkOut() throws IOException {
    Path launcher = Path.of(System.getProperty("merganser.root", "../.."), "bin", "merganser");
    assumeTrue(Files.exists(launcher), "no launcher at " + launcher);
    assumeTrue(Files.exists(Path.of("/bin/bash")), "no /bin/bash");
    root = Files.createDirectories(temp.resolve("check out"));
    stamp = root.resolve("java/cli/target/merganser.built");
    trace = temp.resolve("maven-was-here");
    for (String source : SOURCES) {
      Files.createDirectories(root.resolve(source).getParent());
      Files.writeString(root.resolve(source), "");
    }
    Files.createDirectories(root.resolve("bin"));
    Files.copy(launcher, root.resolve("bin/merganser"));
    Files.createDirectories(root.resolve("java/cli/target/classes"));
    Files.writeString(
        root.resolve("java/cli/target/merganser.classpath"), System.getProperty("java.class.path"));
    Files.writeString(stamp, root.toRealPath() + "\n");
    try (Stream<Path> all = Files.walk(root)) {
      FileTime hourAgo = FileTime.from(Instant.now().minusSeconds(3600));
      for (Path path : all.filter(path -> !path.equals(stamp)).toList()) {
        Files.setLastModifiedTime(path, hourAgo);
      }
    }
    Files.setLastModifiedTime(stamp, FileTime.from(Instant.now().minusSeconds(60)));
    maven(1);
  }

  private void maven(int code) throws IOException {
    script(temp.resolve("path").resolve("mvn"), "echo \"$@\" > '" + trace + "'\nexit " + code);
  }

  private static void script(Path path, String text) throws IOException {
    Files.createDirectories(path.getParent());
    Files.writeString(path, "#!/bin/bash\n" + text + "\n");
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private record Run(int code, String out, String err) {}

  private Run launch(String path, String... args) throws Exception {
    List<String> command = new ArrayList<>(List.of("/bin/bash", root + "/bin/merganser"));
    command.addAll(List.of(args));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectOutput(temp.resolve("out").toFile())
            .redirectError(temp.resolve("err").toFile());
    builder.environment().put("PATH", path);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().remove("MERGANSER_JAVA_OPTS");
    Process process = builder.start();
    try {
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    return new Run(
        process.exitValue(),
        Files.readString(temp.resolve("out")),
        Files.readString(temp.resolve("err")));
  }

  private Run launch() throws Exception {
    return launch(temp.resolve("path") + ":" + System.getenv("PATH"), "--version");
  }

  @Test
  void withNothingChangedMavenIsNotStarted() throws Exception {
    Run run = launch();
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).startsWith("merganser ");
    assertThat(trace).doesNotExist();
  }

  /** The class path of a build is absolute. */
  @Test
  void aMovedCheckoutIsBuiltAgain() throws Exception {
    FileTime built = Files.getLastModifiedTime(stamp);
    Files.writeString(stamp, "/somewhere/else\n");
    Files.setLastModifiedTime(stamp, built);
    launch();
    assertThat(trace).exists();
  }

  @Test
  void exitCodesPass() throws Exception {
    Run run =
        launch(temp.resolve("path") + ":" + System.getenv("PATH"), "inspect", temp + "/no file");
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err()).isEqualTo("merganser: " + temp + "/no file: no such file\n");
  }

  @Test
  void anyNewerSourceIsBuiltFirst() throws Exception {
    for (String source : SOURCES) {
      Path path = root.resolve(source);
      FileTime before = Files.getLastModifiedTime(path);
      Files.setLastModifiedTime(path, FileTime.from(Instant.now()));
      Run run = launch();
      assertThat(run.code()).as(source).isEqualTo(6);
      assertThat(run.err()).contains("merganser: the build failed; see above");
      assertThat(run.out()).isEmpty();
      assertThat(Files.readString(trace)).contains("-pl java/cli -am", "package");
      Files.delete(trace);
      Files.setLastModifiedTime(path, before);
    }
  }

  @Test
  void aBuildIsRemembered() throws Exception {
    Files.delete(stamp);
    maven(0);
    Run first = launch();
    assertThat(first.code()).isZero();
    assertThat(first.err()).startsWith("merganser: building");
    assertThat(trace).exists();
    Files.delete(trace);
    Run second = launch();
    assertThat(second.code()).isZero();
    assertThat(second.err()).isEmpty();
    assertThat(trace).doesNotExist();
  }

  @Test
  void withoutMavenItSaysSo() throws Exception {
    Files.delete(stamp);
    Path tools = temp.resolve("tools");
    for (String tool : new String[] {"readlink", "dirname", "find", "cat", "mktemp"}) {
      for (String folder : System.getenv("PATH").split(":")) {
        if (Files.exists(Path.of(folder, tool))) {
          script(tools.resolve(tool), "exec '" + Path.of(folder, tool) + "' \"$@\"");
          break;
        }
      }
    }
    Run run = launch(tools.toString(), "--version");
    assertThat(run.code()).isEqualTo(6);
    assertThat(run.err()).isEqualTo("merganser: Maven (mvn) is needed to build; install it\n");
  }
}
