// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.io.TorchZip.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.error.FormatException;

/** What a torch file may not hold is refused with the file, the place and what to do. */
class TorchRefusalTest {
  private static final String SHAPE = "K\2K\2\u0086";
  private static final String STRIDES = "K\2K\1\u0086";
  private static final byte[] DATA = new byte[16];

  @TempDir private Path folder;

  private void refused(Path file, String message) {
    assertThatThrownBy(() -> Safetensors.open(file))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(file + ": ")
        .hasMessageContaining(message)
        .hasMessageContaining("at byte ");
  }

  @Test
  void theGlobalOfAForeignClassIsNamed() {
    refused(TorchZip.fixture("foreign.pt"), "the global 'collections.Counter' is not among");
    refused(TorchZip.fixture("foreign.pt"), "weights_only=False");
  }

  @Test
  void filesOfOldAreConvertedInPython() throws IOException {
    refused(TorchZip.fixture("legacy.pt"), "a pickle (torch.save of old)");
    refused(TorchZip.fixture("legacy.pt"), "torch.load(");
    byte[] tar = new byte[600];
    System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
    for (byte[] bytes : new byte[][] {tar, new byte[100], new byte[0]}) {
      Path file = Files.write(folder.resolve("old.pth"), bytes);
      refused(file, "torch.save(torch.load(\"old.pth\", weights_only=True), \"converted.pt\")");
    }
  }

  static Stream<Arguments> pickles() {
    String begin = "\u0080\2";
    return Stream.of(
        Arguments.of(begin + "cposix\nsystem\n" + text("rm") + "\u0085R.", "'posix.system'"),
        Arguments.of(begin + text("os") + text("system") + "\u0093.", "'os.system'"),
        Arguments.of(begin + "i", "instruction 0x69"),
        Arguments.of("\u0080\1.", "protocol 1"),
        Arguments.of(begin + "]}.", "goes on after its end"),
        Arguments.of(begin + "}..", "goes on after its end"),
        Arguments.of(begin + "h\7.", "object 7"),
        Arguments.of(begin + ".", "a value that is not there"),
        Arguments.of(begin + "t.", "a group that was not begun"),
        Arguments.of(begin + "X\u00ff\u00ff\u00ff\u007f.", "2147483647 more are expected"),
        Arguments.of(begin + "X\u00ff\u00ff\u00ff\u00ff.", "a length or index of 4294967295"),
        Arguments.of(begin + "}})s.", "key is no text"),
        Arguments.of(begin + "}(K\1u.", "a key without a value"),
        Arguments.of(begin + "K\1)R.", "calls what is no function"),
        Arguments.of(begin + "]K\1s.", "takes a value that is not there"),
        Arguments.of(begin + "))Q.", "a storage that is not"),
        Arguments.of(begin + "].", "no dictionary of tensors, but a list"),
        Arguments.of(begin + "}" + text("a") + "K\1s.", "looked for is one of [state_dict"),
        Arguments.of(begin + "}q\1" + text("model") + "h\1s.", "dictionaries in dictionaries"),
        Arguments.of(
            begin + "}" + text("model") + "}s" + text("state_dict") + "}s.",
            "with 'model', 'state_dict'"),
        Arguments.of(
            TorchZip.tensor(4, "K\0", SHAPE, STRIDES)
                .replace("\u0089)tRs.", "\u0089)tRs" + text("more") + "}s."),
            "'more' is a dictionary beside tensors"),
        Arguments.of(TorchZip.tensor(4, "K\1", SHAPE, STRIDES), "does not fit its storage of 4"),
        Arguments.of(TorchZip.tensor(4, "K\0", SHAPE, "K\1\u0085"), "strides [1]"),
        Arguments.of(TorchZip.tensor(4, "K\0", "K\5K\5\u0086", "K\0K\0\u0086"), ".contiguous()"),
        Arguments.of(TorchZip.tensor(4, "K\0", "J\0\0\0\u0080\u0085", "K\1\u0085"), "0 or more"),
        Arguments.of(
            TorchZip.tensor(
                4, "K\0", "\u008a\10\0\0\0\0\0\0\0\100\u008a\10\0\0\0\0\0\0\0\100\u0086", STRIDES),
            "which overflows"),
        Arguments.of(TorchZip.tensor(5, "K\0", SHAPE, STRIDES), "a storage of 20 bytes, entry"));
  }

  @ParameterizedTest
  @MethodSource("pickles")
  void pickle(String pickle, String message) throws IOException {
    refused(TorchZip.write(folder.resolve("m.pt"), pickle, DATA), message);
  }

  @Test
  void zips() throws IOException {
    String pickle = TorchZip.tensor(4, "K\0", SHAPE, STRIDES);
    byte[] bytes = pickle.getBytes(StandardCharsets.ISO_8859_1);
    Path file = folder.resolve("m.bin");
    Map<String, byte[]> entries = new HashMap<>(Map.of("m/data.pkl", bytes, "m/data/0", DATA));
    Safetensors.open(TorchZip.write(file, entries)).close();
    entries.put("m/byteorder", "big".getBytes(StandardCharsets.US_ASCII));
    refused(TorchZip.write(file, entries), "byteorder is 'big'");
    entries.put("m/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
    Safetensors.open(TorchZip.write(file, entries)).close();
    entries.put("m/constants.pkl", DATA);
    refused(TorchZip.write(file, entries), "a TorchScript program");
    refused(
        TorchZip.write(file, Map.of("a/data.pkl", bytes, "b/data.pkl", bytes)),
        "a zip with 2 entries NAME/data.pkl");
    refused(TorchZip.write(file, Map.of("m/data.pkl", bytes)), "'m/data/0' is not there");
    byte[] whole = Files.readAllBytes(TorchZip.fixture("network.pt"));
    Files.write(file, Arrays.copyOf(whole, whole.length - 5));
    refused(file, "no end of a zip file; the file is truncated");
  }

  @Test
  void aPickleThatIsAllObjectsIsBounded() throws IOException {
    String pickle = "\u0080\2" + "}".repeat(4_100_000);
    assertThat(pickle).hasSizeLessThan(TorchPickle.MAX_BYTES);
    refused(TorchZip.write(folder.resolve("m.pt"), pickle, DATA), "more than 4000000 instructions");
  }
}
