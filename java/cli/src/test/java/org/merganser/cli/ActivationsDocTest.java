// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Does what {@code docs/activations.md} says: its exporter, the command, and back into PyTorch. */
class ActivationsDocTest {
  /** Two models of the page; b is a with its hidden features in another order. */
  private static final String EXPORT =
      """

      torch.manual_seed(1)


      def make():
          return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


      a, b, c = make(), make(), make()
      order = torch.randperm(32)
      with torch.no_grad():
          b[0].weight.copy_(a[0].weight[order])
          b[0].bias.copy_(a[0].bias[order])
          b[2].weight.copy_(a[2].weight[:, order])
          b[2].bias.copy_(a[2].bias)
      inputs = torch.randn(1000, 64)
      for name, model in {"a": a, "b": b, "c": c}.items():
          export(model, {"0": model[1]}, inputs.split(256), "acts/" + name)
      """;

  private static final String READ =
      """
      import torch
      from safetensors.torch import load_file

      model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
      model.load_state_dict(load_file("permuted.safetensors"), strict=True)
      for name, value in load_file("acts/a/model.safetensors").items():
          assert torch.equal(model.state_dict()[name], value), name
      model.load_state_dict(load_file("dense.safetensors"), strict=True)
      assert torch.isfinite(model(torch.randn(5, 64))).all()
      print("read back")
      """;

  @TempDir Path temp;

  private String python;

  private record Run(int code, String output) {}

  @BeforeEach
  void findPython() throws Exception {
    python = System.getenv().getOrDefault("MERGANSER_PYTHON", "python3");
    String reason;
    try {
      Run run = python("-c", "import torch, safetensors, numpy");
      reason = run.code() == 0 ? "" : run.output().lines().reduce((a, b) -> b).orElse("");
    } catch (IOException e) {
      reason = e.getMessage();
    }
    assumeTrue(
        reason.isEmpty(), python + " (MERGANSER_PYTHON) cannot export activations: " + reason);
  }

  private Run python(String... args) throws Exception {
    List<String> command = new ArrayList<>(List.of(python));
    command.addAll(List.of(args));
    Path log = temp.resolve("log");
    Process process =
        new ProcessBuilder(command)
            .directory(temp.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    return new Run(process.exitValue(), Files.readString(log));
  }

  private static String firstBlock() throws IOException {
    Path page = Path.of(System.getProperty("merganser.root", "../.."), "docs", "activations.md");
    String text = Files.readString(page);
    int begin = text.indexOf("```python\n") + "```python\n".length();
    return text.substring(begin, text.indexOf("```", begin));
  }

  @Test
  void whatPythonExportsIsMergedAndReadBack() throws Exception {
    Files.writeString(temp.resolve("export.py"), firstBlock() + EXPORT);
    Run exported = python("export.py");
    assertThat(exported).isEqualTo(new Run(0, ""));

    assertThat(merge("permutation", "b", "permuted")).isZero();
    assertThat(merge("cca", "c", "dense")).isZero();

    Files.writeString(temp.resolve("read.py"), READ);
    assertThat(python("read.py")).isEqualTo(new Run(0, "read back\n"));
  }

  private int merge(String method, String other, String out) {
    Path acts = temp.resolve("acts");
    Cli.Run run =
        Cli.run(
            "merge",
            acts.resolve("a").resolve("model.safetensors"),
            acts.resolve(other).resolve("model.safetensors"),
            "--method",
            method,
            "--activations-a",
            acts.resolve("a"),
            "--activations-b",
            acts.resolve(other),
            "-o",
            temp.resolve(out + ".safetensors"));
    assertThat(run.err()).isEmpty();
    assertThat(run.out()).containsPattern("(?m)^0 +32 ");
    return run.code();
  }
}
