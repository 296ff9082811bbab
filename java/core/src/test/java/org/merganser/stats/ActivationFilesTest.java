// SPDX-License-Identifier: Apache-2.0
package org.merganser.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.merganser.testing.Work.WS;
import static org.merganser.testing.Work.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.Npy;
import org.merganser.io.Safetensors;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.MapFamily;
import org.merganser.model.Role;
import org.merganser.testing.Activations;
import org.merganser.testing.Close;
import org.merganser.testing.JavaNetwork;
import org.merganser.testing.JavaNetwork.Activation;
import org.merganser.testing.Oracle;

/** Activations another program wrote, and moments saved and loaded. */
class ActivationFilesTest {
  private static final Architecture TWO_SPACES =
      Architecture.builder()
          .space("fc1", 4, MapFamily.PERMUTATION, Binding.of("w", 0, Role.WEIGHT_OUT))
          .space("conv", 3, MapFamily.PERMUTATION, Binding.of("v", 0, Role.WEIGHT_OUT))
          .build();

  @TempDir Path root;
  private Path a;
  private Path b;

  @BeforeEach
  void folders() throws IOException {
    a = Files.createDirectory(root.resolve("a"));
    b = Files.createDirectory(root.resolve("b"));
    write(a, DType.F32, 10);
    write(b, DType.F64, 20);
  }

  private static void write(Path folder, DType dtype, long seed) throws IOException {
    Npy.write(
        Activations.tensor(dtype, Oracle.gaussian(30, 4, seed), WS), folder.resolve("fc1.npy"));
    Npy.write(
        Activations.tensor(dtype, Oracle.gaussian(30, 3 * 6, seed + 1), WS).reshape(30, 3, 2, 3),
        folder.resolve("conv.npy"));
  }

