// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.align.AlignmentProblem;
import org.merganser.align.PermutationAligner;
import org.merganser.error.CancelledException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.model.MapFamily;
import org.merganser.stats.Precision;
import org.merganser.testing.Activations;
import org.merganser.testing.Oracle;

class WorkspaceTest {

  @Test
  void settingsAreKeptAndChecked() {
    try (Workspace ws = Workspace.builder().backend(Backend.CPU).threads(3).seed(5).open()) {
      assertThat(ws.backend()).isEqualTo(Backend.CPU);
      assertThat(ws.threads()).isEqualTo(3);
      assertThat(ws.seed()).isEqualTo(5);
    }
    assertThatThrownBy(() -> Workspace.builder().threads(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("threads must be 1 to 256, not 0");
    assertThatThrownBy(() -> Workspace.builder().threads(257))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void useAfterCloseIsAnError() {
    Workspace ws = Workspace.open();
    ws.close();
    ws.close();
    assertThatThrownBy(() -> LinAlg.multiply(Matrix.identity(2), Matrix.identity(2), ws))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("this Workspace is already closed");
  }

  @Test
  void cancellingStopsTheWorkOfItsWorkspaces() {
    Cancellation cancellation = new Cancellation();
    try (Workspace ws = Workspace.builder().cancellation(cancellation).open();
        Workspace other = Workspace.open()) {
      Matrix a = Matrix.identity(3);
      LinAlg.multiply(a, a, ws);
      cancellation.cancel();
      assertThat(cancellation.isCancelled()).isTrue();
      assertThatThrownBy(() -> LinAlg.multiply(a, a, ws)).isInstanceOf(CancelledException.class);
      assertThatThrownBy(cancellation::check).isInstanceOf(CancelledException.class);
      LinAlg.multiply(a, a, other);
    }
    // A late cancel must not reach the context that is gone.
    cancellation.cancel();
    try (Workspace late = Workspace.builder().cancellation(cancellation).open()) {
      assertThatThrownBy(() -> LinAlg.multiply(Matrix.identity(2), Matrix.identity(2), late))
          .isInstanceOf(CancelledException.class);
    }
  }

  @Test
  void progressIsReported() {
    List<String> seen = new ArrayList<>();
    Progress progress = (stage, done, total) -> seen.add(stage + " " + done + "/" + total);
    try (Workspace ws = Workspace.builder().progress(progress).open()) {
      double[][] x = Oracle.gaussian(20, 3, 1);
      AlignmentProblem problem =
          AlignmentProblem.of(
              Activations.oneSpace(3, MapFamily.PERMUTATION),
              Activations.of(Activations.moments(Precision.F64, ws, x, x, x)));
      PermutationAligner.byCorrelation().align(problem, ws);
    }
    assertThat(seen).containsExactly("align permutation 1/2", "align permutation 2/2");
  }

  @Test
  void randomStreamsDependOnSeedAndNameAlone() {
    assertThat(Seeds.derive(1, "a")).isEqualTo(Seeds.derive(1, "a"));
    assertThat(List.of(Seeds.derive(1, "b"), Seeds.derive(2, "a"), Seeds.derive(0, "a")))
        .doesNotContain(Seeds.derive(1, "a"))
        .doesNotHaveDuplicates();
    assertThat(Seeds.stream(3, "w").nextLong()).isEqualTo(Seeds.stream(3, "w").nextLong());
  }
}
