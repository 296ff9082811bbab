// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Close;

/** Files of torch.save have the tensors that the same state has as safetensors, to the bit. */
class TorchFileTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @CsvSource({
    "types, types",
    "views, views",
    "network, network",
    "protocol4, network",
    "zip64, types",
  })
  void theSameBytesAsSafetensors(String torch, String safetensors) throws IOException {
    Path expected = TorchZip.fixture(safetensors + ".safetensors");
    SplittableRandom random = new SplittableRandom(5);
    try (Checkpoint read = Safetensors.open(TorchZip.fixture(torch + ".pt"));
        Checkpoint other = Safetensors.open(expected)) {
      assertThat(read.tensors()).isEqualTo(other.tensors());
      assertThat(read.metadata()).containsEntry("format", "pt");
      for (Map.Entry<String, TensorInfo> each : read.tensors().entrySet()) {
        ranges(read, other, each.getKey(), each.getValue(), random);
      }
      Path written = folder.resolve("out.safetensors");
      Safetensors.write(read, Map.of(), written, WS);
      assertThat(written).hasSameBinaryContentAs(expected);
    }
  }

  private static void ranges(
      Checkpoint read, Checkpoint other, String name, TensorInfo info, SplittableRandom random)
      throws IOException {
    for (int i = 0; i < 20; i++) {
      long from = random.nextLong(info.size() + 1);
      long to = from + random.nextLong(info.size() + 1 - from);
      try (Tensor a = Tensor.allocate(info.dtype(), to - from);
          Tensor b = Tensor.allocate(info.dtype(), to - from)) {
        read.readRange(name, from, to, a, WS);
        other.readRange(name, from, to, b, WS);
        Close.bitwise(name, a, b);
      }
    }
  }

  /** What is contiguous is read in any ranges; what is not, whole. */
  @Test
  void blocks() throws IOException {
    try (Checkpoint read = Safetensors.open(TorchZip.fixture("views.pt"))) {
      for (String name : new String[] {"whole", "same", "rows", "one", "unit_axes"}) {
        assertThat(read.block(name)).as(name).isEqualTo(1);
      }
      for (String name : new String[] {"transposed", "columns", "permuted", "expanded"}) {
        assertThat(read.block(name)).as(name).isEqualTo(read.info(name).size());
      }
    }
  }

  /** A view that spans more than is read at once is cut; of 9 MiB here. */
  @Test
  void aLargeTransposedMatrix() throws IOException {
    int rows = 1500;
    int columns = 1600;
    ByteBuffer data = ByteBuffer.allocate(rows * columns * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < rows * columns; i++) {
      data.putFloat(i);
    }
    String count = "J" + little(rows * columns);
    String shape = TorchZip.number(columns) + TorchZip.number(rows) + "\u0086";
    String strides = "K\1" + TorchZip.number(columns) + "\u0086";
    String pickle =
        TorchZip.tensor(7, "K\0", shape, strides).replace(TorchZip.number(7) + "tQ", count + "tQ");
    Path file = TorchZip.write(folder.resolve("m.pth"), pickle, data.array());
    try (Checkpoint read = Safetensors.open(file);
        Tensor w = read.read("w", WS)) {
      assertThat(w.shape()).containsExactly(columns, rows);
      ByteBuffer found = w.buffer(0, (int) w.bytes()).order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < columns; i++) {
        for (int j = 0; j < rows; j++) {
          assertThat(found.getFloat((i * rows + j) * 4) == j * columns + i).isTrue();
        }
      }
    }
  }

  private static String little(int number) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 4; i++) {
      text.append((char) (number >> 8 * i & 255));
    }
    return text.toString();
  }

  @Test
  void foldersOfTransformers() throws IOException {
    Path single = Files.createDirectory(folder.resolve("single"));
    Files.copy(TorchZip.fixture("network.pt"), single.resolve("pytorch_model.bin"));
    Files.write(single.resolve("training_args.bin"), new byte[9]);
    Path sharded = Files.createDirectory(folder.resolve("sharded"));
    String shard = "pytorch_model-00001-of-00001.bin";
    Files.copy(TorchZip.fixture("network.pt"), sharded.resolve(shard));
    Files.writeString(
        sharded.resolve("pytorch_model.bin.index.json"),
        "{\"weight_map\": {\"0.weight\": \"" + shard + "\", \"2.bias\": \"" + shard + "\"}}");
    try (Checkpoint whole = Safetensors.open(single);
        Checkpoint some = Safetensors.open(sharded)) {
      assertThat(whole.tensors()).hasSize(9);
      assertThat(some.tensors()).containsOnlyKeys("0.weight", "2.bias");
      some.read("2.bias", WS).close();
    }
    assertThat(Safetensors.files(single)).containsExactly(single.resolve("pytorch_model.bin"));
    assertThat(Safetensors.files(sharded)).hasSize(2);
  }

  @Test
  void readingWhatIsClosed() throws IOException {
    Checkpoint read = Safetensors.open(TorchZip.fixture("network.pt"));
    read.close();
    assertThatThrownBy(() -> read.read("0.weight", WS))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("already closed");
  }
}
