// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.testing.RunsOnce;

/**
 * Damaged configurations and headers give a typed error, or an adapter that folds; the same seed on
 * every run. Four thousand, or {@code -Dmerganser.damagedAdapters=N} (or the first argument of
 * {@link #main}).
 */
@RunsOnce("reads files; what is folded is tested elsewhere")
class LoraDamageTest {
  private static final String[] PIECES = {
    "null", "true", "[]", "{}", "-1", "1e400", "\"", "}", "(.*)*", "\\", ",", ":", "2.5"
  };

  /** On the heap; the files have some 10 kB. */
  private static final long MOST = 1 << 22;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"adapter_config.json", "adapter_model.safetensors"})
  @Timeout(300)
  void damaged(String file) throws IOException {
    int cases = Integer.getInteger("merganser.damagedAdapters", 4000) / 2;
    int folded = run(file, folder, cases);
    assertThat(cases - folded).as("refused").isGreaterThan(cases / 10);
    assertThat(folded).as("folded").isGreaterThan(cases / 100);
  }

  /** With a number of cases, half of them of each file. */
  public static void main(String[] arguments) throws IOException {
    int cases = Integer.parseInt(arguments[0]) / 2;
    for (String file : new String[] {"adapter_config.json", "adapter_model.safetensors"}) {
      int folded = run(file, Files.createTempDirectory("damaged"), cases);
      System.out.printf("%s: %d refused, %d folded%n", file, cases - folded, folded);
    }
  }

  /** How many fold. */
  private static int run(String file, Path folder, int cases) throws IOException {
    for (String name : new String[] {"adapter_config.json", "adapter_model.safetensors"}) {
      Files.copy(Adapters.fixture("rich/" + name), folder.resolve(name));
    }
    byte[] valid = Files.readAllBytes(folder.resolve(file));
    int length = file.endsWith(".json") ? valid.length : 3000;
    SplittableRandom random = new SplittableRandom(20_261_129);
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int folded = 0;
    try (Checkpoint base = Safetensors.open(Adapters.fixture("base.safetensors"))) {
      for (int i = 0; i < cases; i++) {
        Files.write(folder.resolve(file), damage(valid, length, random));
        long before = memory.getCurrentThreadAllocatedBytes();
        folded += folds(folder, base) ? 1 : 0;
        long allocated = memory.getCurrentThreadAllocatedBytes() - before;
        // The first ones load what is loaded once.
        assertThat(i < 100 || allocated < MOST).as("case %d: %d bytes", i, allocated).isTrue();
      }
    }
    return folded;
  }

  private static boolean folds(Path folder, Checkpoint base) throws IOException {
    try (LoraAdapter adapter = LoraAdapter.open(folder)) {
      Checkpoint folded = adapter.fold(base);
      for (String target : adapter.targets()) {
        folded.read(target, WS).close();
      }
      return true;
    } catch (FormatException | IncompatibleModelsException | NumericalException e) {
      assertThat(e.getMessage()).isNotBlank();
      return false;
    }
  }

  /** Bytes changed, a piece of text put in, or the end cut off. */
  private static byte[] damage(byte[] valid, int length, SplittableRandom random) {
    int at = random.nextInt(length);
    int kind = random.nextInt(10);
    if (kind == 0) {
      return Arrays.copyOf(valid, at);
    }
    byte[] damaged = valid.clone();
    if (kind < 5) {
      byte[] piece = PIECES[random.nextInt(PIECES.length)].getBytes();
      int room = Math.min(piece.length, length - at);
      System.arraycopy(piece, 0, damaged, at, room);
      return damaged;
    }
    for (int times = 1 + random.nextInt(3); times > 0; times--) {
      damaged[random.nextInt(length)] =
          (byte) (random.nextBoolean() ? random.nextInt(256) : 32 + random.nextInt(95));
    }
    return damaged;
  }
}
