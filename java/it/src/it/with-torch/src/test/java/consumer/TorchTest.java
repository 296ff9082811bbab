// SPDX-License-Identifier: Apache-2.0
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.AlignmentSet;
import org.merganser.align.CcaAligner;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.stats.Moments;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

/** Both native stacks compute in one process, with one OpenBLAS. */
class TorchTest {
  @Test
  void alignsANetworkWithItself() throws IOException {
    TorchNetwork network = TorchNetwork.mlp(8, 16, 2, 4, Activation.RELU);
    float[] values = new float[100 * 8];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(i * i);
    }
    try (Workspace ws = Workspace.open();
        Checkpoint theta = network.initialise(1);
        Examples data = new Examples(Tensor.of(values, 100, 8), new int[100], 4);
        Moments moments =
            Moments.collect(
                network, List.of(theta, theta), data.batches(50), CcaAligner.REQUEST, ws);
        AlignmentSet maps =
            CcaAligner.relativeGamma(1)
                .align(AlignmentProblem.of(network.architecture(), moments), ws)) {
      double residual = maps.of(1).verify(ws).residual();
      assertTrue(residual < 1e-9, "residual " + residual);
    }
    assertEquals(Set.of("libopenblas.so.0"), mappedBlas());
  }

  /** File names of the OpenBLAS copies in this process; Bytedeco's own idle twin does not count. */
  private static Set<String> mappedBlas() throws IOException {
    Set<String> files = new TreeSet<>();
    Set<String> names = new TreeSet<>();
    for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
      if (line.contains("libopenblas") && !line.contains("nolapack")) {
        Path file = Path.of(line.substring(line.indexOf('/')));
        files.add(file.toRealPath().toString());
        names.add(file.getFileName().toString());
      }
    }
    assertEquals(1, files.size(), "copies of OpenBLAS: " + files);
    return names;
  }
}
