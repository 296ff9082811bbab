// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.linalg.Tensor;
import org.merganser.torch.Examples;

/**
 * Grey images in the four IDX files of MNIST and its relatives: {@code train-images-idx3-ubyte},
 * {@code train-labels-idx1-ubyte}, {@code t10k-...}, each plain or with {@code .gz}. Every sample
 * is one vector of pixels.
 */
public final class ImageFiles {
  private static final String EMBEDDED = "/org/merganser/lab/fashion-mnist/";

  /** Training and test images of {@link #embedded}. */
  public static final int EMBEDDED_TRAIN = 6000;

  private static final List<String> NAMES =
      List.of(
          "train-images-idx3-ubyte",
          "train-labels-idx1-ubyte",
          "t10k-images-idx3-ubyte",
          "t10k-labels-idx1-ubyte");

  private ImageFiles() {}

  /** The first 6000 training and 2000 test images of Fashion-MNIST (Xiao et al. 2017). */
  public static DataSet embedded(int train) throws IOException {
    return assemble(
        "fashion-mnist-subset",
        train,
        name -> "embedded " + name,
        name -> ImageFiles.class.getResourceAsStream(EMBEDDED + name + ".gz"));
  }

  /**
   * Reads a folder.
   *
   * @param train how many training images to use, from the first
   * @throws IOException when the folder is missing, is a file, or lacks files
   */
  public static DataSet folder(Path folder, int train) throws IOException {
    if (!Files.exists(folder)) {
      throw new IOException("data folder " + folder + " does not exist");
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException(folder + " is a file; data come as a folder with the files " + NAMES);
    }
    List<String> missing = new ArrayList<>();
    for (String name : NAMES) {
      if (locate(folder, name).isEmpty()) {
        missing.add(name + "[.gz]");
      }
    }
    if (!missing.isEmpty()) {
      throw new IOException(
          "data folder " + folder + " lacks " + missing + "; it holds " + listing(folder));
    }
    return assemble(
        String.valueOf(folder.toAbsolutePath().normalize().getFileName()),
        train,
        name -> locate(folder, name).orElseThrow().toString(),
        name -> Files.newInputStream(locate(folder, name).orElseThrow()));
  }

  @FunctionalInterface
  private interface Source {
    InputStream open(String name) throws IOException;
  }

  private static DataSet assemble(
      String name, int train, UnaryOperator<String> where, Source source) throws IOException {
    IdxFile[] files = new IdxFile[NAMES.size()];
    for (int f = 0; f < files.length; f++) {
      String file = NAMES.get(f);
      files[f] = IdxFile.read(where.apply(file), source.open(file), f % 2 == 0 ? 3 : 1);
    }
    for (int f = 0; f < files.length; f += 2) {
      if (files[f].shape()[0] != files[f + 1].shape()[0]) {
        throw new FormatException(
            where.apply(NAMES.get(f))
                + " holds "
                + files[f].shape()[0]
                + " images, "
                + where.apply(NAMES.get(f + 1))
                + " "
                + files[f + 1].shape()[0]
                + " labels");
      }
    }
    if (files[0].shape()[1] != files[2].shape()[1] || files[0].shape()[2] != files[2].shape()[2]) {
      throw new FormatException(
          where.apply(NAMES.get(0))
              + " holds images of "
              + files[0].shape()[1]
              + "x"
              + files[0].shape()[2]
              + ", "
              + where.apply(NAMES.get(2))
              + " of "
              + files[2].shape()[1]
              + "x"
              + files[2].shape()[2]);
    }
    int available = files[0].shape()[0];
    if (train < 1 || train > available) {
      throw new IllegalArgumentException(
          "cannot use " + train + " training images; the data have 1 to " + available);
    }
    PixelScale scale = scale(files[0], train);
    int classes = classes(files[1], files[3]);
    return new DataSet(
        name,
        examples(files[0], files[1], train, classes, scale),
        examples(files[2], files[3], files[2].shape()[0], classes, scale),
        Optional.of(scale));
  }

  private static PixelScale scale(IdxFile images, int count) {
    int size = images.shape()[1] * images.shape()[2];
    long pixels = (long) count * size;
    // Sums of integers: exact.
    long sum = 0;
    long squares = 0;
    for (int i = 0; i < pixels; i++) {
      int value = images.bytes()[i] & 0xff;
      sum += value;
      squares += (long) value * value;
    }
    double mean = (double) sum / pixels;
    double variance = (double) squares / pixels - mean * mean;
    if (!(variance > 0)) {
      throw new FormatException("the training images are all one colour");
    }
    return new PixelScale(mean / 255, Math.sqrt(variance) / 255);
  }

  private static int classes(IdxFile train, IdxFile test) {
    int largest = 0;
    for (IdxFile file : List.of(train, test)) {
      for (byte label : file.bytes()) {
        largest = Math.max(largest, label & 0xff);
      }
    }
    return largest + 1;
  }

  private static Examples examples(
      IdxFile images, IdxFile labels, int count, int classes, PixelScale scale) {
    int size = images.shape()[1] * images.shape()[2];
    float[] values = new float[Math.multiplyExact(count, size)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (((images.bytes()[i] & 0xff) / 255.0 - scale.mean()) / scale.sd());
    }
    int[] classOf = new int[count];
    for (int i = 0; i < count; i++) {
      classOf[i] = labels.bytes()[i] & 0xff;
    }
    return new Examples(Tensor.of(values, count, size), classOf, classes);
  }

  private static Optional<Path> locate(Path folder, String name) {
    return Stream.of(name, name + ".gz")
        .map(folder::resolve)
        .filter(Files::isRegularFile)
        .findFirst();
  }

  private static String listing(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      TreeSet<String> names = new TreeSet<>();
      files.limit(20).forEach(f -> names.add(f.getFileName().toString()));
      return names.isEmpty() ? "nothing" : names.toString();
    }
  }
}
