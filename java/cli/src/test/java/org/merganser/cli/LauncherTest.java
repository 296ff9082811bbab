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
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
    "java/analysis/pom.xml",
    "java/analysis/src/main/java/A.java",
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
    return run(path, Map.of(), command);
  }

  /** Runs a line of bash in the temporary folder; merganser is the launcher. */
  private Run shell(Map<String, String> environment, String line) throws Exception {
    String path = temp.resolve("path") + ":" + System.getenv("PATH");
    return run(
        path,
        environment,
        List.of(
            "/bin/bash",
            "-c",
            "merganser() { /bin/bash '" + root + "/bin/merganser' \"$@\"; }; " + line));
  }

  private Run run(String path, Map<String, String> environment, List<String> command)
      throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(temp.toFile())
            .redirectOutput(temp.resolve("out").toFile())
            .redirectError(temp.resolve("err").toFile());
    if (!environment.isEmpty()) {
      builder.environment().keySet().removeAll(List.of("LC_ALL", "LC_CTYPE", "LANG"));
      builder.environment().putAll(environment);
    }
    builder.environment().put("PATH", path);
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    if (!environment.containsKey("MERGANSER_JAVA_OPTS")) {
      builder.environment().remove("MERGANSER_JAVA_OPTS");
    }
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

  /** Archives of loaded classes that the JVM cannot use are no concern of the user's. */
  @ParameterizedTest
  @ValueSource(strings = {"", "no archive", "of other jars"})
  void anArchiveThatDoesNotFitIsLeftAlone(String content) throws Exception {
    Path archive = root.resolve("java/cli/target/merganser.jsa");
    Files.writeString(archive, content);
    if (content.equals("of other jars")) {
      Path jar = temp.resolve("other.jar");
      try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
        out.putNextEntry(new ZipEntry("empty"));
      }
      Files.delete(archive);
      Run made =
          run(
              System.getenv("PATH"),
              Map.of(),
              List.of(
                  System.getProperty("java.home") + "/bin/java",
                  "-XX:ArchiveClassesAtExit=" + archive,
                  "-cp",
                  jar.toString(),
                  "-version"));
      assumeTrue(Files.exists(archive), made.err());
    }
    Run run = launch();
    assertThat(run.err()).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).matches("merganser [^\n]*\n");
  }

  private void build(String version) throws IOException {
    Files.writeString(
        root.resolve("java/cli/target/merganser.classpath"),
        "%s/java/lab/target/merganser-lab-%s.jar:%s"
            .formatted(root.toRealPath(), version, System.getProperty("java.class.path")));
  }

  private Path jar(String version, String entry) throws IOException {
    Path jar = root.resolve("java/cli/target/merganser-cli-" + version + ".jar");
    try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
      out.putNextEntry(new ZipEntry(entry));
    }
    return jar;
  }

  /** The JVM refuses two. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "MERGANSER_JAVA_OPTS=-Xss1m -XX:+UseParallelGC",
        "JAVA_TOOL_OPTIONS=-XX:+UseG1GC",
        "JDK_JAVA_OPTIONS=-XX:+UseParallelGC",
        "MERGANSER_JAVA_OPTS=-XX:+UseStringDeduplication"
      })
  void theCollectorThatAUserNamesIsTaken(String setting) throws Exception {
    String[] parts = setting.split("=", 2);
    Run run = shell(Map.of(parts[0], parts[1], "LC_ALL", "C.UTF-8"), "merganser plan none.yml");
    assertThat(run.err()).contains("none.yml: no such file").doesNotContain("VM", "collector");
    assertThat(run.code()).isEqualTo(5);
  }

  /** A class that is none, in a jar of another version, would be the program otherwise. */
  @Test
  void jarsOfOtherVersionsAreLeftAlone() throws Exception {
    jar("0.0.1", "org/merganser/cli/Main.class");
    build("0.0.2");
    Run run = launch();
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).startsWith("merganser ");
    jar("0.0.2", "org/merganser/cli/Main.class");
    assertThat(launch().err()).contains("ClassFormatError");
  }

  /** As after Maven alone has built: the JVM would leave it aside at every start. */
  @Test
  void anArchiveOlderThanAJarIsMadeAgain() throws Exception {
    build("0.0.2");
    Path jar = jar("0.0.2", "empty");
    Path archive = root.resolve("java/cli/target/merganser.jsa");
    Path leftover = root.resolve("java/cli/target/merganser.jsa.12345");
    Files.writeString(archive, "old");
    Files.writeString(leftover, "half");
    launch();
    assertThat(archive).hasContent("old");
    Files.setLastModifiedTime(
        archive, FileTime.fromMillis(Files.getLastModifiedTime(jar).toMillis() - 5000));
    Run run = launch();
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).startsWith("merganser ");
    assertThat(leftover).doesNotExist();
    if (Files.exists(archive)) {
      assertThat(Files.size(archive)).isGreaterThan(1000);
    }
  }

  /** The second one finds what the first one made. */
  @Test
  void twoAtOnceBuildOnce() throws Exception {
    assumeTrue(Files.exists(Path.of("/usr/bin/flock")), "no flock");
    Files.delete(stamp);
    script(temp.resolve("path/mvn"), "echo x >> '" + trace + "'; sleep 1");
    Run run = shell(Map.of("LC_ALL", "C.UTF-8"), "merganser --version & merganser --version; wait");
    assertThat(run.out()).matches("(merganser [^\n]*\n){2}");
    assertThat(Files.readString(trace)).isEqualTo("x\n");
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

  private static Map<String, String> locale(String setting) {
    return Map.of(setting.split("=")[0], setting.split("=")[1]);
  }

  @ParameterizedTest
  @ValueSource(strings = {"LANG=C", "LC_ALL=POSIX", "LC_ALL=xx_XX.UTF-8", "LANG=C.UTF-8"})
  void namesBeyondAsciiAreReadInEveryLocale(String setting) throws Exception {
    assumeTrue("UTF-8".equals(System.getProperty("sun.jnu.encoding")), "names are ASCII here");
    Files.move(new Fixture(temp).model("a"), temp.resolve("mödel 漢.safetensors"));
    Run run =
        shell(
            locale(setting),
            "merganser inspect 'mödel 漢.safetensors' && merganser merge 'mödel 漢.safetensors'"
                + " 'mödel 漢.safetensors' --method identity -o 'größe.safetensors'");
    assertThat(run.err().replaceAll("(?m)^.*setlocale.*\n", "")).isEmpty();
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("51 parameters", "wrote größe.safetensors: ");
    assertThat(temp.resolve("größe.safetensors")).exists();
  }

  /** Java cannot be told another encoding of names once it runs. */
  @Test
  void withoutTheLauncherSuchALocaleIsNamedWithItsRemedy() throws Exception {
    Run run =
        shell(
            locale("LC_ALL=C"),
            "'"
                + System.getProperty("java.home")
                + "/bin/java' -cp '"
                + System.getProperty("java.class.path")
                + "' org.merganser.cli.Main inspect mödel.safetensors");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .contains("the name 'm", "is not of this locale", "set LC_ALL=C.UTF-8 first")
        .doesNotContain("no such file");
  }

  @Test
  void outputThatCannotBeWrittenIsNoSuccess() throws Exception {
    assumeTrue(Files.exists(Path.of("/dev/full")), "no /dev/full");
    Path model = new Fixture(temp).model("a");
    Map<String, String> same = Map.of("LC_ALL", "C.UTF-8");
    String full = "merganser: cannot write to standard output: No space left on device\n";
    for (String command : List.of("inspect " + model, "--version", "help merge", "doctor")) {
      assertThat(shell(same, "merganser " + command + " > /dev/full"))
          .isEqualTo(new Run(5, "", full));
    }
    assertThat(shell(same, "merganser inspect " + model + " >&-"))
        .isEqualTo(
            new Run(
                5, "", "merganser: standard output is closed; use >/dev/null to see nothing\n"));
    // Error messages with nowhere to go change nothing.
    assertThat(shell(same, "merganser inspect none 2>&-").code()).isEqualTo(5);
    assertThat(shell(same, "merganser inspect none 2>/dev/full").code()).isEqualTo(5);
    assertThat(shell(same, "merganser --version <&-").code()).isZero();
  }

  /** As after {@code | head}. */
  @Test
  void aReaderThatLeavesEndsItQuietly() throws Exception {
    Path model = new Fixture(temp).model("a");
    Run run =
        shell(
            Map.of("LC_ALL", "C.UTF-8"),
            "set -o pipefail; { sleep 0.1; merganser inspect " + model + "; } | true");
    assertThat(run).isEqualTo(new Run(141, "", ""));
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
