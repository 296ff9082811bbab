// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.NoiseCheckpoint;
import org.merganser.testing.RunsOnce;
import org.merganser.testing.SparseMergeProgram;

/**
 * Two sparse files of so many gigabytes are averaged in a heap of 256 MB: {@code
 * -Dmerganser.sparseGigabytes=20}; what is written is not sparse.
 */
@RunsOnce("in a JVM of its own, which is told its backend")
class LargeModelTest {
  private static final int GIGABYTES = Integer.getInteger("merganser.sparseGigabytes", 0);
  private static final long MOST_RESIDENT = 400_000_000;

  @TempDir Path temporary;

  @Test
  void memoryIsThatOfParts() throws Exception {
    assumeTrue(GIGABYTES > 0, "opt in: -Dmerganser.sparseGigabytes=20");
    assumeTrue(Files.exists(Path.of("/proc/self/status")), "no /proc");
    ChildJvm.Result merged =
        new ChildJvm()
            .within(3600)
            .run(
                SparseMergeProgram.class,
                sparse("a").toString(),
                sparse("b").toString(),
                temporary.resolve("out").toString());
    assertThat(merged.exit()).as(merged.output()).isZero();
    String[] lines = merged.output().strip().split("\n");
    System.getLogger("test").log(System.Logger.Level.INFO, merged.output());
    assertThat(Long.parseLong(lines[lines.length - 1])).isBetween(1L, MOST_RESIDENT);
  }

  /** One large tensor and some of usual size, in BF16. */
  private Path sparse(String name) throws IOException {
    Map<String, TensorInfo> shapes = new LinkedHashMap<>();
    long half = GIGABYTES * 500_000_000L / 2;
    shapes.put("large", TensorInfo.of(DType.BF16, half / 4096, 4096));
    for (int k = 0; k < 10; k++) {
      shapes.put("w" + k, TensorInfo.of(DType.BF16, half / 40960, 4096));
    }
    ShardPlan plan = ShardPlan.of(new NoiseCheckpoint(shapes, 1, 1), Long.MAX_VALUE);
    Path path = temporary.resolve(name + ".safetensors");
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      file.write(plan.header(0), 0);
      file.write(ByteBuffer.allocate(1), plan.bytes() - 1);
    }
    return path;
  }
}
