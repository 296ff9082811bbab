// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import org.junit.jupiter.api.Test;
import org.merganser.error.NativeLibraryException;
import org.merganser.internal.kernel.Natives;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.DeviceCallsProgram;
import org.merganser.testing.FakeDeviceProgram;
import org.merganser.testing.RunsOnce;

/** Data are where the backend computes, and move only when told to. */
@RunsOnce("about the choice of a backend, in JVMs that are told which")
class DeviceTest {
  @Test
  void onADeviceEverythingIsCopiedOnceAndCounted() throws Exception {
    ChildJvm.Result result =
        new ChildJvm().option(FakeDeviceProgram.option()).run(FakeDeviceProgram.class);
    assertThat(result.output().lines())
        .containsExactly(
            "merged [2.0, 3.0, 5.5]",
            // Two tensors of 12 bytes up, one down.
            "transfers [24, 12]",
            "np 40 steps, first coefficient 0.402, Traffic[toDevice=0, toHost=0]",
            "device true",
            "IllegalStateException: memory on CUDA cannot be read from the host",
            // What lies elsewhere is copied for the call.
            "no failure");
  }

  @Test
  void everyCallGivesTheBytesOfTheCpuAndNothingCrossesUnasked() throws Exception {
    ChildJvm.Result result =
        new ChildJvm().option(FakeDeviceProgram.option()).run(DeviceCallsProgram.class);
    assertThat(result.output().lines())
        .hasSize(18)
        .allMatch(line -> line.endsWith(": same bytes") || line.endsWith(" as planned"));
  }

  @Test
  void aForcedBackendThatCannotBeUsedSaysWhy() {
    String reason = Natives.cudaReason();
    assumeFalse(reason.isEmpty(), "this machine has a GPU");
    assertThatThrownBy(() -> Workspace.builder().backend(Backend.CUDA).open())
        .isInstanceOf(NativeLibraryException.class)
        .hasMessage("backend cuda was asked for but " + reason);
  }

  @Test
  void automaticallyTheCpuIsUsed() {
    try (Workspace ws = Workspace.open()) {
      assertThat(ws.backend()).isEqualTo(Backend.CPU);
      assertThat(ws.device()).isEqualTo(Device.HOST);
    }
  }
}
