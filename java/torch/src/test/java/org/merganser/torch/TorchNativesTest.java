// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.MerganserException;

class TorchNativesTest {
  @TempDir Path folder;

  private List<String> emptyCache() {
    return List.of("-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("cache"));
  }

  /** The cache holds links to libraries of the system, which must stay. */
  @AfterEach
  void deleteTheCache() throws IOException {
    if (Files.exists(folder.resolve("cache"))) {
      try (Stream<Path> files = Files.walk(folder.resolve("cache"))) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /** Loading with nothing extracted yet once killed the JVM in a static initialiser. */
  @Test
  void loadsFromAnEmptyCache() throws Exception {
    ChildJvm.Result result =
        ChildJvm.run(entry -> true, emptyCache(), LoadTorch.class, folder.resolve("log"));
    assertThat(result.output()).contains("loaded " + TorchNatives.version());
    assertThat(result.code()).isZero();
  }

  @Test
  void saysWhichArtifactIsMissingEachTime() throws Exception {
    String platform = Loader.getPlatform();
    ChildJvm.Result result =
        ChildJvm.run(
            entry -> !(entry.contains("pytorch-") && entry.endsWith("-" + platform + ".jar")),
            emptyCache(),
            LoadTorch.class,
            folder.resolve("log"));
    String message =
        "refused cannot load libtorch on "
            + platform
            + ": not on the class path: org.bytedeco:pytorch with classifier "
            + platform
            + "; add it as a dependency (a build tool that drops classifiers, or a shaded jar without"
            + " native resources, loses it)\n";
    assertThat(result.output()).isEqualTo(message + message);
    assertThat(result.code()).isZero();
  }

  /** libgomp itself says what it reads when it is loaded. */
  @Test
  void idleThreadsOfLibgompSleepUnlessTheUserSaysOtherwise() throws Exception {
    Map<String, String> show = Map.of("OMP_DISPLAY_ENV", "true");
    Map<String, String> active = Map.of("OMP_DISPLAY_ENV", "true", "OMP_WAIT_POLICY", "ACTIVE");
    Path log = folder.resolve("log");
    assertThat(ChildJvm.run(entry -> true, List.of(), LoadTorch.class, log, show).output())
        .contains("OMP_WAIT_POLICY = 'PASSIVE'", "loaded ");
    assertThat(ChildJvm.run(entry -> true, List.of(), LoadTorch.class, log, active).output())
        .contains("OMP_WAIT_POLICY = 'ACTIVE'", "loaded ");
  }

  @Test
  void translatesErrorsOfLibtorch() {
    assertThatThrownBy(
            () ->
                TorchNatives.call(
                    1,
                    () -> {
                      try (Tensor a = torch.ones(2, 3);
                          Tensor b = torch.ones(2, 3)) {
                        return torch.mm(a, b);
                      }
                    }))
        .isExactlyInstanceOf(MerganserException.class)
        .hasMessageStartingWith("libtorch: ")
        .hasMessageContaining("2x3 and 2x3")
        .hasMessageNotContaining("\n");
  }

  @Test
  void releasesTheGateAfterAFailure() throws IOException {
    for (int i = 0; i < 3; i++) {
      assertThatThrownBy(
              () ->
                  TorchNatives.call(
                      1,
                      () -> {
                        throw new IllegalStateException("inside");
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("inside");
    }
    assertThat(TorchNatives.call(2, torch::get_num_threads)).isEqualTo(2);
    assertThat(TorchNatives.call(1, torch::get_num_threads)).isEqualTo(1);
  }
}
