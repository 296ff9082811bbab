// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** What a pass leaves in the caller's scope. */
class TokenPassTest {
  private static final class Counting extends PointerScope {
    private int tensors;

    @Override
    public PointerScope attach(Pointer pointer) {
      tensors += pointer instanceof Tensor ? 1 : 0;
      return super.attach(pointer);
    }

    @Override
    public PointerScope detach(Pointer pointer) {
      tensors -= pointer instanceof Tensor ? 1 : 0;
      return super.detach(pointer);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aPassWithoutGradientsHoldsOneLayer(GoldenModel model) throws IOException {
    int few = held(model, 3, false);
    assertThat(held(model, 9, false)).isEqualTo(few);
    assertThat(held(model, 9, true)).isEqualTo(held(model, 3, true) + 6);
  }

  @SuppressWarnings("try")
  private static int held(GoldenModel model, int layers, boolean gradients) throws IOException {
    TransformerConfig config = model.config().with("layers", layers);
    try (MemoryCheckpoint theta = GoldenModel.weights(config, 1)) {
      Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
      theta.tensors().keySet().forEach(name -> tensors.put(name, theta.tensor(name)));
      return Libtorch.call(
          1,
          () -> {
            try (Shared shared = new Shared(tensors);
                AutoGradMode mode = new AutoGradMode(gradients);
                PointerScope outer = new PointerScope()) {
              Tensor ids = torch.tensor(1L, 5L, 7L, 3L).reshape(1, 4);
              try (Counting scope = new Counting()) {
                new TokenPass(config, shared.all(), ids, null, Set.of()).hidden();
                return scope.tensors;
              }
            }
          });
    }
  }
}
