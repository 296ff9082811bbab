// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class BlasCoreTest {
  @Test
  void coresOfTheProcessorsLevelAreNotHeldBack() {
    assertThat(BlasCore.heldBack("SkylakeX", "avx512", Map.of())).isEmpty();
    assertThat(BlasCore.heldBack("Cooperlake", "avx512", Map.of("HOME", "/"))).isEmpty();
    assertThat(BlasCore.heldBack("Zen", "avx2", Map.of())).isEmpty();
    assertThat(BlasCore.heldBack("SkylakeX", "avx2", Map.of())).isEmpty();
    assertThat(BlasCore.heldBack("Nehalem", "portable", Map.of())).isEmpty();
  }

  @Test
  void theVariableThatHoldsItBackIsNamedWithCoreAndLevel() {
    Map<String, String> both = Map.of("OPENBLAS_CORETYPE", "Haswell", "OPENBLAS_L2_SIZE", "512");
    assertThat(BlasCore.heldBack("Haswell", "avx512", both))
        .isEqualTo(
            "held back by OPENBLAS_CORETYPE=Haswell, OPENBLAS_L2_SIZE=512: kernels of Haswell on"
                + " a processor with avx512; unset for OpenBLAS's own choice");
    assertThat(BlasCore.heldBack("Nehalem", "avx2", Map.of("OPENBLAS_CORETYPE", "Nehalem")))
        .startsWith("held back by OPENBLAS_CORETYPE=Nehalem: kernels of Nehalem");
  }

  @Test
  void aSizeThatIsSetIsNamedThoughTheCoreIsRight() {
    assertThat(BlasCore.heldBack("Cooperlake", "avx512", Map.of("OPENBLAS_L2_SIZE", "512")))
        .isEqualTo("set by OPENBLAS_L2_SIZE=512; unset for OpenBLAS's own choice");
  }

  @Test
  void aCoreBelowTheProcessorWithoutAVariableIsSaid() {
    assertThat(BlasCore.heldBack("Haswell", "avx512", Map.of()))
        .isEqualTo(
            "held back: kernels of Haswell on a processor with avx512; OpenBLAS does not know it"
                + " better");
  }
}
