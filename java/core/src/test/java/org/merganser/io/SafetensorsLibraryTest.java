// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Tensor;

/**
 * A file of the format's own library, with every element type it can write, a scalar, empty tensors
 * and odd names; made by {@code make.py} beside it.
 */
class SafetensorsLibraryTest {
  private static final String ODD = "odd/näme \"quoted\" \\ é中\uD83E\uDD86\n";

  @TempDir Path folder;

  @Test
  void readsWhatTheLibraryWrote() throws IOException {
    try (Workspace ws = Workspace.open();
        Checkpoint file = Safetensors.open(fixture())) {
      assertThat(file.tensors()).hasSize(22);
      assertThat(file.metadata()).isEqualTo(Map.of("näme", "välue \"x\""));
      assertThat(file.info("scalar")).isEqualTo(TensorInfo.of(DType.F32));
      assertThat(file.info("empty")).isEqualTo(TensorInfo.of(DType.F32, 0, 4));
      assertThat(file.info("empty too")).isEqualTo(TensorInfo.of(DType.I64, 3, 0));
      assertThat(file.read(ODD, ws).get(0)).isEqualTo(7);
      assertThat(file.read("scalar", ws).get(0)).isEqualTo(1.5);
      for (String name : new String[] {"float64", "float32", "float16", "bfloat16"}) {
        assertThat(file.read(name, ws).toDoubleArray()).containsExactly(0, 1, 2, 3, 4, 5);
      }
      try (Tensor integers = file.read("int64", ws)) {
        assertThat(integers.memory().getLong(40)).isEqualTo(5);
      }
    }
  }

  @Test
  void writesTheSameBytesAsTheLibrary() throws IOException {
    Path copy = folder.resolve("copy.safetensors");
    try (Workspace ws = Workspace.open();
        Checkpoint file = Safetensors.open(fixture())) {
      Safetensors.write(file, file.metadata(), copy, ws);
    }
    assertThat(copy).hasSameBinaryContentAs(fixture());
  }

  private Path fixture() throws IOException {
    Path path = folder.resolve("every-dtype.safetensors");
    if (!Files.exists(path)) {
      try (InputStream in =
          getClass().getResourceAsStream("/fixtures/safetensors/every-dtype.safetensors")) {
        Files.copy(in, path);
      }
    }
    return path;
  }
}
