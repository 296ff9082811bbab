// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ArgumentsTest {
  private static final List<Bound> ALL =
      Bound.parse(
          "f",
          """
          short | np-limit  | A.a | A.b | n=1 | 1 | r
          short | kth-limit | A.a | A.b | n=1 | 1 | r
          full  | np-limit  | A.a | A.b | n=9 | 1 | r
          """);

  @Test
  void parsed() {
    assertThat(Arguments.parse("--short", "np", "--out", "o", "--bounds", "b", "--markdown"))
        .isEqualTo(
            new Arguments(
                true, true, false, Optional.of(Path.of("b")), Optional.of(Path.of("o")), "np"));
    assertThat(Arguments.parse())
        .isEqualTo(new Arguments(false, false, false, Optional.empty(), Optional.empty(), ""));
  }

  @Test
  void wrongOnesAreNamed() {
    assertThatThrownBy(() -> Arguments.parse("--fast")).hasMessage("unknown argument: --fast");
    assertThatThrownBy(() -> Arguments.parse("a", "b")).hasMessage("two filters: a and b");
    assertThatThrownBy(() -> Arguments.parse("--out")).hasMessage("--out needs a value");
    assertThatThrownBy(() -> Arguments.parse("--out", "--short")).hasMessage("--out needs a value");
  }

  @Test
  void picksTheFormAndTheFilter() {
    assertThat(Arguments.parse("--short").pick(ALL)).isEqualTo(ALL.subList(0, 2));
    assertThat(Arguments.parse("--short", "kth").pick(ALL)).isEqualTo(ALL.subList(1, 2));
    assertThat(Arguments.parse().pick(ALL)).isEqualTo(ALL.subList(2, 3));
    assertThatThrownBy(() -> Arguments.parse("kth").pick(ALL))
        .hasMessage("no pair contains \"kth\"; known: [np-limit]");
  }
}
