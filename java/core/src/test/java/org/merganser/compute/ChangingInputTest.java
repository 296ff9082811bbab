// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.merganser.testing.ChangingInputProgram;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.RunsOnce;

/**
 * Inputs that another thread writes to during a call: what comes out means nothing, but the call
 * ends, in a result or an exception of ours. In a JVM of its own, so that its death or a hang is a
 * failure like others; {@code -Dmerganser.changing=600} goes on for longer.
 */
@RunsOnce("in a JVM of its own, which is told its backend")
class ChangingInputTest {

  @Test
  void endsInSomeResultOrAnException() throws Exception {
    String seconds = System.getProperty("merganser.changing", "10");
    ChildJvm.Result result =
        new ChildJvm()
            .within(120 + Long.parseLong(seconds))
            .run(ChangingInputProgram.class, seconds);
    assertThat(result.exit()).as(result.output()).isZero();
  }
}
