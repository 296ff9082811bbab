// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.io.Npy;
import org.merganser.linalg.Tensor;

class NpyImagesTest {
  @TempDir Path folder;

  private void write(String name, DType dtype, byte[] bytes, long... shape) throws IOException {
    try (Tensor tensor = Tensor.allocate(dtype, shape)) {
      tensor.buffer(0, bytes.length).put(bytes);
      Npy.write(tensor, folder.resolve(name));
    }
  }

  private void labels(String name, DType dtype, int... labels) throws IOException {
    int width = (int) (dtype.bytes(1));
    ByteBuffer bytes = ByteBuffer.allocate(width * labels.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int label : labels) {
      switch (width) {
        case 8 -> bytes.putLong(label);
        case 4 -> bytes.putInt(label);
        case 2 -> bytes.putShort((short) label);
        default -> bytes.put((byte) label);
      }
    }
    write(name, dtype, bytes.array(), labels.length);
  }

  /** Two training images of 3 x 2 x 2 and one for testing: pixel = 16 channel + position. */
  private void colour(boolean channelsLast) throws IOException {
    byte[] pixels = new byte[2 * 12];
    for (int i = 0; i < 2; i++) {
      for (int c = 0; c < 3; c++) {
        for (int p = 0; p < 4; p++) {
          pixels[i * 12 + (channelsLast ? p * 3 + c : c * 4 + p)] = (byte) (100 * i + 16 * c + p);
        }
      }
    }
    long[] shape = channelsLast ? new long[] {2, 2, 2, 3} : new long[] {2, 3, 2, 2};
    write("train-images.npy", DType.U8, pixels, shape);
    shape[0] = 1;
    write("test-images.npy", DType.U8, Arrays.copyOf(pixels, 12), shape);
    labels("train-labels.npy", DType.I64, 4, 1);
    labels("test-labels.npy", DType.U8, 2);
  }

  private DataSet open(ImageForm form) throws IOException {
    return ImageFiles.folder(folder, form, OptionalInt.empty());
  }

  private void assertRefused(String message) {
    assertThatThrownBy(() -> open(ImageForm.VECTORS))
        .isInstanceOf(FormatException.class)
        .hasMessage(message);
  }

  @Test
  void channelsMayComeFirstOrLast() throws IOException {
    colour(false);
    try (DataSet first = open(ImageForm.VECTORS)) {
      colour(true);
      try (DataSet last = open(ImageForm.VECTORS);
          DataSet planes = open(ImageForm.PLANES)) {
        float[] values = first.train().inputs().toFloatArray();
        assertThat(last.train().inputs().toFloatArray()).isEqualTo(values);
        assertThat(last.test().inputs().toFloatArray())
            .isEqualTo(first.test().inputs().toFloatArray());
        // Channel by channel, position by position: increasing in each image.
        for (int i = 1; i < 12; i++) {
          assertThat(values[i]).isGreaterThan(values[i - 1]);
        }
        assertThat(first.train().labels()).containsExactly(4, 1);
        assertThat(first.train().classes()).isEqualTo(5);
        assertThat(first.test().labels()).containsExactly(2);
        assertThat(planes.train().inputs().shape()).containsExactly(2, 3, 32, 32);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"I64", "U64", "I32", "U32", "I16", "U16", "I8", "U8"})
  void labelsAreIntegersOfAnyWidth(DType dtype) throws IOException {
    colour(false);
    labels("train-labels.npy", dtype, 120, 3);
    try (DataSet data = open(ImageForm.VECTORS)) {
      assertThat(data.train().labels()).containsExactly(120, 3);
      assertThat(data.train().classes()).isEqualTo(121);
    }
  }

  @Test
  void greyImagesNeedNoAxisOfChannels() throws IOException {
    colour(false);
    write("train-images.npy", DType.U8, new byte[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 2, 2);
    write("test-images.npy", DType.U8, new byte[] {1, 2, 3, 4}, 1, 2, 2);
    try (DataSet data = open(ImageForm.VECTORS)) {
      assertThat(data.train().inputs().shape()).containsExactly(2, 4);
    }
  }

  @Test
  void damageIsRefused() throws IOException {
    colour(false);
    Path labels = folder.resolve("train-labels.npy");
    Path images = folder.resolve("train-images.npy");
    labels("train-labels.npy", DType.I32, 0, -1);
    assertRefused(labels + ": label -1 of image 1 is not in 0..1048575");
    labels("train-labels.npy", DType.I32, 0, 1, 2);
    assertRefused(images + " holds 2 images, " + labels + " 3 labels");
    write("train-labels.npy", DType.F32, new byte[8], 2);
    assertRefused(labels + ": F32 [2]; labels are integers [n]");
    write("train-labels.npy", DType.U8, new byte[2], 2, 1);
    assertRefused(labels + ": U8 [2, 1]; labels are integers [n]");
    labels("train-labels.npy", DType.U8, 0, 1);
    String wanted =
        "; images are U8 [n, height, width], [n, channels, height, width] or [n, height, width,"
            + " channels], with 1 or 3 channels, not both ways, and less than 2 GiB";
    write("train-images.npy", DType.I8, new byte[24], 2, 3, 2, 2);
    assertRefused(images + ": I8 [2, 3, 2, 2]" + wanted);
    write("train-images.npy", DType.U8, new byte[18], 2, 3, 1, 3);
    assertRefused(images + ": U8 [2, 3, 1, 3]" + wanted);
    write("train-images.npy", DType.U8, new byte[24], 2, 3, 4, 1);
    assertRefused(images + ": U8 [2, 3, 4, 1]" + wanted);
    write("train-images.npy", DType.U8, new byte[16], 2, 2, 2, 2);
    assertRefused(images + ": U8 [2, 2, 2, 2]" + wanted);
    write("train-images.npy", DType.U8, new byte[8], 2, 2, 2);
    assertRefused(
        images + " holds images of 1x2x2, " + folder.resolve("test-images.npy") + " of 3x2x2");
    Files.delete(labels);
    assertThatThrownBy(() -> open(ImageForm.VECTORS))
        .isInstanceOf(IOException.class)
        .hasMessage(
            "data folder "
                + folder
                + " lacks [train-labels.npy]; it holds [test-images.npy, test-labels.npy,"
                + " train-images.npy]");
  }
}
