// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.internal.kernel.Natives;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.FakeDeviceProgram;
import org.merganser.testing.LoadProgram;
import org.merganser.testing.RunsOnce;

/**
 * What is said, once a process, of a backend that was not used; what is loaded with one that is.
 */
@RunsOnce("about the choice of a backend, in JVMs that are told which")
class AutomaticBackendTest {
  private static final String NOT_USED = "INFO: backend auto is the CPU; CUDA is not used: ";

  @TempDir Path folder;

  private static ChildJvm automatic() {
    return new ChildJvm()
        .option("-Dmerganser.backend=auto")
        .option("-Djava.util.logging.SimpleFormatter.format=%4$s: %5$s%n")
        .option("-Duser.language=en");
  }

  private static List<String> said(ChildJvm child) throws Exception {
    List<String> lines = child.run(LoadProgram.class).output().lines().toList();
    assertThat(lines).endsWith("works true", "works true");
    return lines.subList(0, lines.size() - 2);
  }

  @Test
  void theReasonIsLoggedOnceForManyWorkspaces() throws Exception {
    String missing = Natives.cudaMissing();
    assertThat(said(automatic()))
        .isEqualTo(
            missing.isEmpty() || missing.equals("not in this build")
                ? List.of()
                : List.of(NOT_USED + missing));
  }

  @Test
  void aDeviceWithoutItsLibrariesIsNotChosen() throws Exception {
    assertThat(said(automatic().option(FakeDeviceProgram.option())))
        .singleElement()
        .asString()
        .startsWith(NOT_USED + "cuBLAS: not found (tried libcublas.so.13, libcublas.so.12 on ")
        .contains("; cuSOLVER: not found (tried ");
  }

  /** Any libraries of their names will do: the fake device calls neither. */
  @Test
  void aDeviceWithItsLibrariesIsChosen() throws Exception {
    Path plugin = Path.of(FakeDeviceProgram.option().replaceFirst("[^=]*=", ""));
    for (String name : List.of("libcublas.so.13", "libcusolver.so.12")) {
      Files.copy(plugin, folder.resolve(name));
    }
    ChildJvm child =
        automatic().option(FakeDeviceProgram.option()).option("-Dmerganser.cuda.path=" + folder);
    assertThat(child.run(LoadProgram.class, "where").output().lines())
        .containsExactly("works true on CUDA", "works true on CUDA");
  }

  @Test
  void aPluginThatCannotBeOpenedIsExplained() throws Exception {
    assertThat(said(automatic().option("-Dmerganser.cuda.plugin=/nowhere/plugin.so")))
        .containsExactly(
            NOT_USED
                + "the CUDA plug-in cannot be loaded: /nowhere/plugin.so: cannot open shared object"
                + " file: No such file or directory");
  }

  @Test
  void nothingIsSaidOfAChosenBackend() throws Exception {
    assertThat(said(automatic().option("-Dmerganser.backend=cpu"))).isEmpty();
  }

  /** Stand-ins for the classes of org.bytedeco:cuda say when they are loaded. */
  @Test
  void openingCudaLoadsThePresets() throws Exception {
    for (String name : List.of("cublas", "cusolver")) {
      Path source = Files.createDirectories(folder.resolve("source")).resolve(name + ".java");
      Files.writeString(
          source,
          "package org.bytedeco.cuda.global; public class "
              + name
              + " { static { System.out.println(\"loaded "
              + name
              + "\"); } }");
      int status =
          ToolProvider.getSystemJavaCompiler()
              .run(null, null, null, "-d", folder.toString(), source.toString());
      assertThat(status).isZero();
    }
    ChildJvm.Result onDevice =
        new ChildJvm()
            .first(folder)
            .option(FakeDeviceProgram.option())
            .run(FakeDeviceProgram.class);
    assertThat(onDevice.output().lines())
        .startsWith("loaded cublas", "loaded cusolver", "merged [2.0, 3.0, 5.5]")
        .filteredOn(line -> line.startsWith("loaded"))
        .hasSize(2);
    assertThat(new ChildJvm().first(folder).run(LoadProgram.class).output().lines())
        .containsExactly("works true", "works true");
  }
}
