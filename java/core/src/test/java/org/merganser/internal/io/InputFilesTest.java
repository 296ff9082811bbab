// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputFilesTest {
  @TempDir Path temp;

  @Test
  void linksAreFollowedAndFoldersAreNot() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("folder"));
    Path inner = Files.createDirectory(folder.resolve("inner"));
    Path deep = Files.writeString(inner.resolve("deep"), "");
    Files.writeString(folder.resolve("b"), "");
    Files.createSymbolicLink(folder.resolve("a"), deep);
    Files.createSymbolicLink(folder.resolve("gone"), temp.resolve("nowhere"));
    Path link = Files.createSymbolicLink(temp.resolve("link"), folder);
    assertThat(InputFiles.of(link)).containsExactly(link.resolve("a"), link.resolve("b"));
    assertThat(InputFiles.of(deep)).containsExactly(deep);
    assertThat(InputFiles.of(temp.resolve("nowhere"))).isEmpty();
  }
}
