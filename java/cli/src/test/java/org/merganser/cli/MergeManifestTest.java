// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.io.Npy;
import org.merganser.lab.report.Json;
import org.merganser.linalg.Tensor;
import org.merganser.plan.Doctor;

/** What a merge without a recipe says of itself beside its result. */
class MergeManifestTest {
  @TempDir Path temp;
  private Fixture files;
  private Path out;
  private Path beside;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(Files.createDirectory(temp.resolve("in")));
    out = temp.resolve("merged.safetensors");
    beside = temp.resolve("merged.safetensors.merganser.json");
  }

  private static String sha256(Path file) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(file)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @SuppressWarnings("unchecked")
  private Map<String, Object> provenance() throws IOException {
    return (Map<String, Object>) Json.read(beside, Map.class).get("provenance");
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> map(Object value) {
    return (Map<String, Object>) value;
  }

  @SuppressWarnings("unchecked")
  private static List<Object> list(Object value) {
    return (List<Object>) value;
  }

  private Cli.Run merge(String... more) {
    Object[] all = new Object[more.length + 5];
    all[0] = "merge";
    all[1] = files.model("a");
    all[2] = files.model("c");
    all[3] = "-o";
    all[4] = out;
    System.arraycopy(more, 0, all, 5, more.length);
    return Cli.run(all);
  }

  @Test
  void methodsSettingsAndFilesAreTold() throws IOException {
    Cli.Run run =
        merge(
            "--method",
            "ridge:lambda=0.5",
            "--merger",
            "linear:weights=1:3",
            "--activations-a",
            files.activations("a").toString(),
            "--activations-b",
            files.activations("c").toString(),
            "--dtype",
            "bf16",
            "--digest",
            "full");
    assertThat(run.err()).isEmpty();
    Map<String, Object> told = provenance();
    assertThat(told)
        .containsEntry("merganser", Doctor.version())
        .containsEntry("isa", Doctor.isa())
        .containsEntry("dtype", "bf16")
        .doesNotContainKeys("base", "importances", "network", "repair", "ignore");
    Map<String, Object> merger = map(told.get("merge"));
    assertThat(merger).containsEntry("method", "linear");
    assertThat(map(merger.get("settings")))
        .containsEntry("weights", List.of(1.0, 3.0))
        .containsKey("normalise");
    Map<String, Object> aligner = map(told.get("align"));
    assertThat(aligner).containsEntry("method", "ridge");
    assertThat(map(aligner.get("settings"))).containsEntry("lambda", 0.5).containsKey("unit");
    List<?> models = (List<?>) told.get("models");
    assertThat(models).hasSize(2);
    Path second = files.model("c");
    assertThat(map(models.get(1)))
        .containsEntry("path", second.toString())
        .containsEntry(
            "files",
            List.of(
                Map.of(
                    "name",
                    "c.safetensors",
                    "bytes",
                    Files.size(second),
                    "sha256",
                    sha256(second))));
    Path inputs = files.activations("c").resolve("fc1.npy");
    assertThat(list(told.get("aligned_with")))
        .contains(
            Map.of(
                "path", inputs.toString(), "bytes", Files.size(inputs), "sha256", sha256(inputs)));
    assertThat(map(Json.read(beside, Map.class).get("files")))
        .isEqualTo(Map.of("merged.safetensors", sha256(out)));
  }

  @Test
  void aBaseAndOtherChoicesAreTold() throws IOException {
    Cli.Run run =
        merge(
            "--merger",
            "task-arithmetic:lambda=0.25",
            "--base",
            files.model("b").toString(),
            "--ignore",
            "fc1.*");
    assertThat(run.err()).isEmpty();
    Map<String, Object> told = provenance();
    assertThat(map(told.get("align"))).containsEntry("method", "identity");
    assertThat(told).containsEntry("ignore", List.of("fc1.*")).doesNotContainKey("aligned_with");
    assertThat(map(((List<?>) told.get("base")).get(0)))
        .containsEntry("model", files.model("b").toString());
  }

  private static Map<String, Object> part(Path file) throws IOException {
    return Map.of("path", file.toString(), "bytes", Files.size(file));
  }

  /** Folders are links or not, and what is in folders within them is not read. */
  @Test
  void filesOfFoldersAreThoseThatAreRead() throws IOException {
    Path link = Files.createSymbolicLink(temp.resolve("link"), files.activations("a"));
    Path unread = Files.createDirectory(files.activations("c").resolve("older"));
    Files.copy(files.activations("c").resolve("fc1.npy"), unread.resolve("fc1.npy"));
    Cli.Run run =
        merge(
            "--activations-a",
            link.toString(),
            "--activations-b",
            files.activations("c").toString(),
            "--precision",
            "f64",
            "--skip-non-finite");
    assertThat(run.err()).isEmpty();
    assertThat(provenance())
        .containsEntry(
            "aligned_with",
            List.of(part(link.resolve("fc1.npy")), part(files.activations("c").resolve("fc1.npy"))))
        .containsEntry("precision", "f64")
        .containsEntry("skip_non_finite", true)
        .containsEntry("backend", "cpu");
  }

  @Test
  void dataThatANetworkIsRunOnAlignNothing() throws IOException {
    Path images = images();
    Cli.Run run =
        merge(
            "--method",
            "identity",
            "--repair",
            "repair",
            "--repair",
            "repair-closed-form",
            "--network",
            "mlp:hidden=6,layers=1",
            "--data",
            images.toString());
    assertThat(run.err()).isEmpty();
    Map<String, Object> told = provenance();
    assertThat(told).doesNotContainKeys("aligned_with", "precision", "skip_non_finite");
    assertThat(told)
        .containsEntry(
            "network", Map.of("network", "mlp:hidden=6,layers=1", "data", images.toString()))
        .containsEntry(
            "network_data",
            List.of(
                part(images.resolve("test-images.npy")),
                part(images.resolve("test-labels.npy")),
                part(images.resolve("train-images.npy")),
                part(images.resolve("train-labels.npy"))))
        .containsEntry(
            "repair",
            List.of(
                Map.of("method", "repair", "settings", Map.of()),
                Map.of("method", "repair-closed-form", "settings", Map.of())));
  }

  /** Of {@code IN} pixels and {@code OUT} classes. */
  private Path images() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("images"));
    for (String part : List.of("train", "test")) {
      bytes(folder.resolve(part + "-images.npy"), 97, Fixture.SAMPLES, 2, 2);
      bytes(folder.resolve(part + "-labels.npy"), Fixture.OUT, Fixture.SAMPLES);
    }
    return folder;
  }

  private static void bytes(Path file, int below, long... shape) throws IOException {
    try (Tensor values = Tensor.allocate(DType.U8, shape)) {
      ByteBuffer buffer = values.buffer(0, (int) values.bytes());
      for (int i = 0; i < buffer.limit(); i++) {
        buffer.put(i, (byte) (i * 31 % below));
      }
      Npy.write(values, file);
    }
  }

  /** Files are not read twice unless that is asked for; the merge is the same. */
  @Test
  void digestsAreTakenWhenAskedFor() throws IOException {
    assertThat(merge("--method", "identity", "--digest", "full").err()).isEmpty();
    byte[] merged = Files.readAllBytes(out);
    assertThat(beside).content().contains("sha256");
    assertThat(merge("--method", "identity").err()).isEmpty();
    assertThat(out).hasBinaryContent(merged);
    assertThat(beside).content().doesNotContain("sha256").doesNotContain("\"files\" : {");
    assertThat(merge("--method", "identity", "--digest", "tensor").err())
        .isEqualTo(
            "merganser: --digest tensor is for recipes (*.yml, *.yaml); give full or none\n");
  }

  /** It is one however long it is. */
  @Test
  void anOlderOneOfManyFilesIsReplaced() throws IOException {
    assertThat(merge("--method", "identity").err()).isEmpty();
    String written = Files.readString(beside);
    Files.writeString(beside, written + " ".repeat(1 << 24));
    assertThat(merge("--method", "identity").err()).isEmpty();
    assertThat(beside).content().isEqualTo(written);
  }

  /** Refused before any work. */
  @Test
  void aFileOfTheUserIsNotReplaced() throws IOException {
    Files.writeString(beside, "{\"mine\": 1}");
    assertThat(merge("--method", "identity").err())
        .isEqualTo(
            "merganser: -o "
                + beside
                + " exists and is not what a merge was made of; choose another name, or replace it"
                + " with --force\n");
    assertThat(out).doesNotExist();
    assertThat(merge("--method", "identity", "--force").err()).isEmpty();
    assertThat(provenance()).containsKey("merge");
  }
}
