// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.linalg.Tensor;

/**
 * Every mistake ends in one message with the numbers and the right exit code, and leaves the output
 * as it was.
 */
class BadInputTest {
  @TempDir Path temp;

  private Fixture files;

  private Path out;

  @BeforeEach
  void write() throws IOException {
    files = new Fixture(temp);
    out = temp.resolve("out");
    Files.copy(files.model("a"), out);
  }

  @AfterEach
  void nothingIsWritten() throws IOException {
    assertThat(Files.mismatch(out, files.model("a"))).isEqualTo(-1);
    assertThat(Fixture.hasPartial(temp)).isFalse();
  }

  private void assertRefused(Cli.Run run, int code, String message) {
    assertThat(run.err()).isEqualTo("merganser: " + message + "\n");
    assertThat(run.code()).isEqualTo(code);
    assertThat(run.out()).doesNotContain("wrote");
  }

  private Cli.Run withModel(Path model) {
    return Cli.run(
        "merge",
        files.model("a"),
        model,
        "--activations-a",
        files.activations("a"),
        "--activations-b",
        files.activations("c"),
        "-o",
        out);
  }

  private Cli.Run withActivations(Path folder, Object... more) {
    List<Object> args =
        new ArrayList<>(
            List.of(
                "merge",
                files.model("a"),
                files.model("c"),
                "--activations-a",
                files.activations("a"),
                "--activations-b",
                folder,
                "-o",
                out));
    args.addAll(List.of(more));
    return Cli.run(args.toArray());
  }

  @Test
  void modelsOfOtherShapes() throws IOException {
    Map<String, Tensor> wide = Fixture.tensors(Fixture.random(4));
    wide.put("fc1.weight", Tensor.of(new float[7 * 4], 7, 4));
    wide.put("fc1.bias", Tensor.of(new double[6], 6));
    wide.remove("fc2.bias");
    wide.put("fc3.bias", Tensor.of(new float[3], 3));
    assertRefused(
        withModel(files.model("other", wide)),
        3,
        "the models cannot be merged:\n"
            + "  model 1: 'fc1.bias' is F64 [6], model 0 has F32 [6]\n"
            + "  model 1: 'fc1.weight' is F32 [7, 4], model 0 has F32 [6, 4]\n"
            + "  model 1: no tensor 'fc2.bias' (nearest of 4: fc1.bias, fc3.bias, fc2.weight)\n"
            + "  model 0: no tensor 'fc3.bias' (nearest of 4: fc1.bias, fc2.bias, fc1.weight),"
            + " model 1 has it\n"
            + "  --dtype f32 (or bf16, f16, f64) reads all models as one type (Checkpoint.as)\n"
            + "  --ignore 'fc2.bias' leaves a tensor that not all models store out of the result,"
            + " if it can do without (Checkpoint.where)");
  }

