// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** What mergers weigh by, of models that no network is known of here. */
class ImportanceCommandTest {
  @TempDir Path temp;

  private Fixture files;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
  }

  @Test
  void gramsOfActivations() throws IOException {
    Path out = temp.resolve("gram.safetensors");
    Cli.Run run =
        Cli.run(
            "importance",
            files.model("a"),
            "--merger",
            "regmean",
            "--activations",
            files.activations("a"),
            "-o",
            out);
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).contains("Gram matrices of inputs of 1 tensors, 36 numbers");
    try (Workspace ws = Workspace.open();
        Checkpoint found = Safetensors.open(out);
        Tensor gram = found.read("fc2.weight", ws)) {
      assertThat(gram.shape()).containsExactly(6, 6);
      assertThat(found.metadata()).containsEntry("importance", "gram");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--merger linear|--merger linear weighs by no importances; fisher and regmean do",
        "--merger fisher|Fisher diagonals are made of gradients: give --network and --data",
        "--merger regmean|Gram matrices need what layers read: give one of --activations",
        "--merger regmean --samples 3 --activations x|--samples: Gram matrices of inputs do not use",
        "--merger fisher --stats x --network mlp --data blobs|--stats: Fisher diagonals do not use",
        "--merger fisher --samples 0 --network mlp:hidden=6 --data blobs|samples and threads must be",
        "--merger none|no merger 'none'"
      })
  void whatDoesNotGoTogetherIsRefused(String options, String message) {
    String all = "importance " + files.model("a") + " -o " + temp.resolve("x.safetensors ");
    Cli.Run run = Cli.run((Object[]) (all + options).split(" "));
    assertThat(run.err()).contains(message);
    assertThat(run.code()).isEqualTo(2);
  }
}
