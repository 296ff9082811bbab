// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.linalg.Tensor;
import org.merganser.testing.Cases;
import org.merganser.testing.Close;
import org.merganser.testing.Draw;

class SafetensorsPropertiesTest {
  @TempDir private Path folder;
  private Path file;

  @BeforeEach
  void name() {
    file = folder.resolve("model.safetensors");
  }

  @Cases(150)
  void anythingWrittenComesBack(Draw draw) throws IOException {
    SplittableRandom random = draw.random();
    Map<String, TensorInfo> infos = model(random);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    infos.forEach(
        (name, info) -> {
          Tensor tensor = Tensor.allocate(info.dtype(), info.dims());
          byte[] bytes = new byte[(int) tensor.bytes()];
          random.nextBytes(bytes);
          tensor.buffer(0, bytes.length).put(bytes);
          tensors.put(name, tensor);
        });
    MemoryCheckpoint written = MemoryCheckpoint.of(tensors);
    Safetensors.write(written, file, WS);
    byte[] first = Files.readAllBytes(file);
    try (Checkpoint read = Safetensors.open(file)) {
      assertThat(read.tensors()).isEqualTo(written.tensors());
      for (String name : tensors.keySet()) {
        try (Tensor tensor = read.read(name, WS)) {
          Close.bitwise(name, tensor, tensors.get(name));
        }
      }
      Safetensors.write(read, file, WS);
    }
    assertThat(Files.readAllBytes(file)).isEqualTo(first);
  }

  /** Up to eight tensors of any type, up to four axes of length 0 to 5, in whole bytes. */
  private static Map<String, TensorInfo> model(SplittableRandom random) {
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    for (int tensors = random.nextInt(9); tensors > 0; tensors--) {
      TensorInfo info;
      do {
        DType dtype = DType.values()[random.nextInt(DType.values().length)];
        info = new TensorInfo(dtype, random.longs(random.nextInt(5), 0, 6).boxed().toList());
      } while (info.size() * info.dtype().bits() % 8 != 0);
      infos.put(random.nextBoolean() ? ordinaryName(random) : anyName(random), info);
    }
    return infos;
  }

  private static String ordinaryName(SplittableRandom random) {
    List<String> names = List.of("w", "layer.0.weight", "a b", "\u0000", "\"\\", "/");
    return names.get(random.nextInt(names.size()));
  }

  /** One to twelve characters that UTF-8 can hold, so no half of a surrogate pair. */
  private static String anyName(SplittableRandom random) {
    return random
        .ints(0, Character.MAX_CODE_POINT + 1)
        // Most code points lie beyond 16 bits; half of the characters shall not.
        .map(c -> random.nextBoolean() ? c & 0xFFFF : c)
        .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
        .limit(1 + random.nextInt(12))
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /**
   * A damaged header gives a typed error or what it says; the same seed on every run. Ten thousand
   * of them, or {@code -Dmerganser.damagedHeaders=N}.
   */
  @Test
  void damagedHeaders() throws IOException {
    byte[] valid = validFile();
    Files.write(file, valid);
    Map<String, TensorInfo> original;
    try (Checkpoint read = Safetensors.open(file)) {
      original = read.tensors();
    }
    int headers = Integer.getInteger("merganser.damagedHeaders", 10_000);
    SplittableRandom random = new SplittableRandom(20_240_607);
    int refused = 0;
    int read = 0;
    // One channel, and no truncation to zero: some file systems flush to the disk for that.
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (int i = 0; i < headers; i++) {
        byte[] damaged = damage(valid, random);
        channel.write(ByteBuffer.wrap(damaged), 0);
        channel.truncate(damaged.length);
        try (Checkpoint checkpoint = Safetensors.open(file)) {
          // What still parses must describe the file it is in.
          long bytes = checkpoint.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
          assertThat(bytes).isLessThan(valid.length);
          for (String name : checkpoint.tensors().keySet()) {
            checkpoint.read(name, WS).close();
          }
          read++;
        } catch (FormatException | IOException e) {
          assertThat(e).hasMessageContaining(file.toString());
          refused++;
        }
      }
    }
    assertThat(original).hasSize(3);
    assertThat(refused).isGreaterThan(headers / 2);
    assertThat(read).isGreaterThan(headers / 200);
  }

  private static byte[] validFile() {
    String json =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
            + "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[16,24]},"
            + "\"c\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}   ";
    byte[] header = json.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + header.length + 32).order(ByteOrder.LITTLE_ENDIAN);
    return bytes.putLong(header.length).put(header).array();
  }

  private static byte[] damage(byte[] valid, SplittableRandom random) {
    byte[] bytes = valid.clone();
    int header = valid.length - 32;
    switch (random.nextInt(6)) {
      case 0 -> bytes[random.nextInt(header)] ^= (byte) (1 << random.nextInt(8));
      case 1 -> {
        return java.util.Arrays.copyOf(bytes, random.nextInt(valid.length));
      }
      case 2 -> bytes[random.nextInt(header)] = (byte) random.nextInt(256);
      case 3 -> ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, random.nextLong());
      case 4 -> {
        return insert(bytes, 8 + random.nextInt(header - 8), text(random));
      }
      default -> {
        for (int flips = 1 + random.nextInt(8); flips > 0; flips--) {
          bytes[random.nextInt(header)] ^= (byte) (1 << random.nextInt(8));
        }
      }
    }
    return bytes;
  }

  private static String text(SplittableRandom random) {
    List<String> texts =
        List.of(
            "9999999999999999999999999999",
            "9223372036854775807",
            "-1",
            "1e400",
            "\"",
            "{",
            "[",
            "]",
            "}",
            ",",
            "null",
            "\\u0000",
            "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]},");
    return texts.get(random.nextInt(texts.size()));
  }

  /** With the length field corrected, so that the parser gets to see it. */
  private static byte[] insert(byte[] bytes, int at, String text) {
    byte[] added = text.getBytes(StandardCharsets.UTF_8);
    ByteBuffer result =
        ByteBuffer.allocate(bytes.length + added.length).order(ByteOrder.LITTLE_ENDIAN);
    result.put(bytes, 0, at).put(added).put(bytes, at, bytes.length - at);
    result.putLong(0, bytes.length - 8 - 32 + added.length);
    return result.array();
  }
}
