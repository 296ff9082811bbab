// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PartialFileTest {
  @TempDir Path folder;

  private Path target;

  @BeforeEach
  void name() {
    target = folder.resolve("out");
  }

  private static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
  }

  private void write(String text) throws IOException {
    try (PartialFile file = new PartialFile(target)) {
      file.write(bytes(text));
      file.commit();
    }
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void twoWritersDoNotMeet() throws IOException {
    try (PartialFile first = new PartialFile(target);
        PartialFile second = new PartialFile(target)) {
      first.write(bytes("AAAAAAAAAA"));
      second.write(bytes("BBB"));
      first.commit();
      assertThat(target).hasContent("AAAAAAAAAA");
      second.write(bytes("BBB"));
      second.commit();
      assertThat(target).hasContent("BBBBBB");
    }
    assertThat(names()).containsExactly("out");
  }

  @Test
  void manyWritersAtOnceGiveOneOfTheirFiles() throws Exception {
    var pool = Executors.newFixedThreadPool(8);
    try {
      List<Callable<Void>> writers = new ArrayList<>();
      for (int k = 0; k < 40; k++) {
        String text = String.valueOf((char) ('a' + k % 26)).repeat(50_000);
        writers.add(
            () -> {
              write(text);
              return null;
            });
      }
      for (Future<Void> done : pool.invokeAll(writers)) {
        done.get();
      }
    } finally {
      pool.shutdown();
    }
    String found = Files.readString(target);
    assertThat(found).hasSize(50_000);
    assertThat(found.chars().distinct().count()).isEqualTo(1);
    assertThat(names()).containsExactly("out");
  }

  /** Files of others may be called anything, such as what a writer of old used. */
  @Test
  void whatOthersPutBesideStays() throws IOException {
    Path victim = Files.writeString(folder.resolve("victim"), "precious");
    Files.createSymbolicLink(folder.resolve("out.partial"), victim);
    write("new");
    try (PartialFile given = new PartialFile(target)) {
      given.write(bytes("never committed"));
    }
    assertThat(target).hasContent("new");
    assertThat(victim).hasContent("precious");
    assertThat(folder.resolve("out.partial")).isSymbolicLink();
    assertThat(names()).containsExactly("out", "out.partial", "victim");
  }

  @Test
  @Timeout(30)
  void aPipeOfThatNameDoesNotHang() throws Exception {
    Path pipe = folder.resolve("out.partial");
    assumeTrue(
        new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0, "mkfifo is not here");
    write("new");
    assertThat(target).hasContent("new");
    assertThat(pipe).exists();
    Path reached = Files.createSymbolicLink(folder.resolve("link"), pipe);
    for (Path odd : List.of(pipe, reached)) {
      assertThatThrownBy(() -> new PartialFile(odd))
          .isInstanceOf(IOException.class)
          .hasMessage("cannot write " + odd + ": it is no regular file");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"rw-------", "rw-rw-r--", "r--r--r--", "rwxr-x---"})
  void aReplacedFileKeepsItsPermissions(String permissions) throws IOException {
    Files.writeString(target, "old");
    Files.setPosixFilePermissions(target, PosixFilePermissions.fromString(permissions));
    write("new");
    assertThat(target).hasContent("new");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(target)))
        .isEqualTo(permissions);
  }

  @Test
  void aNewFileFollowsTheUmask() throws IOException {
    write("new");
    Path plain = Files.createFile(folder.resolve("plain"));
    assertThat(Files.getPosixFilePermissions(target))
        .isEqualTo(Files.getPosixFilePermissions(plain));
  }

  @Test
  void aLinkIsReplacedAndNotFollowed() throws IOException {
    Path blob = Files.writeString(folder.resolve("blob"), "cached");
    Files.createSymbolicLink(target, blob);
    write("new");
    assertThat(target).hasContent("new").isRegularFile();
    assertThat(Files.isSymbolicLink(target)).isFalse();
    assertThat(blob).hasContent("cached");
  }

  /** As of reads: an interruption is kept for whoever looks at it, and closes no file. */
  @Test
  @Timeout(60)
  void anInterruptedWriterWritesOn() throws Exception {
    String text = "abcd".repeat(1 << 20);
    Thread writer = Thread.currentThread();
    writer.interrupt();
    try (PartialFile file = new PartialFile(target)) {
      for (int part = 0; part < 4; part++) {
        file.write(bytes(text));
      }
      file.commit();
    }
    assertThat(Thread.interrupted()).isTrue();
    assertThat(target).hasContent(text.repeat(4));
    var pool = Executors.newSingleThreadExecutor();
    try {
      // Wherever it meets the writer.
      for (int round = 0; round < 20; round++) {
        int delay = round * 200_000;
        Future<?> interruption =
            pool.submit(
                () -> {
                  LockSupport.parkNanos(delay);
                  writer.interrupt();
                });
        write(text + round);
        while (!interruption.isDone()) {
          Thread.onSpinWait();
        }
        assertThat(Thread.interrupted()).isTrue();
        assertThat(target).hasContent(text + round);
      }
    } finally {
      pool.shutdown();
    }
    assertThat(names()).containsExactly("out");
  }

  @Test
  void theLongestNamesWork() throws IOException {
    target = folder.resolve("n".repeat(255));
    write("new");
    assertThat(target).hasContent("new");
  }

  @Test
  void tooLittleRoomIsSaidWithBothFigures() throws IOException {
    long bytes = Long.MAX_VALUE / 2;
    assertThatThrownBy(() -> new PartialFile(target, bytes))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(
            "cannot write " + target + ": it needs " + bytes + " bytes, " + folder + " has ")
        .hasMessageEndingWith(" free; free some space or choose another folder");
    assertThat(names()).isEmpty();
  }

  /** A disk that fills up while it is written: /dev/full cannot be used, a small one needs root. */
  @Test
  void aDiskThatIsFullLaterIsNamedAsWell() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    Process mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk.toString())
            .redirectErrorStream(true)
            .start();
    assumeTrue(mount.waitFor() == 0, "a small file system cannot be mounted here");
    try {
      Path full = disk.resolve("out");
      Files.write(full, new byte[1000]);
      assertThatThrownBy(
              () -> {
                try (PartialFile file = new PartialFile(full)) {
                  file.write(ByteBuffer.allocate(1 << 17));
                  file.commit();
                }
              })
          .isInstanceOf(IOException.class)
          .hasMessageMatching(
              "cannot write "
                  + full
                  + ": No space left on device after \\d+ bytes; "
                  + disk
                  + " has \\d+ free");
      assertThat(full).hasSize(1000);
      try (Stream<Path> left = Files.list(disk)) {
        assertThat(left).containsExactly(full);
      }
    } finally {
      new ProcessBuilder("umount", disk.toString()).start().waitFor();
    }
  }

  @Test
  void textIsReadWithOrWithoutAByteOrderMark() throws IOException {
    TextFile.write(target, "{\"ä\": 1}");
    assertThat(TextFile.read(target)).isEqualTo("{\"ä\": 1}");
    Files.writeString(target, "\ufeff{}");
    assertThat(TextFile.read(target)).isEqualTo("{}");
    for (var charset :
        List.of(StandardCharsets.UTF_16, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
      Files.writeString(target, "{\"a\": 1}", charset);
      assertThatThrownBy(() -> TextFile.read(target))
          .hasMessageStartingWith(target + ": the text is UTF-16")
          .hasMessageEndingWith("save it as UTF-8");
    }
    Files.write(target, new byte[] {'{', (byte) 0xe4, '}'});
    assertThatThrownBy(() -> TextFile.read(target)).hasMessage(target + ": no valid UTF-8");
    assertThatThrownBy(() -> TextFile.write(target, "\ud800"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(target + ": the text holds a lone surrogate, which UTF-8 cannot hold");
  }
}
