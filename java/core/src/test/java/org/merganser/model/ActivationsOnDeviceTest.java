// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.array;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.merganser.align.Alignment;
import org.merganser.align.FeatureMap;
import org.merganser.align.ScaledPermutation;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.kernel.Kernels;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.stats.Moments;
import org.merganser.stats.NonFinite;
import org.merganser.stats.Precision;
import org.merganser.stats.SpaceMoments;
import org.merganser.stats.StatisticsRequest;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.LabelledRows;
import org.merganser.testing.Lent;
import org.merganser.testing.Oracle;

/** What a network leaves where the Workspace computes is measured there. */
class ActivationsOnDeviceTest {
  private static final JavaNetwork PLAIN = JavaNetwork.branches(Activation.RELU);
  private static final double[][] X = Oracle.gaussian(70, PLAIN.inputs(), 2);

  /** The same network, which lends its activations there, as libtorch does on a GPU. */
  private record OnDevice(Network network, Workspace library) implements Network {
    @Override
    public Architecture architecture() {
      return network.architecture();
    }

    @Override
    public Session open(Checkpoint theta, Workspace ws) throws IOException {
      Session session = network.open(theta, library);
      return new Session() {
        private Opened last = new Opened();

        @Override
        public void run(Tensor inputs, Mode mode, Set<String> taps, TapSink out)
            throws IOException {
          last.close();
          last = new Opened();
          session.run(
              inputs,
              mode,
              taps,
              (tap, found) -> out.accept(tap, last.add(Lent.view(last.add(found.on(library))))));
        }

        @Override
        public void close() {
          last.close();
          session.close();
        }
      };
    }
  }

  private interface Copying {
    void run() throws IOException;
  }

  /** Bytes that a piece of work copies to the device. */
  private static long copiedBy(Copying work) throws IOException {
    long before = Kernels.of(WS).transfers()[0];
    work.run();
    return Kernels.of(WS).transfers()[0] - before;
  }

  private final Workspace library = Workspace.builder().threads(1).open();
  private final Network network = new OnDevice(PLAIN, library);
  private final MemoryCheckpoint model = PLAIN.random(DType.F32, 3, WS);
  private final MemoryCheckpoint other = PLAIN.random(DType.F32, 4, WS);

  @AfterEach
  void close() {
    model.close();
    other.close();
    library.close();
  }

  private Moments moments(Network of) throws IOException {
    return Moments.collect(
        of,
        List.of(model, other),
        JavaNetwork.inputs(X, 32),
        StatisticsRequest.of(StatisticsRequest.Part.values()),
        new Moments.Options(Precision.F64, NonFinite.FAIL, 1L << 30),
        WS);
  }

  @Test
  void momentsTakeThemThere() throws IOException {
    assertThat(copiedBy(() -> moments(network).close())).isZero();
    assertThat(copiedBy(() -> moments(PLAIN).close()) > 0).isEqualTo(WS.device() == Device.CUDA);
    try (Moments found = moments(network);
        Moments wanted = moments(PLAIN)) {
      for (String id : List.of("conv", "left", "right")) {
        SpaceMoments space = found.space(id);
        SpaceMoments plain = wanted.space(id);
        assertThat(space.samples()).isEqualTo(plain.samples());
        for (int k = 0; k < 2; k++) {
          assertThat(space.mean(k)).containsExactly(plain.mean(k));
          assertThat(space.variance(k)).containsExactly(plain.variance(k));
        }
        assertThat(array(space.block(0, 1))).isDeepEqualTo(array(plain.block(0, 1)));
      }
    }
  }

  @Test
  void evaluationReadsThem() throws IOException {
    LabelledRows data = LabelledRows.by(PLAIN, model, X, 16, WS);
    assertThat(Evaluation.of(network, model, data, WS))
        .isEqualTo(Evaluation.of(PLAIN, model, data, WS));
  }

  @Test
  void verificationReadsThem() throws IOException {
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    for (FeatureSpace space : PLAIN.architecture().spaces()) {
      maps.put(space.id(), ScaledPermutation.of(Oracle.permutation((int) space.width(), 3)));
    }
    Alignment alignment = Alignment.of("test", PLAIN.architecture(), maps);
    Inputs inputs = JavaNetwork.inputs(X, 32);
    assertThat(alignment.verify(network, model, inputs, WS).outputChange())
        .isEqualTo(alignment.verify(PLAIN, model, inputs, WS).outputChange());
  }
}
