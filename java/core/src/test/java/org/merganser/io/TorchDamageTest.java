// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.merganser.error.FormatException;
import org.merganser.internal.io.FileBytes;

/**
 * Damaged files give a typed error or what the whole file gives; the same seed on every run. Ten
 * thousand in all, or {@code -Dmerganser.damagedTorch=N} (or the first argument of {@link #main}).
 */
class TorchDamageTest {
  private static final String[] FIXTURES = {"types", "views", "network", "protocol4", "zip64"};

  /** The largest fixture has 4.8 kB; an index of the longest tail of a zip has 64 KiB. */
  private static final long MOST = 1 << 20;

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  @Timeout(300)
  void damaged(boolean mended) throws IOException {
    int cases = Integer.getInteger("merganser.damagedTorch", 10_000) / FIXTURES.length / 2;
    int[] ends = new int[2];
    for (String name : FIXTURES) {
      run(folder.resolve("m.pt"), name, mended, cases, ends);
    }
    assertThat(ends[0]).as("refused").isGreaterThan(cases);
    assertThat(ends[1]).as("read").isGreaterThan(cases / 10);
  }

  public static void main(String[] arguments) throws IOException {
    int cases = Integer.parseInt(arguments[0]) / FIXTURES.length / 2;
    Path file = Files.createTempFile("damaged", ".pt");
    for (String name : FIXTURES) {
      for (boolean mended : new boolean[] {true, false}) {
        int[] ends = new int[2];
        run(file, name, mended, cases, ends);
        System.out.printf("%s mended %b: %d refused, %d read%n", name, mended, ends[0], ends[1]);
      }
    }
    Files.delete(file);
  }

  /**
   * @param mended whether the pickle is what is damaged, and its check sum follows
   */
  private static void run(Path file, String name, boolean mended, int cases, int[] ends)
      throws IOException {
    byte[] valid = Files.readAllBytes(TorchZip.fixture(name + ".pt"));
    TorchFile original;
    long begin;
    long length;
    try (FileBytes bytes = new FileBytes(TorchZip.fixture(name + ".pt"))) {
      original = TorchFile.read(bytes);
      StoredZip zip = StoredZip.read(bytes);
      StoredZip.Entry pickle = zip.entries().values().iterator().next();
      assertThat(pickle.name()).endsWith("/data.pkl");
      begin = zip.begin(pickle);
      length = pickle.size();
    }
    SplittableRandom random = new SplittableRandom(20_261_129 + name.hashCode());
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Files.write(file, valid);
    // Loads what is loaded once, so that it does not count.
    assertThat(read(file, original)).isTrue();
    assertThat(read(Files.write(file, new byte[9]), null)).isFalse();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      for (int i = 0; i < cases; i++) {
        byte[] damaged =
            mended
                ? mended(valid, (int) begin, (int) length, random)
                : Damage.of(valid, 0, valid.length, random);
        channel.write(ByteBuffer.wrap(damaged), 0);
        channel.truncate(damaged.length);
        long before = memory.getCurrentThreadAllocatedBytes();
        boolean read = read(file, mended ? null : original);
        assertThat(memory.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST);
        ends[read ? 1 : 0]++;
      }
    }
  }

  private static boolean read(Path file, TorchFile original) throws IOException {
    try (FileBytes bytes = new FileBytes(file);
        TorchCheckpoint checkpoint = new TorchCheckpoint(bytes, TorchFile.read(bytes))) {
      if (original != null) {
        assertThat(new TorchCheckpoint(bytes, original).tensors()).isEqualTo(checkpoint.tensors());
        assertThat(TorchFile.read(bytes)).isEqualTo(original);
      }
      for (String name : checkpoint.tensors().keySet()) {
        checkpoint.read(name, WS).close();
      }
      return true;
    } catch (FormatException e) {
      assertThat(e).hasMessageContaining(file.toString()).hasMessageContaining("at byte ");
      return false;
    }
  }

  private static byte[] mended(byte[] valid, int begin, int length, SplittableRandom random) {
    byte[] damaged = Damage.of(valid, begin, length, random);
    int before = crc(valid, begin, length);
    int after = crc(damaged, begin, length);
    ByteBuffer view = ByteBuffer.wrap(damaged).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < damaged.length - 3; at++) {
      if ((at < begin || at >= begin + length) && view.getInt(at) == before) {
        view.putInt(at, after);
      }
    }
    return damaged;
  }

  private static int crc(byte[] bytes, int begin, int length) {
    CRC32 crc = new CRC32();
    crc.update(bytes, begin, length);
    return (int) crc.getValue();
  }
}
