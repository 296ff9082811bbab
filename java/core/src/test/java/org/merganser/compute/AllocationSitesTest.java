// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.testing.ChildJvm;
import org.merganser.testing.ForgetProgram;
import org.merganser.testing.HalfWayProgram;
import org.merganser.testing.RunsOnce;

/** On request, memory that nobody closed says where it came from. */
@RunsOnce("in a JVM of its own, which is told its backend")
class AllocationSitesTest {
  @Test
  void forgottenMemoryNamesItsSite() throws Exception {
    ChildJvm.Result result =
        new ChildJvm().option("-Dmerganser.trackAllocations=true").run(ForgetProgram.class);
    assertThat(result.output())
        .contains(
            "native memory of 1234 bytes was freed by the garbage collector, not by close()",
            "the accumulator of space 'forgotten' was freed by the garbage collector, not by close()",
            "ForgetProgram.forget(")
        .doesNotContain("4321", "kept");
  }

  @Test
  void withoutTheRequestNothingIsSaid() throws Exception {
    assertThat(new ChildJvm().run(ForgetProgram.class).output()).isEmpty();
  }

  /** What an operation had computed when it failed is closed by it. */
  @Test
  void whatFailsHalfWayLeavesNothing(@TempDir Path folder) throws Exception {
    ChildJvm.Result result =
        new ChildJvm()
            .option("-Dmerganser.trackAllocations=true")
            .run(HalfWayProgram.class, folder.toString());
    assertThat(result.output().lines())
        .containsExactly(
            "the second pass: CancelledException",
            "logits: IllegalStateException",
            "reset: IllegalStateException",
            "repair: IllegalStateException",
            "merge: IllegalStateException",
            "files: EOFException",
            "product: IllegalStateException",
            "transposition: IllegalStateException");
  }
}
