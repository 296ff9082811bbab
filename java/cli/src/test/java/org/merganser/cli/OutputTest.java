// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.Workspace;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;

/** No output takes the place of an input, in whatever disguise, before any work. */
class OutputTest {
  @TempDir Path temp;

  private Fixture files;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
  }

  private static Cli.Run merge(Path first, Path second, Path out, Object... more) {
    Object[] args = new Object[7 + more.length];
    System.arraycopy(
        new Object[] {"merge", first, second, "--method", "identity", "-o", out}, 0, args, 0, 7);
    System.arraycopy(more, 0, args, 7, more.length);
    return Cli.run(args);
  }

  private static void assertRefused(Cli.Run run, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(2);
  }

  private void assertIsModel(Path out, Path model) throws IOException {
    byte[] before = Files.readAllBytes(files.model("a"));
    assertRefused(
        merge(files.model("c"), model, out),
        "-o " + out + " is one of the models; choose another file");
    assertThat(Files.readAllBytes(files.model("a"))).isEqualTo(before);
  }

  /** Where the superuser may not write either. */
  @Test
  void aReadOnlyFolderIsRefusedBeforeTheWork() throws IOException {
    Path folder = Path.of("/proc");
    assumeTrue(Files.isDirectory(folder) && !Files.isWritable(folder), "no read-only /proc");
    Path out = folder.resolve("merged.safetensors");
    Cli.Run run =
        Cli.run("merge", files.model("a"), files.model("c"), "--method", "identity", "-o", out);
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err())
        .isEqualTo(
            "merganser: cannot write "
                + out
                + ": nothing can be written to /proc; choose another folder\n");
  }

  @Test
  void namesThatCannotBeWrittenAreRefusedBeforeTheWork() throws IOException {
    Fixture models = new Fixture(temp);
    for (String name : new String[] {"-", "n".repeat(300)}) {
      Cli.Run run =
          Cli.run(
              "merge",
              models.model("a"),
              models.model("c"),
              "--method",
              "identity",
              "-o",
              name.equals("-") ? name : temp.resolve(name));
      assertThat(run.code()).isEqualTo(name.equals("-") ? 2 : 5);
      assertThat(run.err())
          .contains(
              name.equals("-")
                  ? "nothing goes to standard output; name a file"
                  : "its name has 300 bytes, file systems take 255");
    }
  }

  @Test
  void linksOfEveryKind() throws IOException {
    Path model = files.model("a");
    Path hard = Files.createLink(temp.resolve("hard"), model);
    Path soft = Files.createSymbolicLink(temp.resolve("soft"), model);
    Path cached = Files.createSymbolicLink(temp.resolve("cached.safetensors"), model);
    assertIsModel(hard, model);
    assertIsModel(soft, model);
    assertIsModel(model, hard);
    assertIsModel(model, cached);
    Path snapshot = Files.createDirectory(temp.resolve("snapshot"));
    Files.createSymbolicLink(snapshot.resolve("model.safetensors"), model);
    assertIsModel(model, snapshot);
    assertIsModel(snapshot.resolve("model.safetensors"), model);
  }

  private Path folder(String name, long shardBytes) throws IOException {
    Path folder = temp.resolve(name);
    try (Workspace ws = Workspace.builder().threads(1).open();
        MemoryCheckpoint model = MemoryCheckpoint.of(Fixture.tensors(Fixture.random(7)))) {
      Safetensors.writeFolder(model, folder, shardBytes, ws);
    }
    return folder;
  }

  @Test
  void filesOfAModelInAFolder() throws IOException {
    Path sharded = folder("sharded", 100);
    Path index = sharded.resolve("model.safetensors.index.json");
    for (Path model : new Path[] {sharded, index}) {
      for (Path out : new Path[] {index, sharded.resolve("model-00001-of-00003.safetensors")}) {
        assertRefused(
            merge(files.model("c"), model, out),
            "-o " + out + " is one of the models; choose another file");
      }
    }
    Path wins = sharded.resolve("model.safetensors");
    assertRefused(
        merge(files.model("c"), sharded, wins),
        "-o " + wins + " lies in " + sharded + ", which is read; choose another folder");
    assertThat(merge(files.model("c"), sharded, temp.resolve("beside")).code()).isZero();
  }

  @Test
  void aFileThatTheNextRunWouldRead() throws IOException {
    Path single = folder("single", 1 << 20);
    Files.move(single.resolve("model.safetensors"), single.resolve("mine.safetensors"));
    Path shards = folder("shards", 100);
    Files.delete(shards.resolve("model.safetensors.index.json"));
    Path around = Files.createSymbolicLink(temp.resolve("around"), single);
    for (Path model : new Path[] {single, shards}) {
      for (String name : new String[] {"merged.safetensors", "model.safetensors"}) {
        Path out = (model.equals(single) ? around : model).resolve(name);
        assertRefused(
            merge(files.model("c"), model, out),
            "-o " + out + " lies in " + model + ", which is read; choose another folder");
        assertThat(out).doesNotExist();
      }
    }
  }

  @Test
  void activationsAndOtherInputs() throws IOException {
    Path array = files.activations("a").resolve("fc1.npy");
    Path hard = Files.createLink(temp.resolve("hard"), array);
    Path fresh = files.activations("a").resolve("fc9.npy");
    Map<Path, String> reasons = new LinkedHashMap<>();
    String within = " lies in " + files.activations("a") + ", which is read; choose another folder";
    reasons.put(array, within);
    reasons.put(fresh, within);
    reasons.put(hard, " is one of the inputs; choose another file");
    for (Path out : reasons.keySet()) {
      for (String command : new String[] {"merge", "align"}) {
        assertRefused(
            Cli.run(
                command,
                files.model("a"),
                files.model("c"),
                "--activations-a",
                files.activations("a"),
                "--activations-b",
                files.activations("c"),
                "-o",
                out),
            "-o " + out + reasons.get(out));
      }
    }
    Path stats = Files.writeString(temp.resolve("x.mgstats"), "not read yet");
    Path link = Files.createSymbolicLink(temp.resolve("y"), stats);
    assertRefused(
        Cli.run("merge", files.model("a"), files.model("c"), "--stats", stats, "-o", link),
        "-o " + link + " is one of the inputs; choose another file");
  }

  /** The activations are not there either: room is looked at before any work. */
  @Test
  void tooLittleRoomIsSaidBeforeTheWork() throws Exception {
    Path disk = Files.createDirectory(temp.resolve("disk"));
    Process mount =
        new ProcessBuilder("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk.toString())
            .redirectErrorStream(true)
            .start();
    assumeTrue(mount.waitFor() == 0, "a small file system cannot be mounted here");
    try {
      Path out = disk.resolve("out.safetensors");
      Map<String, Tensor> tensors = Fixture.tensors(Fixture.random(4));
      tensors.put("more", Tensor.of(new float[5000], 5000));
      Path large = files.model("large", tensors);
      Cli.Run run = Cli.run("merge", large, large, "--stats", "none", "-o", out);
      assertThat(run.code()).isEqualTo(5);
      assertThat(run.err())
          .matches(
              "merganser: cannot write "
                  + out
                  + ": it needs 20\\d\\d\\d bytes, "
                  + disk
                  + " has 4096 free; free some space or choose another folder\n");
      assertThat(disk).isEmptyDirectory();
    } finally {
      new ProcessBuilder("umount", disk.toString()).start().waitFor();
    }
  }

  @Test
  void noInputIsReplacedWhateverPathLeadsToIt() throws IOException {
    byte[] before = Files.readAllBytes(files.model("a"));
    Path around = temp.resolve("acts-a").resolve("..").resolve("a.safetensors");
    Path link = Files.createSymbolicLink(temp.resolve("link"), temp).resolve("a.safetensors");
    for (Path target : new Path[] {files.model("a"), around, link}) {
      Cli.Run run =
          Cli.run(
              "merge", files.model("c"), files.model("a"), "--method", "identity", "-o", target);
      assertThat(run.code()).isEqualTo(2);
      assertThat(run.err())
          .isEqualTo("merganser: -o " + target + " is one of the models; choose another file\n");
    }
    assertThat(Files.readAllBytes(files.model("a"))).isEqualTo(before);
  }

  @Test
  void saysWhyAnOutputCannotBeWrittenBeforeAnyWork() throws IOException {
    Path missing = temp.resolve("missing").resolve("out");
    Path inFile = files.model("a").resolve("out");
    Map<Path, String> reasons = new LinkedHashMap<>();
    reasons.put(missing, ": its folder does not exist; create it first");
    reasons.put(temp, ": it is a folder; name a file in it");
    reasons.put(inFile, ": " + files.model("a") + " is a file, not a folder");
    reasons.put(Path.of("/dev/null"), ": it is no regular file");
    reasons.forEach(
        (target, reason) -> {
          // The activations are not there either; the output is what is looked at first.
          Cli.Run run =
              Cli.run("merge", files.model("a"), files.model("c"), "--stats", "none", "-o", target);
          assertThat(run.code()).isEqualTo(5);
          assertThat(run.err()).isEqualTo("merganser: cannot write " + target + reason + "\n");
        });
  }
}
