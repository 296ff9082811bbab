// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.FormatException;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.linalg.Tensor;

class ImageFilesTest {
  private static final String TRAIN_IMAGES = "train-images-idx3-ubyte";
  private static final String TRAIN_LABELS = "train-labels-idx1-ubyte";
  private static final String TEST_IMAGES = "t10k-images-idx3-ubyte.gz";
  private static final Path FULL = Path.of("/usr/share/datasets/fashion-mnist");

  @TempDir Path temp;

  private Path images() throws IOException {
    return IdxFolder.write(temp.resolve("tiny"), 12, 6, 4);
  }

  private static void assertRefused(Path folder, String message) {
    assertThatThrownBy(() -> ImageFiles.folder(folder, 4))
        .isInstanceOf(FormatException.class)
        .hasMessage(message);
  }

  @Test
  void theEmbeddedImagesAreStandardised() throws IOException {
    try (DataSet data = ImageFiles.embedded(6000)) {
      assertThat(data.name()).isEqualTo("fashion-mnist-subset");
      assertThat(data.train().inputs().shape()).containsExactly(6000, 784);
      assertThat(data.test().inputs().shape()).containsExactly(2000, 784);
      assertThat(data.train().classes()).isEqualTo(10);
      PixelScale scale = data.pixels().orElseThrow();
      assertThat(scale.mean(0)).isCloseTo(0.286, within(0.01));
      assertThat(scale.sd(0)).isCloseTo(0.353, within(0.01));
      double sum = 0;
      double squares = 0;
      float[] values = data.train().inputs().toFloatArray();
      for (float value : values) {
        sum += value;
        squares += (double) value * value;
      }
      assertThat(sum / values.length).isCloseTo(0, within(1e-6));
      assertThat(squares / values.length).isCloseTo(1, within(1e-6));
    }
  }

  @Test
  void theScaleIsThatOfTheImagesUsed() throws IOException {
    try (DataSet all = ImageFiles.embedded(6000);
        DataSet few = ImageFiles.embedded(10)) {
      assertThat(few.train().size()).isEqualTo(10);
      assertThat(few.train().labels()).isEqualTo(Arrays.copyOf(all.train().labels(), 10));
      assertThat(few.pixels()).isNotEqualTo(all.pixels());
    }
  }

