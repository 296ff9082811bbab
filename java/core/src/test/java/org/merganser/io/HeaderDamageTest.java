// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.error.FormatException;
import org.merganser.internal.io.FileBytes;
import org.merganser.testing.RunsOnce;

/**
 * Damaged headers give a typed error or a model whose tensors lie in the file; the same seed on
 * every run. Ten thousand of each kind, or {@code -Dmerganser.damagedHeaders=N} (or the first
 * argument of {@link #main}).
 */
@RunsOnce("reads headers, computes nothing")
class HeaderDamageTest {
  /** The largest file has 36 kB; classes are loaded on the way. */
  private static final long MOST = 1 << 22;

  @TempDir private Path folder;

  enum Kind {
    GGUF {
      @Override
      Path prepare(Path folder) throws IOException {
        return Files.copy(GgufBytes.fixture("llama.gguf"), folder.resolve("m.gguf"));
      }

      @Override
      int header(Path file) throws IOException {
        try (FileBytes bytes = new FileBytes(file)) {
          return (int)
              GgufHeader.read(bytes).tensors().values().stream()
                  .mapToLong(GgufHeader.Entry::begin)
                  .min()
                  .orElseThrow();
        }
      }

      @Override
      void read(Path file, Map<String, TensorInfo> original) throws IOException {
        try (Checkpoint read = Safetensors.open(file)) {
          for (String name : read.tensors().keySet()) {
            read.read(name, WS).close();
          }
        }
      }
    },

    GGUF_TOKENS {
      @Override
      Path prepare(Path folder) throws IOException {
        return GgufTokensTest.file().write(folder.resolve("tokens.gguf"));
      }

      @Override
      int header(Path file) throws IOException {
        return GGUF.header(file);
      }

      @Override
      void read(Path file, Map<String, TensorInfo> original) throws IOException {
        try (ModelDirectory read = ModelDirectory.open(file)) {
          read.tokens()
              .ifPresent(
                  tokens -> assertThat(tokens.kinds().size()).isIn(0, tokens.texts().size()));
        }
      }
    },

    INDEX {
      @Override
      Path prepare(Path folder) throws IOException {
        try (Checkpoint model = Safetensors.open(GgufBytes.fixture("llama.safetensors"))) {
          Safetensors.writeFolder(model, folder, 40_000, WS);
        }
        return folder.resolve(ShardIndex.FILE);
      }

      /** What an index names is in a shard. */
      @Override
      void read(Path file, Map<String, TensorInfo> original) throws IOException {
        try (Checkpoint read = Safetensors.open(file)) {
          assertThat(original).containsAllEntriesOf(read.tensors());
        }
      }
    },

    CONFIG {
      @Override
      Path prepare(Path folder) throws IOException {
        return Files.writeString(folder.resolve("config.json"), ModelDirectoryTest.CONFIG);
      }

      @Override
      Map<String, TensorInfo> tensors(Path file) {
        return Map.of();
      }

      @Override
      void read(Path file, Map<String, TensorInfo> original) throws IOException {
        assertThat(ModelConfig.read(file).layers().orElse(0)).isNotNegative();
      }
    };

    /** Writes the valid files, and returns the one that is damaged. */
    abstract Path prepare(Path folder) throws IOException;

    /** Reads a damaged file. */
    abstract void read(Path file, Map<String, TensorInfo> original) throws IOException;

    /** So many bytes are damaged. */
    int header(Path file) throws IOException {
      return (int) Files.size(file);
    }

    Map<String, TensorInfo> tensors(Path file) throws IOException {
      try (Checkpoint read = Safetensors.open(file)) {
        return Map.copyOf(read.tensors());
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  @Timeout(300)
  void damaged(Kind kind) throws IOException {
    int cases = Integer.getInteger("merganser.damagedHeaders", 10_000);
    int refused = run(kind, folder, cases);
    assertThat(refused).isBetween(cases / 10, cases - 1);
  }

  public static void main(String[] arguments) throws IOException {
    int cases = Integer.parseInt(arguments[0]);
    for (Kind kind : Kind.values()) {
      int refused = run(kind, Files.createTempDirectory("damaged"), cases);
      System.out.printf("%s: %d refused, %d read%n", kind, refused, cases - refused);
    }
  }

  /** How many are refused. */
  private static int run(Kind kind, Path folder, int cases) throws IOException {
    Path file = kind.prepare(folder);
    byte[] valid = Files.readAllBytes(file);
    Map<String, TensorInfo> original = kind.tensors(file);
    int header = kind.header(file);
    SplittableRandom random = new SplittableRandom(20_261_129 + kind.ordinal());
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int refused = 0;
    Logger log = Logger.getLogger("org.merganser.io");
    log.setLevel(Level.OFF);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (int i = 0; i < cases; i++) {
        byte[] damaged =
            Damage.of(valid, 0, random.nextInt(8) == 0 ? valid.length : header, random);
        channel.write(ByteBuffer.wrap(damaged), 0);
        channel.truncate(damaged.length);
        long before = memory.getCurrentThreadAllocatedBytes();
        String refusal = "";
        try {
          kind.read(file, original);
        } catch (FormatException | IOException e) {
          refusal = e.getMessage();
          refused++;
        }
        long allocated = memory.getCurrentThreadAllocatedBytes() - before;
        assertThat(refusal.isEmpty() || refusal.contains(folder.toString())).as(refusal).isTrue();
        // The first ones load what is loaded once.
        assertThat(i < 100 || allocated < MOST).as("%d bytes, %s", allocated, refusal).isTrue();
      }
    } finally {
      log.setLevel(null);
    }
    return refused;
  }
}
