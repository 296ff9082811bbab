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

  /** What networks do that a plain stack does not. */
  private static final String HARD =
      """

      import pathlib
      from safetensors.torch import load_file


      class Net(torch.nn.Module):
          def __init__(self):
              super().__init__()
              self.a, self.b, self.c = torch.nn.Linear(8, 6), torch.nn.Linear(6, 6), torch.nn.Linear(6, 3)
              self.relu, self.rnn = torch.nn.ReLU(inplace=True), torch.nn.LSTM(8, 6, batch_first=True)
              self.c2 = torch.nn.Linear(6, 3)
              self.c2.weight = self.c.weight
              self.a.weight = torch.nn.Parameter(torch.randn(8, 6).t())

          def forward(self, x):
              h = self.relu(self.a(x[:, 0]))
              h += self.relu(self.b(h))
              return self.c(h), self.c2(h), self.rnn(x)


      def refused(*words, **more):
          try:
              export(net, folder="no", batches=x.split(50), **more)
          except ValueError as e:
              assert all(word in str(e) for word in words), e
              assert not pathlib.Path("no").exists()
          else:
              raise AssertionError(more)
          assert not any(m._forward_hooks for m in net.modules())


      net, x = Net(), torch.randn(100, 5, 8)
      refused("relu1", "2 times", taps={"relu1": net.relu})
      refused("relu1", "2 times", taps={"relu1": net.relu}, calls={"relu1": 2})
      refused("unused", "0 times", taps={"unused": torch.nn.ReLU()})
      refused("rnn", "[50, 5, 6]", taps={"rnn": net.rnn})
      export(net, {"pre": net.a, "relu1": net.relu, "relu2": net.relu, "rnn": net.rnn}, x.split(40), "hard",
             calls={"relu1": 0, "relu2": 1}, features={"rnn": 2})
      with torch.no_grad():
          pre = net.a(x[:, 0])
          first = pre.clamp(min=0)
          wanted = {"pre": pre, "relu1": first, "relu2": net.b(first).clamp(min=0),
                    "rnn": net.rnn(x)[0].reshape(500, 6)}
      for space, value in wanted.items():
          found = torch.from_numpy(np.load(f"hard/{space}.npy"))
          assert found.shape == value.shape and (found - value).abs().max() < 1e-6, space
      for name, value in load_file("hard/model.safetensors").items():
          assert torch.equal(value, net.state_dict()[name]), name

      try:
          export(net, {"pre": net.a}, [torch.randn(2, 5, 9)], "no")
      except RuntimeError:
          assert not any(m._forward_hooks for m in net.modules())
      half = torch.nn.Sequential(torch.nn.Conv1d(2, 4, 3), torch.nn.ReLU()).to(torch.bfloat16)
      export(half, {"0": half[1]}, torch.randn(6, 2, 9).to(torch.bfloat16).split(2), "half", features={"0": 1})
      assert np.load("half/0.npy").shape == (6, 4, 7) and np.load("half/0.npy").dtype == np.float32
      print("exported")
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

  @Test
  void exportsWhatIsHardToExport() throws Exception {
    Files.writeString(temp.resolve("hard.py"), firstBlock() + HARD);
    assertThat(python("hard.py")).isEqualTo(new Run(0, "exported\n"));
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
