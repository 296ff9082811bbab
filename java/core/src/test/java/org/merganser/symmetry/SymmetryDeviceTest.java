// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.FakeDeviceProgram;
import org.merganser.testing.RunsOnce;
import org.merganser.transformer.GoldenModel;

/** Views compute where the Workspace does; the fake device has the CPU's routines. */
@RunsOnce("about a device, in a JVM of its own")
class SymmetryDeviceTest {
  @Test
  void modelsAreMovedOnADevice() throws Exception {
    ChildJvm.Result result =
        new ChildJvm().option(FakeDeviceProgram.option()).run(SymmetryDeviceProgram.class);
    assertThat(result.output().lines())
        .hasSize(2 * GoldenModel.values().length)
        .allMatch(line -> line.endsWith(": same bytes"));
  }
}