  @Test
  void everySpaceOfEveryModelIsRead() throws IOException {
    Moments moments = collect(NonFinite.FAIL);
    assertThat(moments.spaces()).containsExactly("fc1", "conv");
    SpaceMoments fc1 = moments.space("fc1");
    assertThat(fc1.samples()).isEqualTo(30);
    double[][] x = Oracle.map(Oracle.gaussian(30, 4, 10), v -> (float) v);
    Close.relative(
        "cross", fc1.covariance(0, 1, WS), Oracle.covariance(x, Oracle.gaussian(30, 4, 20)), 1e-12);
    assertThat(moments.space("conv").samples()).isEqualTo(180);
    assertThatThrownBy(() -> moments.space("fc2"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("no statistics of space 'fc2'; there are [fc1, conv]");
  }

  /** More than one tile of 32 MiB, so that rows are read in parts. */
  @Test
  void filesLargerThanATileGiveTheSameAsOneBatch() throws IOException {
    Path big = Files.createDirectory(root.resolve("big"));
    int samples = 5000;
    int width = 1000;
    double[] values = Oracle.gaussian(1, samples * width, 3)[0];
    Tensor tensor = Tensor.of(values, samples, width);
    Npy.write(tensor, big.resolve("s.npy"));
    Architecture architecture = Activations.oneSpace(width, MapFamily.PERMUTATION);
    Moments.Options options = new Moments.Options(Precision.F64, NonFinite.FAIL, 1L << 30);
    Moments moments =
        Moments.fromFiles(architecture, List.of(big), StatisticsRequest.NONE, options, WS);
    try (MomentAccumulator whole =
        new MomentAccumulator(
            "s", new long[] {width}, StatisticsRequest.NONE, Precision.F64, NonFinite.FAIL, WS)) {
      whole.update(List.of(tensor));
      SpaceMoments expected = whole.moments();
      Close.relative("variance", moments.space("s").variance(0), expected.variance(0), 1e-12);
      assertThat(moments.space("s").samples()).isEqualTo(samples);
    }
    tensor.set(4999L * width + 7, Double.NaN);
    Npy.write(tensor, big.resolve("s.npy"));
    assertThatThrownBy(
            () ->
                Moments.fromFiles(architecture, List.of(big), StatisticsRequest.NONE, options, WS))
        .isInstanceOf(NumericalException.class)
        .hasMessageMatching(
            "space 's', batch after (\\d+) samples: series 0, sample (\\d+), feature 7: .*")
        .satisfies(
            e -> {
              String[] words = e.getMessage().replaceAll("[^0-9 ]", "").trim().split(" +");
              assertThat(Long.parseLong(words[0]) + Long.parseLong(words[2])).isEqualTo(4999);
            });
  }

  /** What moments need no more than others do: several spaces in one pass. */
  @Test
  void aMeasureMayReadSeveralSpacesAtOnce() throws IOException {
    try (ActivationFiles source = new ActivationFiles(TWO_SPACES, List.of(a, b), WS)) {
      source.each(
          Set.of("fc1", "conv"),
          batch -> {
            assertThat(batch.samples()).isEqualTo(30);
            assertThat(batch.of("conv"))
                .extracting(t -> host(t).toString())
                .containsExactly("F64 [30, 3, 2, 3]", "F64 [30, 3, 2, 3]");
            assertThat(host(batch.of(1, "fc1")).toDoubleArray())
                .containsExactly(Oracle.flat(Oracle.gaussian(30, 4, 20)));
          },
          WS);
    }
    for (Path folder : List.of(a, b)) {
      Npy.write(Tensor.zeros(DType.F32, 29, 4), folder.resolve("fc1.npy"));
    }
    try (ActivationFiles source = new ActivationFiles(TWO_SPACES, List.of(a, b), WS)) {
      assertThatThrownBy(() -> source.open(Set.of("fc1", "conv")))
          .isInstanceOf(IncompatibleModelsException.class)
          .hasMessage(
              "activations of several spaces are not of the same samples:\n"
                  + "  numbers of samples: {conv=30, fc1=29}");
    }
  }

  @Test
  void foldersAreChecked() throws IOException {
    Path missing = root.resolve("none");
    assertThatThrownBy(() -> collect(NonFinite.FAIL, a, missing))
        .isInstanceOf(IOException.class)
        .hasMessage("activation folder " + missing + " does not exist");
    Path file = a.resolve("fc1.npy");
    assertThatThrownBy(() -> collect(NonFinite.FAIL, a, file))
        .isInstanceOf(IOException.class)
        .hasMessage(
            file + " is a file; activations come as a folder with one SPACE.npy for each space");
    Files.delete(b.resolve("conv.npy"));
    assertThatThrownBy(() -> collect(NonFinite.FAIL))
        .isInstanceOf(IOException.class)
        .hasMessage("activation folder " + b + " lacks [conv.npy]; it holds [fc1.npy]");
    Files.delete(b.resolve("fc1.npy"));
    assertThatThrownBy(() -> collect(NonFinite.FAIL))
        .isInstanceOf(IOException.class)
        .hasMessage("activation folder " + b + " lacks [fc1.npy, conv.npy]; it holds nothing");
  }

  @Test
  void everyMisfitIsReportedAtOnce() throws IOException {
    Npy.write(Tensor.zeros(DType.F32, 30, 5), a.resolve("fc1.npy"));
    Npy.write(Tensor.zeros(DType.F32, 29, 4), b.resolve("fc1.npy"));
    Npy.write(Tensor.zeros(DType.I32, 30, 3), b.resolve("conv.npy"));
    assertThatThrownBy(() -> collect(NonFinite.FAIL))
        .isInstanceOfSatisfying(
            IncompatibleModelsException.class,
            e ->
                assertThat(e.problems())
                    .containsExactly(
                        "space 'fc1': "
                            + a.resolve("fc1.npy")
                            + " F32 [30, 5]: the space has 4 features",
                        "space 'fc1': "
                            + b.resolve("fc1.npy")
                            + " F32 [29, 4]: the first model has F32 [30, 5]; the same samples"
                            + " must go to every model",
                        "space 'conv': "
                            + b.resolve("conv.npy")
                            + " I32 [30, 3]: activations must be floating point"));
    Npy.write(Tensor.zeros(DType.F32, 1, 4), a.resolve("fc1.npy"));
    Npy.write(Tensor.zeros(DType.F32, 4), b.resolve("fc1.npy"));
    Npy.write(Tensor.zeros(DType.F32, 30, 3, 2, 3), b.resolve("conv.npy"));
    assertThatThrownBy(() -> collect(NonFinite.FAIL))
        .hasMessage(
            "activations do not fit:\n  space 'fc1': "
                + a.resolve("fc1.npy")
                + " F32 [1, 4]: at least 2 samples are needed\n  space 'fc1': "
                + b.resolve("fc1.npy")
                + " F32 [4]: needed [samples, 4]");
  }

  @Test
  void nonFiniteValuesFailOrAreSkippedAndCounted() throws IOException {
    double[][] x = Oracle.gaussian(30, 4, 10);
    x[7][1] = Double.NaN;
    Npy.write(Activations.tensor(DType.F32, x, WS), a.resolve("fc1.npy"));
    assertThatThrownBy(() -> collect(NonFinite.FAIL))
        .isInstanceOf(NumericalException.class)
        .hasMessageStartingWith("space 'fc1': series 0, sample 7, feature 1: ");
    Moments moments = collect(NonFinite.SKIP_SAMPLE);
    assertThat(moments.space("fc1").skipped()).isEqualTo(1);
    assertThat(moments.space("fc1").samples()).isEqualTo(29);
    assertThat(moments.space("conv").skipped()).isZero();
  }

  @Test
  void savedMomentsComeBackAndCanBeMerged() throws IOException {
    Moments moments = collect(NonFinite.FAIL);
    Path first = root.resolve("first.mgstats");
    moments.save(first, WS);
    Moments loaded = Moments.load(first, WS);
    Path second = root.resolve("second.mgstats");
    loaded.save(second, WS);
    assertThat(second).hasSameBinaryContentAs(first);
    assertThat(loaded.spaces()).containsExactly("fc1", "conv");
    SpaceMoments twice = loaded.merge(moments, WS).space("fc1");
    assertThat(twice.samples()).isEqualTo(60);
    // The same samples again change no mean and no variance.
    Close.relative("mean", twice.mean(0), moments.space("fc1").mean(0), 1e-15);
    Close.relative("variance", twice.variance(1), moments.space("fc1").variance(1), 1e-15);
    loaded.close();
    assertThatThrownBy(() -> loaded.space("fc1").covariance(0, 1, WS))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void otherMomentsCannotBeMerged() throws IOException {
    Moments moments = collect(NonFinite.FAIL);
    Moments one = Moments.of(java.util.Map.of("fc1", moments.space("fc1")));
    assertThatThrownBy(() -> moments.merge(one, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage("moments cannot be merged:\n  spaces [fc1, conv] against [fc1]");
    SpaceMoments narrow =
        Activations.moments(Precision.F64, WS, Oracle.gaussian(5, 2, 1), Oracle.gaussian(5, 2, 2));
    assertThatThrownBy(() -> moments.space("fc1").merge(narrow, WS))
        .isInstanceOf(IncompatibleModelsException.class)
        .hasMessage("moments cannot be merged:\n  widths [4, 4] against [2, 2]");
  }

  @Test
  void damagedMomentFilesAreRefused() throws IOException {
    Path file = root.resolve("x.mgstats");
    MemoryCheckpoint other =
        MemoryCheckpoint.of(java.util.Map.of("s/samples", Tensor.zeros(DType.F64, 1)));
    Safetensors.write(other, file, WS);
    assertThatThrownBy(() -> Moments.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": metadata says {format=pt}, expected format mgstats version 1");
    java.util.Map<String, String> metadata =
        java.util.Map.of("format", "mgstats", "version", "1", "spaces", "s");
    Safetensors.write(other, metadata, file, WS);
    assertThatThrownBy(() -> Moments.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": 's/samples' is F64 [1]");
    MemoryCheckpoint uneven =
        MemoryCheckpoint.of(
            java.util.Map.of(
                "s/samples", Tensor.zeros(DType.F64, 2),
                "s/mean/0", Tensor.zeros(DType.F64, 3),
                "s/m2/0", Tensor.zeros(DType.F64, 2)));
    Safetensors.write(uneven, metadata, file, WS);
    assertThatThrownBy(() -> Moments.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": 's/m2/0' is F64 [2]");
    for (double samples : new double[] {-1, 0.5, 1e300, Double.NaN}) {
      MemoryCheckpoint counted =
          MemoryCheckpoint.of(
              java.util.Map.of("s/samples", Tensor.of(new double[] {samples, 0}, 2)));
      Safetensors.write(counted, metadata, file, WS);
      assertThatThrownBy(() -> Moments.load(file, WS))
          .isInstanceOf(FormatException.class)
          .hasMessage(file + ": 's/samples' holds " + samples + ", which is no number of samples");
    }
    MemoryCheckpoint none =
        MemoryCheckpoint.of(java.util.Map.of("s/samples", Tensor.zeros(DType.F64, 2)));
    Safetensors.write(none, metadata, file, WS);
    assertThatThrownBy(() -> Moments.load(file, WS))
        .isInstanceOf(FormatException.class)
        .hasMessage(file + ": there is no 's/mean/0'");
  }

  @Test
  void momentsOfNoSpaceAtAllComeBack() throws IOException {
    Path file = root.resolve("empty.mgstats");
    Moments.of(java.util.Map.of()).save(file, WS);
    assertThat(Moments.load(file, WS).spaces()).isEmpty();
  }

  @Test
  void aSmallBudgetNeedsMorePassesAndChangesNothing() throws IOException {
    JavaNetwork network = JavaNetwork.branches(Activation.RELU);
    List<MemoryCheckpoint> models =
        List.of(network.random(DType.F32, 1, WS), network.random(DType.F32, 2, WS));
    double[][] inputs = Oracle.gaussian(40, network.inputs(), 3);
    for (long budget : new long[] {1, 1L << 30}) {
      Moments.Options options = new Moments.Options(Precision.MIXED, NonFinite.FAIL, budget);
      Moments.collect(network, models, JavaNetwork.inputs(inputs, 16), Activations.ALL, options, WS)
          .save(root.resolve(budget + ".mgstats"), WS);
    }
    assertThat(root.resolve("1.mgstats"))
        .hasSameBinaryContentAs(root.resolve((1L << 30) + ".mgstats"));
  }

  private Moments collect(NonFinite nonFinite, Path... folders) throws IOException {
    Moments.Options options = new Moments.Options(Precision.F64, nonFinite, 1L << 30);
    List<Path> paths = folders.length == 0 ? List.of(a, b) : List.of(folders);
    return Moments.fromFiles(TWO_SPACES, paths, Activations.ALL, options, WS);
  }
}
