// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.io.ShardedWriter.Digest;
import org.merganser.io.ShardedWriter.Options;
import org.merganser.testing.NoiseCheckpoint;

/** What {@code merganser.json} says of a model, and who is told when it is no longer so. */
class ModelDigestsTest {
  private static final String FIRST = "model-00001-of-00004.safetensors";

  @TempDir Path folder;

  private void write(Options options) throws IOException {
    Checkpoint model = new NoiseCheckpoint(NoiseCheckpoint.shapes(), 1, 1);
    try (ShardedWriter writer =
        ShardedWriter.open(ShardPlan.of(model, 6_000_000), folder, options)) {
      writer.write(model, WS);
    }
  }

  private byte[] bytes(String tensor) throws IOException {
    for (ShardPlan.Shard shard :
        ShardPlan.of(new NoiseCheckpoint(NoiseCheckpoint.shapes(), 1, 1), 6_000_000).shards()) {
      if (shard.tensors().containsKey(tensor)) {
        byte[] file = Files.readAllBytes(folder.resolve(shard.name()));
        int from = Math.toIntExact(shard.offsets().get(tensor));
        return Arrays.copyOfRange(file, from, from + (int) shard.tensors().get(tensor).bytes());
      }
    }
    throw new AssertionError(tensor);
  }

  private static byte[] sha(byte[]... parts) throws Exception {
    MessageDigest sha = MessageDigest.getInstance("SHA-256");
    for (byte[] part : parts) {
      sha.update(part);
    }
    return sha.digest();
  }

  @Test
  void theDigestIsTheDocumentedOne() throws Exception {
    write(Options.defaults().withProvenance("{\"seed\": 3}").withJob("a"));
    Map<String, String> digests = ModelManifest.read(folder.resolve(ModelManifest.FILE)).tensors();
    assertThat(digests).containsOnlyKeys(NoiseCheckpoint.shapes().keySet());
    for (String small : List.of("norm", "none", "scalar", "kernel")) {
      assertThat(digests).containsEntry(small, HexFormat.of().formatHex(sha(bytes(small))));
    }
    // 1092 rows of 1920 bytes are 2 MiB at most.
    byte[] embed = bytes("embed");
    assertThat(digests.get("embed"))
        .isEqualTo(
            HexFormat.of()
                .formatHex(
                    sha(
                        sha(Arrays.copyOf(embed, 1092 * 1920)),
                        sha(Arrays.copyOfRange(embed, 1092 * 1920, embed.length)))));
    // Of planes of 2.24 MB, each begins anew: 655 rows of 3200 bytes, then 45.
    byte[] planes = bytes("planes");
    byte[][] pieces = new byte[6][];
    for (int k = 0; k < 6; k++) {
      int from = k / 2 * 2_240_000 + k % 2 * 655 * 3200;
      pieces[k] = sha(Arrays.copyOfRange(planes, from, from + (k % 2 == 0 ? 655 : 45) * 3200));
    }
    assertThat(digests.get("planes")).isEqualTo(HexFormat.of().formatHex(sha(pieces)));
    assertThat(folder.resolve(ModelManifest.FILE))
        .content()
        .contains("\"seed\" : 3")
        .contains("\"job\" : \"a\"");
  }

  @ParameterizedTest
  @EnumSource(
      value = Digest.class,
      names = {"TENSOR", "FULL"})
  void whatWasWrittenIsVerified(Digest digest) throws Exception {
    write(Options.defaults().withDigest(digest));
    assertThat(ShardedWriter.verify(folder, WS)).isEmpty();
    ModelManifest manifest = ModelManifest.read(folder.resolve(ModelManifest.FILE));
    String file = HexFormat.of().formatHex(sha(Files.readAllBytes(folder.resolve(FIRST))));
    assertThat(manifest.files()).hasSize(4).containsEntry(FIRST, digest == Digest.FULL ? file : "");
    try (FileChannel channel = FileChannel.open(folder.resolve(FIRST), StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new byte[] {1}), channel.size() - 1);
    }
    List<String> problems = ShardedWriter.verify(folder, WS);
    assertThat(problems.get(0)).startsWith("tensor 'norm' BF16 [960] has other bytes: digest ");
    assertThat(problems).hasSize(digest == Digest.FULL ? 2 : 1);
  }

  @Test
  void whatIsMissingOrMoreIsNamed() throws Exception {
    write(Options.defaults());
    Checkpoint other = new NoiseCheckpoint(Map.of("more", TensorInfo.of(DType.F32, 3)), 1, 1);
    Files.delete(folder.resolve(FIRST));
    Files.delete(folder.resolve(ShardIndex.FILE));
    for (int k = 3; k <= 4; k++) {
      Files.delete(folder.resolve("model-0000" + k + "-of-00004.safetensors"));
    }
    Safetensors.write(other, folder.resolve(FIRST), WS);
    Files.move(
        folder.resolve("model-00002-of-00004.safetensors"),
        folder.resolve("model-00002-of-00002.safetensors"));
    Files.move(folder.resolve(FIRST), folder.resolve("model-00001-of-00002.safetensors"));
    assertThat(ShardedWriter.verify(folder, WS))
        .contains(
            "tensor 'embed' is missing",
            "tensor 'more' was not written with the others",
            "file " + FIRST + " is missing")
        .hasSize(6 + 1 + 4);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[]|not a JSON object",
        "{|no valid JSON",
        "{\"piece_bytes\": 0, \"tensors\": {\"a\": \"b\"}}|piece_bytes is 0",
        "{\"piece_bytes\": 99999999999, \"tensors\": {\"a\": \"b\"}}|piece_bytes is 99999999999",
      })
  void damagedFilesAreRefused(String text, String message) throws IOException {
    Files.writeString(folder.resolve(ModelManifest.FILE), text);
    assertThatThrownBy(() -> ShardedWriter.verify(folder, WS))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining(message);
  }

  @Test
  void whatHasNoDigestsIsNotVerified() throws IOException {
    assertThatThrownBy(() -> ShardedWriter.verify(folder, WS))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("has no merganser.json");
    write(Options.defaults().withDigest(Digest.NONE));
    assertThatThrownBy(() -> ShardedWriter.verify(folder, WS))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("has no digests");
  }
}