  @Test
  void modelsThatAreNoSafetensors() throws IOException {
    byte[] good = Files.readAllBytes(files.model("c"));
    Path bad = temp.resolve("bad.safetensors");

    Files.write(bad, Arrays.copyOf(good, good.length - 5));
    Cli.Run truncated = withModel(bad);
    assertThat(truncated.code()).isEqualTo(5);
    assertThat(truncated.err())
        .startsWith("merganser: " + bad + ": tensor '")
        .endsWith("the file has only 199; the file is truncated\n");

    Files.write(bad, new byte[0]);
    assertRefused(withModel(bad), 5, bad + ": an empty file");
    Files.writeString(bad, "this is some text");
    assertRefused(withModel(bad), 5, bad + ": text, which begins with 'this is some text'");
    Files.write(
        bad, ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(99_000_000).array());
    assertRefused(
        withModel(bad),
        5,
        bad
            + ": header of 99000000 bytes does not fit the file of 16 bytes; the file is"
            + " truncated");
    header(
        bad,
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,8],\"data_offsets\":[0,0]}}");
    assertRefused(withModel(bad), 5, bad + ": tensor 'a': size overflows or is no whole byte");
    header(
        bad,
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1099511627776],\"data_offsets\":[0,4398046511104]}}");
    assertRefused(
        withModel(bad),
        5,
        bad
            + ": tensor 'a' ends at byte 4398046511104 of the data, the file has only 0; the file"
            + " is truncated");

    Path missing = temp.resolve("missing.safetensors");
    assertRefused(withModel(missing), 5, missing + ": no such file");
    assertRefused(
        withModel(temp),
        5,
        "folder "
            + temp
            + " holds no model.safetensors.index.json, no model.safetensors, and several"
            + " .safetensors files, name one of [a.safetensors, b.safetensors, bad.safetensors,"
            + " c.safetensors]");
    Cli.Run pickle = withModel(Files.write(temp.resolve("model.pt"), good));
    assertThat(pickle.code()).isEqualTo(5);
    assertThat(pickle.err())
        .contains(
            "model.pt: no zip file of torch.save", "torch.load(\"model.pt\", weights_only=True)");
  }

  private static void header(Path path, String json) throws IOException {
    byte[] text = json.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + text.length).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(path, bytes.putLong(text.length).put(text).array());
  }

  /** Reading it would wait for ever, or find nothing. */
  @Test
  void pipesAndDevices() throws Exception {
    Path pipe = temp.resolve("pipe");
    assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0, "no mkfifo");
    for (Path path : List.of(pipe, Path.of("/dev/zero"))) {
      assertRefused(
          withModel(path),
          5,
          "cannot read "
              + path
              + ": it is a pipe or device, and files are read by position; write it to a file"
              + " first");
    }
  }

  @Test
  void foldersWithoutActivations() throws IOException {
    Path missing = temp.resolve("missing");
    assertRefused(withActivations(missing), 5, "activation folder " + missing + " does not exist");
    assertRefused(
        withActivations(files.model("a")),
        5,
        files.model("a")
            + " is a file; activations come as a folder with one SPACE.npy for each space");
    Path empty = Files.createDirectory(temp.resolve("empty"));
    assertRefused(
        withActivations(empty),
        5,
        "activation folder " + empty + " lacks [fc1.npy]; it holds nothing");
    Files.writeString(empty.resolve("fc2.npy"), "x");
    assertRefused(
        withActivations(empty),
        5,
        "activation folder " + empty + " lacks [fc1.npy]; it holds [fc2.npy]");
    Files.createDirectory(empty.resolve("fc1.npy"));
    assertRefused(
        withActivations(empty),
        5,
        "cannot read " + empty.resolve("fc1.npy") + ": it is a folder, not a file");
  }

  @Test
  void buildersThatDoNotFit() throws IOException {
    Path builder = temp.resolve("builder.json");
    Files.writeString(builder, "{\"spaces\": []}");
    assertRefused(
        withActivations(files.activations("c"), "--architecture", builder),
        5,
        builder + ": no spaces, so nothing can be aligned; use --method identity");
    Files.writeString(builder, "{\"spaces\":\n [{\"name\": \"fc1\"}]}");
    Cli.Run unknown = withActivations(files.activations("c"), "--architecture", builder);
    assertThat(unknown.code()).isEqualTo(5);
    assertThat(unknown.err())
        .startsWith("merganser: " + builder + ":2:")
        .contains("unknown field 'name'; known: id, width, exact, feature-axis, bindings");
    Files.writeString(
        builder,
        "{\"spaces\": [{\"id\": \"fc1\", \"width\": 5, \"bindings\": ["
            + "{\"tensor\": \"fc1.weight\", \"axis\": 0, \"role\": \"weight-out\"},"
            + "{\"tensor\": \"fc9.weight\", \"axis\": 1, \"role\": \"weight-in\"}]}]}");
    assertRefused(
        withActivations(files.activations("c"), "--architecture", builder),
        3,
        files.model("a")
            + " does not fit the architecture:\n"
            + "  space 'fc1': 'fc1.weight' F32 [6, 4] axis 0: size 6, the space needs 5\n"
            + "  no tensor 'fc9.weight' (nearest of 4: fc1.weight, fc2.weight, fc1.bias)");
  }

  static Stream<Arguments> shapes() {
    return Stream.of(
        arguments(new long[] {0, 6}, "[0, 6]: at least 2 samples are needed"),
        arguments(new long[] {1, 6}, "[1, 6]: at least 2 samples are needed"),
        arguments(new long[] {200, 0}, "[200, 0]: the space has 6 features"),
        arguments(new long[] {200, 7}, "[200, 7]: the space has 6 features"),
        arguments(new long[] {200}, "[200]: needed [samples, 6]"),
        arguments(
            new long[] {150, 6},
            "[150, 6]: the first model has F32 [200, 6]; the same samples must go to every model"),
        arguments(
            new long[] {200, 6, 2},
            "[200, 6, 2]: the first model has F32 [200, 6]; the same samples must go to every"
                + " model"));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void activationsOfOtherShapes(long[] shape, String problem) throws IOException {
    Path folder = files.activations("odd", new float[Math.toIntExact(Tensor.size(shape))], shape);
    assertRefused(
        withActivations(folder),
        3,
        "activations do not fit:\n  space 'fc1': " + folder.resolve("fc1.npy") + " F32 " + problem);
  }

  @Test
  void activationsThatAreNoArrays() throws IOException {
    byte[] good = Files.readAllBytes(files.activations("c").resolve("fc1.npy"));
    Path file = files.activations("raw").resolve("fc1.npy");

    files.rawActivations("raw", new byte[0]);
    assertRefused(
        withActivations(files.activations("raw")),
        5,
        file + ": no .npy file (it does not begin with \\x93NUMPY); it is an empty file");
    files.rawActivations("raw", Arrays.copyOf(good, good.length - 10));
    assertRefused(
        withActivations(files.activations("raw")),
        5,
        file + ": F32 [200, 6] needs 4800 bytes of data, the file has 4790; it is truncated");
    files.rawActivations("raw", Arrays.copyOf(good, 40));
    Cli.Run noHeader = withActivations(files.activations("raw"));
    assertThat(noHeader.code()).isEqualTo(5);
    assertThat(noHeader.err()).startsWith("merganser: " + file + ": header of ");
    String text = new String(good, StandardCharsets.ISO_8859_1);
    files.rawActivations(
        "raw", text.replace("(200, 6)", "(200,-6)").getBytes(StandardCharsets.ISO_8859_1));
    Cli.Run negative = withActivations(files.activations("raw"));
    assertThat(negative.code()).isEqualTo(5);
    assertThat(negative.err()).contains(file + ": no readable 'shape' in the header");
    files.rawActivations(
        "raw",
        text.replace("'fortran_order': False", "'fortran_order': True ")
            .getBytes(StandardCharsets.ISO_8859_1));
    assertRefused(
        withActivations(files.activations("raw")),
        5,
        file + ": stored in Fortran order; save np.ascontiguousarray(array) instead");
    files.rawActivations(
        "raw", text.replace("'<f4'", "'>f4'").getBytes(StandardCharsets.ISO_8859_1));
    assertRefused(
        withActivations(files.activations("raw")),
        5,
        file + ": type '>f4' is not read; save array.astype(np.float32), little-endian");
  }

  @ParameterizedTest
  @CsvSource({
    "cca, all 6 features are constant (trace of the covariance 0.0); nothing can be correlated"
        + " with them",
    "procrustes, all 6 features are constant; there is nothing to rotate",
    "procrustes-scaled, all 6 features are constant; there is nothing to rotate"
  })
  void activationsWithoutVariance(String method, String problem) throws IOException {
    files.activations("flat", new float[200 * 6], 200, 6);
    assertRefused(
        withActivations(files.activations("flat"), "--method", method),
        4,
        "space \"fc1\", model 1: " + problem.replaceAll("\\s+", " "));
  }

  @Test
  void fewerSamplesThanFeaturesWithoutRegularisation() throws IOException {
    files.activations("few-a", Fixture.normal(1, 4 * 6), 4, 6);
    files.activations("few-c", Fixture.normal(2, 4 * 6), 4, 6);
    Cli.Run run =
        Cli.run(
            "merge",
            files.model("a"),
            files.model("c"),
            "--activations-a",
            files.activations("few-a"),
            "--activations-b",
            files.activations("few-c"),
            "--gamma",
            "0",
            "-o",
            out);
    assertRefused(
        run,
        4,
        "space \"fc1\": 6 features but only 4 samples, covariance rank <= 3; raise gamma (now 0) or"
            + " give > 6 samples");
  }

  @Test
  void activationsForTooFewModels() {
    String remedy =
        "; use --activations-a and --activations-b, or --activations once for each model, or"
            + " --stats, or --network";
    assertRefused(
        Cli.run("merge", files.model("a"), files.model("c"), "-o", out),
        2,
        "method cca needs the activations of all 2 models, given are 0" + remedy);
    assertRefused(
        Cli.run(
            "merge",
            files.model("a"),
            files.model("b"),
            files.model("c"),
            "--method",
            "permutation",
            "--activations",
            files.activations("a"),
            "--activations",
            files.activations("b"),
            "-o",
            out),
        2,
        "method permutation needs the activations of all 3 models, given are 2" + remedy);
  }

  @Test
  void filesThatAreNoStatistics() throws IOException {
    Path missing = temp.resolve("none.mgstats");
    assertRefused(
        Cli.run("merge", files.model("a"), files.model("c"), "--stats", missing, "-o", out),
        5,
        missing + ": no such file");
    assertRefused(
        Cli.run(
            "merge", files.model("a"), files.model("c"), "--stats", files.model("a"), "-o", out),
        5,
        files.model("a") + ": metadata says {format=pt}, expected format mgstats version 1");
  }

  @Test
  void oneFolderOfActivationsForTwoModelsIsRefused() {
    assertRefused(
        withActivations(files.activations("a")),
        2,
        "models "
            + files.model("a")
            + " and "
            + files.model("c")
            + " are given the activations of one folder, "
            + files.activations("a")
            + "; give each its own");
  }
}
