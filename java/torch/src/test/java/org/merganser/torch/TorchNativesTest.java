// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.MerganserException;
import org.merganser.testing.ChildJvm;
import org.merganser.torch.internal.Libtorch;

class TorchNativesTest {
  @TempDir Path folder;

  private ChildJvm emptyCache() {
    return new ChildJvm().option("-Dorg.bytedeco.javacpp.cachedir=" + folder.resolve("cache"));
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
    ChildJvm.Result result = emptyCache().run(LoadTorch.class);
    assertThat(result.output()).contains("loaded " + TorchNatives.version());
    assertThat(result.exit()).isZero();
  }

  @Test
  void saysWhichArtifactIsMissingEachTime() throws Exception {
    String platform = Loader.getPlatform();
    ChildJvm.Result result =
        emptyCache()
            .without(name -> name.startsWith("pytorch-") && name.endsWith("-" + platform + ".jar"))
            .run(LoadTorch.class);
    String message =
        "refused cannot load libtorch on "
            + platform
            + ": not on the class path: org.bytedeco:pytorch with classifier "
            + platform
            + "; add it as a dependency (a build tool that drops classifiers, or a shaded jar without"
            + " native resources, loses it)\n";
    assertThat(result.output()).isEqualTo(message + message);
    assertThat(result.exit()).isZero();
  }

  /** libgomp itself says what it reads when it is loaded. */
  @Test
  void idleThreadsOfLibgompSleepUnlessTheUserSaysOtherwise() throws Exception {
    ChildJvm show = new ChildJvm().environment("OMP_DISPLAY_ENV", "true");
    assertThat(show.run(LoadTorch.class).output())
        .contains("OMP_WAIT_POLICY = 'PASSIVE'", "loaded ");
    assertThat(show.environment("OMP_WAIT_POLICY", "ACTIVE").run(LoadTorch.class).output())
        .contains("OMP_WAIT_POLICY = 'ACTIVE'", "loaded ");
  }

  /** It prints to stderr on processors it does not know, and computes differently on others. */
  @Test
  void nnpackIsNotAsked() throws IOException {
    assertThat(Libtorch.call(1, () -> torch.globalContext().userEnabledNNPACK())).isFalse();
  }

  @Test
  void translatesErrorsOfLibtorch() {
    assertThatThrownBy(
            () ->
                Libtorch.call(
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
                  Libtorch.call(
                      1,
                      () -> {
                        throw new IllegalStateException("inside");
                      }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("inside");
    }
    assertThat(Libtorch.call(2, torch::get_num_threads)).isEqualTo(2);
    assertThat(Libtorch.call(1, torch::get_num_threads)).isEqualTo(1);
  }
}