  @Test
  void readsPlainAndZippedFiles() throws IOException {
    byte[] pixels = IdxFolder.pixels(12, 16);
    try (DataSet data = ImageFiles.folder(images(), 12)) {
      assertThat(data.name()).isEqualTo("tiny");
      assertThat(data.train().size()).isEqualTo(12);
      assertThat(data.test().size()).isEqualTo(6);
      assertThat(data.train().classes()).isEqualTo(3);
      assertThat(data.train().labels()).isEqualTo(new int[] {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
      double mean = 0;
      double squares = 0;
      for (byte pixel : pixels) {
        double value = (pixel & 0xff) / 255.0;
        mean += value / pixels.length;
        squares += value * value / pixels.length;
      }
      double sd = Math.sqrt(squares - mean * mean);
      assertThat(data.pixels().orElseThrow().mean(0)).isCloseTo(mean, within(1e-12));
      assertThat(data.pixels().orElseThrow().sd(0)).isCloseTo(sd, within(1e-12));
      for (int i = 0; i < pixels.length; i++) {
        assertThat(data.train().inputs().get(i))
            .isCloseTo(((pixels[i] & 0xff) / 255.0 - mean) / sd, within(1e-6));
      }
    }
  }

  @Test
  void takesTheFirstImages() throws IOException {
    try (DataSet data = ImageFiles.folder(images(), 5)) {
      assertThat(data.train().inputs().shape()).containsExactly(5, 16);
      assertThat(data.test().size()).isEqualTo(6);
    }
    for (int train : new int[] {0, 13}) {
      assertThatThrownBy(() -> ImageFiles.folder(images(), train))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("cannot use " + train + " training images; the data have 1 to 12");
    }
  }

  @Test
  void allImagesAreUsedWhenThereAreFewerThanUsual() throws IOException {
    try (DataSet data = ImageFiles.folder(images(), ImageForm.VECTORS, OptionalInt.empty())) {
      assertThat(data.train().size()).isEqualTo(12);
    }
    Path many = IdxFolder.write(temp.resolve("many"), 6001, 3, 2);
    try (DataSet data = ImageFiles.folder(many, ImageForm.VECTORS, OptionalInt.empty());
        DataSet more = ImageFiles.folder(many, 6001)) {
      assertThat(data.train().size()).isEqualTo(6000);
      assertThat(more.train().size()).isEqualTo(6001);
    }
  }

  /** A border of zeros first, then one mean and deviation of all pixels, the border included. */
  @Test
  void convolutionalNetworksGetPaddedPlanes() throws IOException {
    Path folder = IdxFolder.write(temp.resolve("odd"), 4, 3, 5);
    byte[] pixels = IdxFolder.pixels(4, 25);
    double[] wanted = new double[4 * 32 * 32];
    for (int i = 0; i < 4; i++) {
      for (int row = 0; row < 5; row++) {
        for (int column = 0; column < 5; column++) {
          // 27 more rows and columns: 13 before, 14 after.
          wanted[(i * 32 + 13 + row) * 32 + 13 + column] =
              (pixels[i * 25 + row * 5 + column] & 0xff) / 255.0;
        }
      }
    }
    double mean = Arrays.stream(wanted).average().orElseThrow();
    double sd =
        Math.sqrt(Arrays.stream(wanted).map(v -> (v - mean) * (v - mean)).average().orElseThrow());
    try (DataSet data = ImageFiles.folder(folder, ImageForm.PLANES, OptionalInt.empty())) {
      assertThat(data.train().inputs().shape()).containsExactly(4, 1, 32, 32);
      assertThat(data.test().inputs().shape()).containsExactly(3, 1, 32, 32);
      assertThat(data.inputShape()).containsExactly(1, 32, 32);
      assertThat(data.inputSize()).isEqualTo(1024);
      assertThat(data.pixels().orElseThrow().mean(0)).isCloseTo(mean, within(1e-12));
      assertThat(data.pixels().orElseThrow().sd(0)).isCloseTo(sd, within(1e-12));
      for (int i = 0; i < wanted.length; i++) {
        assertThat(data.train().inputs().get(i)).isCloseTo((wanted[i] - mean) / sd, within(1e-6));
      }
    }
  }

  /** With their border, images shrunk by half are as large as before, but not the same. */
  @Test
  void theBorderIsThereBeforeShrinking() throws IOException {
    Path folder = IdxFolder.write(temp.resolve("half"), 2, 1, 16);
    byte[] pixels = IdxFolder.pixels(2, 256);
    int[] wanted = new int[2 * 256];
    for (int i = 0; i < 2 * 64; i++) {
      int sum = 2;
      for (int k = 0; k < 4; k++) {
        int row = i / 8 * 2 + k / 2;
        sum += pixels[row * 16 + i % 8 * 2 + k % 2] & 0xff;
      }
      wanted[(i / 64 * 16 + 4 + i % 64 / 8) * 16 + 4 + i % 8] = sum / 4;
    }
    ImageForm half = ImageForm.PLANES.shrunk(2);
    try (DataSet data = ImageFiles.folder(folder, half, OptionalInt.empty())) {
      PixelScale scale = data.pixels().orElseThrow();
      assertThat(data.inputShape()).containsExactly(1, 16, 16);
      for (int i = 0; i < wanted.length; i++) {
        double pixel = data.train().inputs().get(i) * scale.sd(0) + scale.mean(0);
        assertThat(255 * pixel).as("pixel %d", i).isCloseTo(wanted[i], within(1e-3));
      }
    }
  }

  @Test
  void largeImagesAreNotPadded() throws IOException {
    Path folder = IdxFolder.write(temp.resolve("large"), 2, 1, 33);
    try (DataSet planes = ImageFiles.folder(folder, ImageForm.PLANES, OptionalInt.empty());
        DataSet vectors = ImageFiles.folder(folder, ImageForm.VECTORS, OptionalInt.empty())) {
      assertThat(planes.train().inputs().shape()).containsExactly(2, 1, 33, 33);
      assertThat(planes.train().inputs().toFloatArray())
          .isEqualTo(vectors.train().inputs().toFloatArray());
    }
  }

  @Test
  void theEmbeddedImagesAreAsManyAsAsked() throws IOException {
    try (DataSet data = ImageFiles.embedded(ImageForm.PLANES, OptionalInt.of(3))) {
      assertThat(data.train().inputs().shape()).containsExactly(3, 1, 32, 32);
    }
  }

  @Test
  void picklesAreRefused() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("cifar-10-batches-py"));
    Files.write(folder.resolve("data_batch_1"), new byte[9]);
    assertThatThrownBy(() -> ImageFiles.folder(folder, 4))
        .isInstanceOf(IOException.class)
        .hasMessage(
            folder
                + " holds CIFAR as Python pickles, which can run code when read; get its binary"
                + " version (the folder then holds files *.bin)");
  }

  @Test
  void saysWhatIsWrongWithAFolder() throws IOException {
    Path missing = temp.resolve("missing");
    assertThatThrownBy(() -> ImageFiles.folder(missing, 4))
        .isInstanceOf(IOException.class)
        .hasMessage("data folder " + missing + " does not exist");
    Path file = Files.writeString(temp.resolve("file"), "x");
    assertThatThrownBy(() -> ImageFiles.folder(file, 4))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(file + " is a file; data come as a folder with the files ")
        .hasMessageContaining(TRAIN_IMAGES);
    Path empty = Files.createDirectory(temp.resolve("empty"));
    assertThatThrownBy(() -> ImageFiles.folder(empty, 4))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("data folder " + empty + " lacks [train-images-idx3-ubyte[.gz],")
        .hasMessageEndingWith("it holds nothing");
    Path part = images();
    Files.delete(part.resolve(TRAIN_LABELS));
    Files.createDirectory(part.resolve(TRAIN_LABELS));
    assertThatThrownBy(() -> ImageFiles.folder(part, 4))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("lacks [train-labels-idx1-ubyte[.gz]]; it holds [")
        .hasMessageContaining(TEST_IMAGES);
  }

