// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.error.FormatException;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.torch.Examples;

class CifarFilesTest {
  private static final double[] MEAN = {0.4914, 0.4822, 0.4465};
  private static final double[] SD = {0.2470, 0.2435, 0.2616};

  @TempDir Path temp;

  private static DataSet planes(Path folder, OptionalInt train) throws IOException {
    return ImageFiles.folder(folder, ImageForm.PLANES, train);
  }

  private static void assertRefused(Path folder, Class<?> type, String message) {
    assertThatThrownBy(() -> planes(folder, OptionalInt.empty()))
        .isInstanceOf(type)
        .hasMessage(message);
  }

  /** Red, green and blue planes row by row after the label, written byte by byte. */
  @Test
  void theOrderOfTheBytesIsChannelRowColumn() throws IOException {
    Path folder = CifarFolder.ten(temp.resolve("c"), 1);
    byte[] record = new byte[1 + 3072];
    record[0] = 7;
    // Green, row 2, column 5.
    record[1 + 1024 + 2 * 32 + 5] = (byte) 255;
    // Blue, the last pixel.
    record[3072] = 51;
    Files.write(folder.resolve("data_batch_1.bin"), record);
    try (DataSet data = planes(folder, OptionalInt.of(1))) {
      Examples train = data.train();
      assertThat(train.inputs().shape()).containsExactly(1, 3, 32, 32);
      assertThat(train.labels()).containsExactly(7);
      assertThat(train.classes()).isEqualTo(10);
      for (int c = 0; c < 3; c++) {
        for (int p = 0; p < 1024; p++) {
          double pixel = c == 1 && p == 2 * 32 + 5 ? 1 : c == 2 && p == 1023 ? 0.2 : 0;
          assertThat(train.inputs().get(c * 1024L + p))
              .as("channel %d, pixel %d", c, p)
              .isCloseTo((pixel - MEAN[c]) / SD[c], within(1e-6));
        }
      }
      assertThat(data.pixels())
          .contains(
              new PixelScale(List.of(0.4914, 0.4822, 0.4465), List.of(0.2470, 0.2435, 0.2616)));
    }
  }

  @Test
  void filesFollowEachOther() throws IOException {
    Path folder = CifarFolder.ten(temp.resolve("c"), 3);
    try (DataSet all = planes(folder, OptionalInt.empty());
        DataSet some = planes(folder, OptionalInt.of(8));
        DataSet vectors = ImageFiles.folder(folder, 8)) {
      assertThat(all.name()).isEqualTo("c");
      assertThat(all.train().size()).isEqualTo(15);
      assertThat(all.train().labels())
          .isEqualTo(new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4});
      assertThat(all.test().labels()).isEqualTo(new int[] {5, 6, 7});
      assertThat(some.train().labels()).isEqualTo(Arrays.copyOf(all.train().labels(), 8));
      float[] every = all.train().inputs().toFloatArray();
      assertThat(some.train().inputs().toFloatArray())
          .isEqualTo(Arrays.copyOf(every, 8 * CifarFolder.PIXELS));
      assertThat(vectors.train().inputs().shape()).containsExactly(8, 3072);
      assertThat(vectors.train().inputs().toFloatArray())
          .isEqualTo(some.train().inputs().toFloatArray());
      byte[] last = CifarFolder.image(14, 4);
      for (int p = 0; p < CifarFolder.PIXELS; p++) {
        int c = p / 1024;
        assertThat((double) every[14 * CifarFolder.PIXELS + p])
            .isCloseTo(((last[1 + p] & 0xff) / 255.0 - MEAN[c]) / SD[c], within(1e-6));
      }
    }
    assertThatThrownBy(() -> planes(folder, OptionalInt.of(16)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("cannot use 16 training images; the data have 1 to 15");
  }

  @Test
  void theFineLabelsOfCifar100AreUsed() throws IOException {
    Path folder = CifarFolder.hundred(temp.resolve("c"), 45, 3);
    try (DataSet data = planes(folder, OptionalInt.empty())) {
      assertThat(data.train().classes()).isEqualTo(100);
      assertThat(data.train().labels()[44]).isEqualTo(44);
      assertThat(data.test().labels()).isEqualTo(new int[] {45, 46, 47});
      byte[] image = CifarFolder.image(0, 0, 0);
      assertThat(data.train().inputs().get(0))
          .isCloseTo(((image[2] & 0xff) / 255.0 - 0.5071) / 0.2675, within(1e-6));
      assertThat(data.train().inputs().get(3071))
          .isCloseTo(((image[3073] & 0xff) / 255.0 - 0.4408) / 0.2761, within(1e-6));
    }
  }

  @Test
  void missingFilesAreNamed() throws IOException {
    Path folder = CifarFolder.ten(temp.resolve("c"), 1);
    Files.delete(folder.resolve("data_batch_4.bin"));
    Files.delete(folder.resolve("test_batch.bin"));
    assertRefused(
        folder,
        IOException.class,
        "data folder "
            + folder
            + " lacks [data_batch_4.bin, test_batch.bin] of CIFAR-10; it holds [data_batch_1.bin,"
            + " data_batch_2.bin, data_batch_3.bin, data_batch_5.bin]");
    Path hundred = CifarFolder.hundred(temp.resolve("h"), 1, 1);
    Files.delete(hundred.resolve("train.bin"));
    assertRefused(
        hundred,
        IOException.class,
        "data folder " + hundred + " lacks [train.bin] of CIFAR-100; it holds [test.bin]");
  }

  @Test
  void sizesThatAreNoWholeImagesAreRefused() throws IOException {
    Path folder = CifarFolder.ten(temp.resolve("c"), 2);
    Path file = folder.resolve("data_batch_5.bin");
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 6000));
    // Also when only images of the first file are asked for.
    assertThatThrownBy(() -> planes(folder, OptionalInt.of(1)))
        .isInstanceOf(FormatException.class)
        .hasMessage(
            file
                + ": 6000 bytes; a file of CIFAR-10 in binary form is made of records of 3073 bytes,"
                + " the last one here is truncated");
    Files.write(file, new byte[0]);
    assertRefused(
        folder,
        FormatException.class,
        file + ": 0 bytes; a file of CIFAR-10 in binary form is made of records of 3073 bytes");
  }

  @Test
  void labelsOutOfRangeAreRefused() throws IOException {
    Path folder = CifarFolder.ten(temp.resolve("c"), 2);
    Path file = folder.resolve("test_batch.bin");
    byte[] bytes = Files.readAllBytes(file);
    bytes[3073] = (byte) 200;
    Files.write(file, bytes);
    assertRefused(
        folder,
        FormatException.class,
        file + ": label 200 of image 1 is not in 0..9; is this CIFAR-10 in binary form?");

    Path hundred = CifarFolder.hundred(temp.resolve("h"), 2, 1);
    Path train = hundred.resolve("train.bin");
    byte[] records = Files.readAllBytes(train);
    records[3074] = 20;
    Files.write(train, records);
    assertRefused(
        hundred,
        FormatException.class,
        train + ": coarse label 20 of image 1 is not in 0..19; is this CIFAR-100 in binary form?");
    records[3074] = 19;
    records[3075] = 100;
    Files.write(train, records);
    assertRefused(
        hundred,
        FormatException.class,
        train + ": label 100 of image 1 is not in 0..99; is this CIFAR-100 in binary form?");
  }
}
