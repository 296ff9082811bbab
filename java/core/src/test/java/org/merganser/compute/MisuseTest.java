// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.MisuseProgram;

/**
 * Whatever order the API is called in, with whatever is closed, null, cancelled or of another size,
 * on one thread or four: a right result or an exception that says what is wrong. In a JVM of its
 * own, so that its death is a failure like others; {@code -Dmerganser.misuses=1000000} makes more
 * calls, from seed {@code merganser.misuse.seed} on.
 */
class MisuseTest {

  @Test
  void endsInARightResultOrAnException() throws Exception {
    String calls = System.getProperty("merganser.misuses", "30000");
    String seed = System.getProperty("merganser.misuse.seed", "1");
    ChildJvm.Result result =
        new ChildJvm()
            .onOurBackend()
            .within(120 + Long.parseLong(calls) / 500)
            .run(MisuseProgram.class, calls, seed);
    String output = result.output();
    // The last seeds are those of interest.
    assertThat(result.exit()).as(output.substring(Math.max(0, output.length() - 20_000))).isZero();
  }
}
