// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.natives.global.merganser;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.LoadProgram;
import org.merganser.testing.RunsOnce;
import org.merganser.testing.TwoClassLoadersProgram;

/** Whatever keeps the native library from loading is said once, with its remedy, at every use. */
@RunsOnce("about what is loaded, in JVMs of their own")
class LoadingTest {
  private static final String FAILED =
      "NativeLibraryException: cannot load the native library of Merganser on ";

  @TempDir Path folder;

  @Test
  void loadsIntoAnEmptyCache() throws Exception {
    assertThat(fresh().run(LoadProgram.class).output().lines())
        .containsExactly("works true", "works true");
  }

  /** JavaCPP alone would load it: name, size and time are those of the jar's. */
  @Test
  void aLibraryOfAnotherBuildInTheCacheIsReplaced() throws Exception {
    fresh().run(LoadProgram.class);
    try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
      List<Path> libraries =
          files
              .filter(file -> Files.isRegularFile(file))
              .filter(file -> file.getFileName().toString().matches("lib(jni)?merganser.so"))
              .toList();
      assertThat(libraries).hasSize(2);
      for (Path library : libraries) {
        FileTime time = Files.getLastModifiedTime(library);
        Files.write(library, new byte[(int) Files.size(library)]);
        Files.setLastModifiedTime(library, time);
      }
    }
    assertThat(fresh().run(LoadProgram.class).output().lines())
        .containsExactly("works true", "works true");
  }

  @Test
  void aMissingNativeJarIsNamed() throws Exception {
    twice(
        fresh().without(name -> name.startsWith("merganser-native") && name.contains("linux-")),
        FAILED
            + "linux-x86_64: not on the class path: org.merganser:merganser-native:"
            + Natives.version()
            + " with classifier linux-x86_64; add it as a dependency (a build tool that drops"
            + " classifiers, or a shaded jar without native resources, loses it)");
  }

  /** Else the linker would take whatever the system has. */
  @Test
  void aMissingOpenBlasJarIsNamed() throws Exception {
    twice(
        fresh().without(LoadingTest::isOpenBlas),
        FAILED
            + "linux-x86_64: not on the class path: org.bytedeco:openblas with classifier"
            + " linux-x86_64; add it as a dependency (a build tool that drops classifiers, or a"
            + " shaded jar without native resources, loses it)");
    twice(
        fresh().option("-Dmerganser.openblas=mine"),
        "NativeLibraryException: -Dmerganser.openblas=mine is unknown; use bytedeco (the default) or"
            + " system");
  }

  @Test
  void theOpenBlasOfTheSystemIsAChoiceThatIsLogged() throws Exception {
    Path unpacked =
        Path.of(System.getProperty("merganser.root"))
            .resolve("native/target/deps/org/bytedeco/openblas/linux-x86_64")
            .toRealPath();
    ChildJvm.Result result =
        fresh()
            .without(LoadingTest::isOpenBlas)
            .option("-Dmerganser.openblas=system")
            .option("-Djava.util.logging.SimpleFormatter.format=%4$s: %5$s%n")
            .option("-Duser.language=en")
            .environment("LD_LIBRARY_PATH", unpacked.toString())
            .run(LoadProgram.class);
    // The folders of the system come before that variable.
    assertThat(result.output())
        .matches(
            "INFO: the system's OpenBLAS is used, as -Dmerganser.openblas=system asks: OpenBLAS .*\n"
                + "works true\nworks true\n");
  }

  private static boolean isOpenBlas(String file) {
    return file.startsWith("openblas-") && file.contains("linux-");
  }

  @Test
  void missingJavaCppIsNamed() throws Exception {
    twice(
        fresh().without(name -> name.startsWith("javacpp")),
        FAILED
            + System.getProperty("os.name")
            + "-"
            + System.getProperty("os.arch")
            + ": not on the class path: org.bytedeco:javacpp; it comes with merganser unless a build"
            + " excludes it");
  }

  @Test
  void anotherPlatformIsRefused() throws Exception {
    twice(
        fresh().option("-Dorg.bytedeco.javacpp.platform=linux-arm64"),
        FAILED
            + "linux-arm64: there is no native library for this platform, only for linux-x86_64; it"
            + " was set by -Dorg.bytedeco.javacpp.platform, remove that setting");
  }

  /** As root every folder can be written, except one below a regular file. */
  @Test
  void aCacheThatCannotBeWrittenIsExplained() throws Exception {
    Path file = Files.createFile(folder.resolve("file"));
    twice(
        new ChildJvm()
            .option("-Dorg.bytedeco.javacpp.cachedir=" + file.resolve("cache"))
            .option("-Duser.home=" + file.resolve("home"))
            .option("-Djava.io.tmpdir=" + file.resolve("tmp")),
        FAILED
            + "linux-x86_64: the libraries cannot be extracted, no cache folder can be written (tried"
            + " -Dorg.bytedeco.javacpp.cachedir, .javacpp in the home folder "
            + file.resolve("home")
            + ", and the temporary folder "
            + file.resolve("tmp")
            + "); set -Dorg.bytedeco.javacpp.cachedir=DIR to a folder that can be written");
  }

  @Test
  void aFolderThatForbidsProgramsIsExplained() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("noexec"));
    Process mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", disk.toString())
            .redirectErrorStream(true)
            .start();
    assumeTrue(mount.waitFor() == 0, "nothing can be mounted here");
    try {
      Path file = Files.createFile(folder.resolve("file"));
      ChildJvm child =
          new ChildJvm()
              .option("-Duser.home=" + file.resolve("home"))
              .option("-Djava.io.tmpdir=" + disk);
      assertThat(child.run(LoadProgram.class).output().lines())
          .hasSize(2)
          .allSatisfy(
              line ->
                  assertThat(line)
                      .contains("does not allow programs to run (mounted noexec)")
                      .endsWith("set -Dorg.bytedeco.javacpp.cachedir=DIR to a folder that does"));
    } finally {
      new ProcessBuilder("umount", disk.toString()).start().waitFor();
    }
  }

  @Test
  void noHomeFallsBackToTheTemporaryFolder() throws Exception {
    Path file = Files.createFile(folder.resolve("file"));
    Path temporary = Files.createDirectory(folder.resolve("tmp"));
    ChildJvm child =
        new ChildJvm()
            .option("-Duser.home=" + file.resolve("home"))
            .option("-Djava.io.tmpdir=" + temporary);
    assertThat(child.run(LoadProgram.class).output().lines())
        .containsExactly("works true", "works true");
  }

  @Test
  void twoClassLoadersBothWork() throws Exception {
    ChildJvm child = fresh();
    String[] classPath = child.classPath().toArray(String[]::new);
    assertThat(child.run(TwoClassLoadersProgram.class, classPath).output().lines())
        .containsExactly("works true", "works true", "works true", "works true", "loaders 2");
  }

  /** A stub that asks for a version of the C library no system has. */
  @Test
  void aTooOldCLibraryIsExplained() throws Exception {
    Path library = stub("libjnimerganser.so");
    Path source = folder.resolve("fake.c");
    Files.writeString(source, "int merganser_newer(void) { return 1; }");
    Files.writeString(folder.resolve("fake.map"), "GLIBC_9.99 { global: merganser_newer; };");
    compile("-o", "libfake.so", "fake.c", "-Wl,--version-script=fake.map", "-Wl,-soname,libc.so.6");
    Files.writeString(
        folder.resolve("use.c"),
        "extern int merganser_newer(void); int f(void) { return merganser_newer(); }");
    compile("-nostdlib", "-o", library.toString(), "use.c", "-L.", "-l:libfake.so");
    ChildJvm.Result result = fresh().first(folder).run(LoadProgram.class);
    assertThat(result.output().lines())
        .hasSize(2)
        .allSatisfy(
            line ->
                assertThat(line)
                    .startsWith(FAILED + "linux-x86_64: the C library of this system is too old: ")
                    .contains("version `GLIBC_9.99' not found")
                    .endsWith("; use a newer distribution, or build Merganser on this one"));
  }

  @Test
  void anotherAbiIsRefused() throws Exception {
    stubVersions(999, "0.0.1");
    twice(
        fresh().first(folder),
        "NativeLibraryException: merganser-native on the class path has ABI version 999, merganser "
            + Natives.version()
            + " needs "
            + merganser.MG_ABI_VERSION
            + "; use the same version of both");
  }

  @Test
  void anotherVersionIsRefused() throws Exception {
    stubVersions(merganser.MG_ABI_VERSION, "0.0.1");
    twice(
        fresh().first(folder),
        "NativeLibraryException: merganser-native on the class path is version 0.0.1, merganser is "
            + Natives.version()
            + "; use the same version of both");
  }

  @Test
  void aMemoryLimitOfJavaCppIsTranslated() throws Exception {
    ChildJvm.Result result =
        fresh().option("-Dorg.bytedeco.javacpp.maxPhysicalBytes=1m").run(LoadProgram.class);
    assertThat(result.output().lines())
        .hasSize(2)
        .allSatisfy(
            line ->
                assertThat(line)
                    .matches(
                        "NativeLibraryException: native memory reached a limit of JavaCPP: this process"
                            + " uses \\d+ MiB, maxPhysicalBytes is 1 MiB \\(4 x the heap unless set\\),"
                            + " maxBytes is \\d+ MiB; raise -Dorg.bytedeco.javacpp.maxPhysicalBytes"
                            + " \\(0 for no limit\\) or -Xmx"));
  }

  private ChildJvm fresh() throws IOException {
    Path cache = Files.createDirectories(folder.resolve("cache"));
    return new ChildJvm().option("-Dorg.bytedeco.javacpp.cachedir=" + cache);
  }

  private static void twice(ChildJvm child, String message) throws Exception {
    assertThat(child.run(LoadProgram.class).output().lines()).containsExactly(message, message);
  }

  /** Where a library of the native jar would be found first. */
  private Path stub(String name) throws IOException {
    return Files.createDirectories(folder.resolve("org/merganser/natives/linux-x86_64"))
        .resolve(name);
  }

  private void stubVersions(int abi, String version) throws Exception {
    Files.writeString(
        folder.resolve("abi.c"),
        "int mg_abi_version(void) { return "
            + abi
            + "; } const char* mg_version(void) { return \""
            + version
            + "\"; }");
    compile("-o", stub("libmerganser.so").toString(), "abi.c", "-Wl,-soname,libmerganser.so");
  }

  private void compile(String... arguments) throws Exception {
    List<String> command =
        Stream.concat(Stream.of("g++", "-x", "c", "-shared", "-fPIC"), Stream.of(arguments))
            .toList();
    Path log = folder.resolve("compile.log");
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    assertThat(process.waitFor()).as(Files.readString(log)).isZero();
  }
}
