// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

class SymmetryFileTest {
  private static final Set<Kind> PERMUTED = EnumSet.complementOf(EnumSet.of(Kind.ROTATION));
  private static final Set<Kind> TURNED =
      EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.GAINS));

  @TempDir private Path folder;

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void whatIsSavedIsLoaded(GoldenModel model) throws IOException {
    Path file = folder.resolve("g.mgsymmetry");
    for (Set<Kind> kinds :
        List.of(PERMUTED, TURNED, EnumSet.of(Kind.UNITS), EnumSet.noneOf(Kind.class))) {
      for (long seed = 1; seed <= 4; seed++) {
        SymmetryElement saved = SymmetryElement.random(model.config(), kinds, seed);
        saved.save(file, WS);
        SymmetryElement loaded = SymmetryElement.load(file, model.config(), WS);
        assertThat(loaded.layers()).isEqualTo(saved.layers());
        assertThat(loaded.finalGain()).isEqualTo(saved.finalGain());
        assertThat(loaded.isIdentity()).isEqualTo(saved.isIdentity());
        if (saved.residual() instanceof Orthogonal turned) {
          assertThat(((Orthogonal) loaded.residual()).matrix().toArray())
              .isEqualTo(turned.matrix().toArray());
        } else {
          assertThat(loaded.residual()).isEqualTo(saved.residual());
        }
      }
    }
    // Nothing else is left behind.
    try (Stream<Path> files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  /** One head that is the identity among others that are not. */
  @Test
  void headsMayBeTheIdentityAlone() throws IOException {
    TransformerConfig config = GoldenModel.BIASED.config();
    SymmetryElement element = SymmetryElement.random(config, PERMUTED, 1);
    LayerSymmetry layer = element.layers().get(0);
    LayerSymmetry half =
        new LayerSymmetry(
            layer.units(),
            layer.unitScales(),
            List.of(
                HeadSymmetry.identity(config, 1 - layer.heads().get(1).source()),
                layer.heads().get(1)),
            layer.attentionGain(),
            layer.mlpGain());
    Path file = folder.resolve("g.mgsymmetry");
    element.withLayer(0, half).save(file, WS);
    assertThat(SymmetryElement.load(file, config, WS).layers().get(0)).isEqualTo(half);
  }

  @Test
  void anotherModelIsRefusedWithBothValues() throws IOException {
    Path file = folder.resolve("g.mgsymmetry");
    SymmetryElement.random(GoldenModel.LLAMA.config(), PERMUTED, 1).save(file, WS);
    assertThatThrownBy(
            () -> SymmetryElement.load(file, GoldenModel.QWEN2.config().with("layers", 3), WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessageContaining("layers: 3 in the model, 2 in " + file)
        .hasMessageContaining("attentionBias: true in the model, false in " + file)
        .hasMessageContaining("epsilon: 1.0E-6 in the model, 1.0E-5 in " + file);
    // Another vocabulary is the same group, and asked for by name.
    TransformerConfig longer = GoldenModel.LLAMA.config().with("vocabulary", 40);
    SymmetryElement moved =
        SymmetryElement.load(file, GoldenModel.LLAMA.config(), WS).withVocabulary(40);
    assertThat(moved.config()).isEqualTo(longer);
    assertThat(moved.apply(GoldenModel.weights(longer, 1)).tensors()).hasSize(21);
  }

  @Test
  void otherFilesAreNamed() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Path weights = folder.resolve("w.safetensors");
    Safetensors.write(GoldenModel.LLAMA.weights(), weights, WS);
    assertThatThrownBy(() -> SymmetryElement.load(weights, config, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(weights + " is no symmetry of a transformer");
    Path file = folder.resolve("g.mgsymmetry");
    SymmetryElement.random(config, PERMUTED, 1).save(file, WS);
    rewrite(file, "1/units", "1/unit");
    assertThatThrownBy(() -> SymmetryElement.load(file, config, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": missing tensor")
        .hasMessageContaining("1/units");
    SymmetryElement.random(config, PERMUTED, 1).save(file, WS);
    rewrite(file, "0/mlp-gain", "0/mpl-gain");
    assertThatThrownBy(() -> SymmetryElement.load(file, config, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("tensor '0/mpl-gain' is no part of a symmetry of this model");
  }

  private void rewrite(Path file, String name, String other) throws IOException {
    Path out = folder.resolve("other");
    try (Checkpoint read = Safetensors.open(file)) {
      Safetensors.write(read.renamed(Map.of(name, other)), read.metadata(), out, WS);
    }
    Files.move(out, file, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Whatever byte is wrong: the file is refused, or what is read is a symmetry all the same. */
  @ParameterizedTest
  @EnumSource(names = {"LLAMA", "BIASED", "GPT2"})
  void damagedFilesAreRefusedOrHoldASymmetry(GoldenModel model) throws IOException {
    Path file = folder.resolve("g.mgsymmetry");
    Set<Kind> kinds = model == GoldenModel.BIASED ? TURNED : PERMUTED;
    SymmetryElement.random(model.config(), kinds, 1).save(file, WS);
    byte[] valid = Files.readAllBytes(file);
    SplittableRandom random = new SplittableRandom(7);
    int refused = 0;
    for (int i = 0; i < 400; i++) {
      byte[] damaged = valid.clone();
      int end = random.nextInt(4) == 0 ? random.nextInt(valid.length) : valid.length;
      for (int times = 1 + random.nextInt(3); times > 0; times--) {
        damaged[random.nextInt(valid.length)] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(file, Arrays.copyOf(damaged, end));
      try {
        SymmetryElement read = SymmetryElement.load(file, model.config(), WS);
        assertThat(read.layers()).hasSize(2);
      } catch (FormatException | IncompatibleModelsException e) {
        assertThat(e).hasMessageContaining(file.toString());
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(100);
  }

  /** An integer that is none, a matrix that is not orthogonal. */
  @Test
  void valuesThatAreNoSymmetryAreNamed() throws IOException {
    TransformerConfig config = GoldenModel.LLAMA.config();
    Path file = folder.resolve("g.mgsymmetry");
    SymmetryElement.random(config, TURNED, 1).save(file, WS);
    MemoryCheckpoint read;
    try (Checkpoint open = Safetensors.open(file)) {
      read = MemoryCheckpoint.copyOf(open, WS);
    }
    Tensor matrix = read.tensor("residual/matrix");
    matrix.set(5, matrix.get(5) + 0.01);
    Safetensors.write(read, read.metadata(), file, WS);
    assertThatThrownBy(() -> SymmetryElement.load(file, config, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(file + ": residual: the 16 x 16 F64 matrix is not orthogonal");
    matrix.set(5, Double.NaN);
    Safetensors.write(read, read.metadata(), file, WS);
    assertThatThrownBy(() -> SymmetryElement.load(file, config, WS))
        .isInstanceOf(FormatException.class);
    read.tensor("0/units").memory().putLong(0, 1L << 40);
    Safetensors.write(read, read.metadata(), file, WS);
    assertThatThrownBy(() -> SymmetryElement.load(file, config, WS))
        .isInstanceOf(FormatException.class);
  }
}