  @Test
  void saysWhatIsWrongWithAFile() throws IOException {
    Path folder = images();
    Path labels = folder.resolve(TRAIN_LABELS);
    Path pixels = folder.resolve(TRAIN_IMAGES);
    byte[] good = Files.readAllBytes(pixels);

    Files.write(pixels, new byte[0]);
    assertRefused(folder, pixels + ": ends early; the file is truncated");
    Files.write(pixels, Arrays.copyOf(good, 10));
    assertRefused(folder, pixels + ": ends early; the file is truncated");
    Files.write(pixels, Arrays.copyOf(good, good.length - 3));
    assertRefused(
        folder,
        pixels + ": sizes [12, 4, 4] need 192 bytes of data, the file has 189; it is truncated");
    Files.write(pixels, Arrays.copyOf(good, good.length + 3));
    assertRefused(folder, pixels + ": sizes [12, 4, 4] need 192 bytes of data, the file has more");
    Files.writeString(pixels, "no such format");
    assertRefused(
        folder,
        pixels
            + ": magic number 1852776563, an IDX file of unsigned bytes with 3 dimensions has"
            + " 2051");
    Files.write(pixels, IdxFolder.idx(new byte[0], 12, 0, 4));
    assertRefused(folder, pixels + ": impossible sizes [12, 0, 4]");
    Files.write(pixels, IdxFolder.idx(new byte[0], 12, -4, 4));
    assertRefused(folder, pixels + ": impossible sizes [12, -4, 4]");
    Files.write(pixels, IdxFolder.idx(new byte[100], 1 << 24, 1 << 24, 1 << 24));
    assertRefused(folder, pixels + ": impossible sizes [16777216, 16777216, 16777216]");
    Files.write(pixels, IdxFolder.idx(new byte[100], 1 << 20, 28, 28));
    assertRefused(
        folder,
        pixels
            + ": sizes [1048576, 28, 28] need 822083584 bytes of data, the file has 100; it is"
            + " truncated");
    Files.write(pixels, IdxFolder.idx(new byte[12 * 16], 12, 4, 4));
    assertRefused(folder, "the training images are all one colour");
    Files.write(pixels, good);

    Files.write(labels, IdxFolder.idx(new byte[11], 11));
    assertRefused(folder, pixels + " holds 12 images, " + labels + " 11 labels");
    Files.write(labels, IdxFolder.idx(new byte[12], 12));

    Path test = folder.resolve(TEST_IMAGES);
    byte[] zipped = Files.readAllBytes(test);
    Files.write(test, Arrays.copyOf(zipped, zipped.length / 2));
    assertRefused(folder, test + ": ends early; the file is truncated");
    byte[] damaged = zipped.clone();
    // The first byte of the deflate stream: a block of a kind that does not exist.
    damaged[10] = (byte) 0xff;
    Files.write(test, damaged);
    assertThatThrownBy(() -> ImageFiles.folder(folder, 4))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(test + ": damaged gzip data: ");
    Files.write(test, IdxFolder.zipped(IdxFolder.idx(IdxFolder.pixels(6, 9), 6, 3, 3)));
    assertRefused(folder, pixels + " holds images of 1x4x4, " + test + " of 1x3x3");
  }

  @Test
  void theEmbeddedImagesAreTheFirstOfTheFullSet() throws IOException {
    assumeTrue(Files.isDirectory(FULL), "no folder " + FULL);
    try (DataSet full = ImageFiles.folder(FULL, 6000);
        DataSet embedded = ImageFiles.embedded(6000);
        Tensor test = full.test().inputs().rows(0, 2000)) {
      assertThat(full.name()).isEqualTo("fashion-mnist");
      assertThat(full.test().size()).isEqualTo(10_000);
      assertThat(full.pixels()).isEqualTo(embedded.pixels());
      assertThat(full.train().inputs().sameBytes(embedded.train().inputs())).isTrue();
      assertThat(full.train().labels()).isEqualTo(embedded.train().labels());
      assertThat(test.sameBytes(embedded.test().inputs())).isTrue();
      assertThat(Arrays.copyOf(full.test().labels(), 2000)).isEqualTo(embedded.test().labels());
    }
    assertThatThrownBy(() -> ImageFiles.folder(FULL, 60_001))
        .hasMessage("cannot use 60001 training images; the data have 1 to 60000");
  }
}
