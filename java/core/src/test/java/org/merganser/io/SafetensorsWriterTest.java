// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Cancellation;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.CancelledException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Models;

class SafetensorsWriterTest {
  @TempDir Path folder;

  @Test
  void layoutIsThatOfTheFormatsOwnLibrary() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    tensors.put("z", Tensor.of(new float[] {1, 2}, 2));
    tensors.put("half", Tensor.zeros(DType.F16, 3));
    tensors.put("a", Tensor.of(new float[] {3}, 1));
    tensors.put("wide", Tensor.of(new double[] {4}, 1, 1));
    tensors.put("scalar", Tensor.zeros(DType.U8));
    Path file = folder.resolve("m.safetensors");
    Safetensors.write(MemoryCheckpoint.of(tensors), file, WS);
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    long length = bytes.getLong();
    assertThat(length % 8).isZero();
    String header = new String(bytes.array(), 8, (int) length, StandardCharsets.UTF_8);
    assertThat(header.stripTrailing())
        .isEqualTo(
            "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"wide\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                + "\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]},"
                + "\"half\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[20,26]},"
                + "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[26,27]}}");
    assertThat(bytes.capacity()).isEqualTo(8 + length + 27);
    assertThat(bytes.getFloat((int) (8 + length + 8))).isEqualTo(3f);
    try (Checkpoint read = Safetensors.open(file)) {
      Models.assertSameBits("read", sorted(read), sorted(MemoryCheckpoint.of(tensors)), WS);
      assertThat(read.parameters()).isEqualTo(8);
    }
  }

  @Test
  void metadataIsKept() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Path again = folder.resolve("n.safetensors");
    Safetensors.write(model(), Map.of("b", "\"quoted\"\n", "a", "\u00e9\ud83e\udd86"), file, WS);
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(read.metadata())
          .containsExactly(Map.entry("a", "\u00e9\ud83e\udd86"), Map.entry("b", "\"quoted\"\n"));
      Safetensors.write(read, again, WS);
    }
    try (Checkpoint read = Safetensors.open(again)) {
      assertThat(read.metadata()).containsEntry("format", "pt").containsKeys("a", "b");
    }
  }

  @Test
  void rowsAreReadAlone() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Safetensors.write(model(), file, WS);
    try (Checkpoint read = Safetensors.open(file);
        Tensor rows = Tensor.allocate(DType.F32, 2, 2)) {
      read.readRows("w", 1, 3, rows, WS);
      assertThat(rows.toFloatArray()).containsExactly(3, 4, 5, 6);
      assertThatThrownBy(() -> read.readRows("w", 2, 4, rows, WS))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("rows 2 to 4 of 'w' F32 [3, 2]");
      assertThatThrownBy(() -> read.readRows("w", 0, 1, rows, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("target of rows of 'w' is F32 [2, 2], needed F32 [1, 2]");
      assertThatThrownBy(() -> read.read("w", rows, WS))
          .isInstanceOf(ShapeException.class)
          .hasMessage("target of 'w' is F32 [2, 2], needed F32 [3, 2]");
      assertThatThrownBy(() -> read.read("v", WS))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessage("missing tensor:\n  no tensor 'v' (nearest of 1: w)");
    }
  }

  @Test
  void aFileTruncatedWhileItIsOpenGivesAnErrorWithItsPlace() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Safetensors.write(model(), file, WS);
    long size = Files.size(file);
    try (Checkpoint read = Safetensors.open(file)) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(size - 10);
      }
      assertThatThrownBy(() -> read.read("w", WS))
          .isInstanceOf(EOFException.class)
          .hasMessage(
              file
                  + " ends at byte "
                  + (size - 10)
                  + ", 10 more were expected there; it had "
                  + size
                  + " when it was opened");
    }
  }

  @Test
  void aFailedWriteLeavesNothingAndTheOldFileAsItWas() throws IOException {
    Path file = Files.writeString(folder.resolve("m.safetensors"), "old");
    Checkpoint broken =
        new Checkpoint() {
          @Override
          public Map<String, TensorInfo> tensors() {
            return Map.of("w", TensorInfo.of(DType.F32, 2));
          }

          @Override
          public void readRange(String name, long from, long to, Tensor into, Workspace ws)
              throws IOException {
            throw new IOException("the disk is gone");
          }
        };
    assertThatThrownBy(() -> Safetensors.write(broken, file, WS)).hasMessage("the disk is gone");
    assertThat(Files.readString(file)).isEqualTo("old");
    assertOnly("m.safetensors");

    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    try (Workspace ws = Workspace.builder().cancellation(cancellation).open()) {
      assertThatThrownBy(() -> Safetensors.write(model(), file, ws))
          .isInstanceOf(CancelledException.class);
    }
    assertOnly("m.safetensors");
  }

  @Test
  void unwritableTargetsAreNamed() throws IOException {
    Path nowhere = folder.resolve("none").resolve("m.safetensors");
    assertThatThrownBy(() -> Safetensors.write(model(), nowhere, WS))
        .isInstanceOf(IOException.class)
        .hasMessage("cannot write " + nowhere + ": its folder does not exist; create it first");
    Path taken = Files.createDirectory(folder.resolve("taken"));
    assertThatThrownBy(() -> Safetensors.write(model(), taken, WS))
        .isInstanceOf(IOException.class)
        .hasMessage("cannot write " + taken + ": it is a folder; name a file in it");
    assertOnly("taken");
  }

  /** A name that a reader would refuse must not be written. */
  @Test
  void namesThatCannotBeReadAreRefused() throws IOException {
    Map<String, String> names =
        Map.of(
            "__metadata__", "'__metadata__'", "a\ud800b", "'a\\ud800b': it holds a lone surrogate");
    names.forEach(
        (name, quoted) -> {
          Checkpoint model = MemoryCheckpoint.of(Map.of(name, Tensor.zeros(DType.F32, 1)));
          for (Path target : new Path[] {folder.resolve("m"), folder.resolve("f")}) {
            assertThatThrownBy(
                    () -> {
                      if (target.endsWith("f")) {
                        Safetensors.writeFolder(model, folder, 100, WS);
                      } else {
                        Safetensors.write(model, target, WS);
                      }
                    })
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("a tensor cannot be stored under the name " + quoted);
          }
        });
    assertThatThrownBy(
            () -> Safetensors.write(model(), Map.of("k", "\udc00"), folder.resolve("m"), WS))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("metadata 'k' holds a lone surrogate, which UTF-8 cannot hold");
    assertOnly();
  }

  @Test
  void aModelMayReplaceTheFileItIsReadFrom() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Safetensors.write(model(), file, WS);
    byte[] before = Files.readAllBytes(file);
    try (Checkpoint read = Safetensors.open(file)) {
      Safetensors.write(read, file, WS);
    }
    assertThat(Files.readAllBytes(file)).isEqualTo(before);
  }

  @Test
  void readingAfterCloseIsAnError() throws IOException {
    Path file = folder.resolve("m.safetensors");
    Safetensors.write(model(), file, WS);
    Checkpoint read = Safetensors.open(file);
    read.close();
    read.close();
    assertThatThrownBy(() -> read.read("w", WS))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(file + " is already closed");
  }

  private void assertOnly(String... names) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files.map(f -> f.getFileName().toString())).containsExactlyInAnyOrder(names);
    }
  }

  private static MemoryCheckpoint model() {
    return MemoryCheckpoint.of(Map.of("w", Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2)));
  }

  private static MemoryCheckpoint sorted(Checkpoint checkpoint) throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : checkpoint.tensors().keySet().stream().sorted().toList()) {
      tensors.put(name, checkpoint.read(name, WS));
    }
    return MemoryCheckpoint.of(tensors);
  }
}
