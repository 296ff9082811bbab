// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.lab.data.Pictures.Subset;

/**
 * Labelled images from a folder, whose files say what it is:
 *
 * <ul>
 *   <li>grey images in the four IDX files of MNIST and its relatives: {@code
 *       train-images-idx3-ubyte}, {@code train-labels-idx1-ubyte}, {@code t10k-...}, each plain or
 *       with {@code .gz};
 *   <li>CIFAR-10 in binary form: {@code data_batch_1.bin} to {@code data_batch_5.bin}, {@code
 *       test_batch.bin};
 *   <li>CIFAR-100 in binary form: {@code train.bin}, {@code test.bin}; the fine labels are used;
 *   <li>NumPy arrays {@code train-images.npy}, {@code train-labels.npy}, {@code test-images.npy},
 *       {@code test-labels.npy}.
 * </ul>
 *
 * CIFAR is standardised by the published mean and deviation of each channel, other images by one
 * mean and deviation of all training pixels used.
 */
public final class ImageFiles {
  private static final String EMBEDDED = "/org/merganser/lab/fashion-mnist/";

  /** Training images of {@link #embedded}. */
  public static final int EMBEDDED_TRAIN = 6000;

  /** Training images used unless told otherwise; all, when there are fewer. */
  public static final int DEFAULT_TRAIN = 6000;

  private static final List<String> NAMES =
      List.of(
          "train-images-idx3-ubyte",
          "train-labels-idx1-ubyte",
          "t10k-images-idx3-ubyte",
          "t10k-labels-idx1-ubyte");

  private ImageFiles() {}

  /**
   * The first 6000 training and 2000 test images of Fashion-MNIST (Xiao et al. 2017).
   *
   * @param train how many training images to use, from the first; empty for all
   */
  public static DataSet embedded(ImageForm form, OptionalInt train) throws IOException {
    return idx(
            train,
            name -> "embedded " + name,
            name -> ImageFiles.class.getResourceAsStream(EMBEDDED + name + ".gz"))
        .dataSet("fashion-mnist-subset", form);
  }

  /** As vectors. */
  public static DataSet embedded(int train) throws IOException {
    return embedded(ImageForm.VECTORS, OptionalInt.of(train));
  }

  /**
   * Reads a folder.
   *
   * @param train how many training images to use, from the first; empty for the first {@value
   *     #DEFAULT_TRAIN}, or all when there are fewer
   * @throws IOException when the folder is missing, is a file, or lacks files
   * @throws FormatException when a file is damaged
   */
  public static DataSet folder(Path folder, ImageForm form, OptionalInt train) throws IOException {
    if (!Files.exists(folder)) {
      throw new IOException("data folder " + folder + " does not exist");
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException(
          folder
              + " is a file; data come as a folder with the files "
              + NAMES
              + ", or of CIFAR in binary form");
    }
    String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
    return pictures(folder, train).dataSet(name, form);
  }

  /** As vectors. */
  public static DataSet folder(Path folder, int train) throws IOException {
    return folder(folder, ImageForm.VECTORS, OptionalInt.of(train));
  }

  private static Pictures pictures(Path folder, OptionalInt train) throws IOException {
    if (CifarFiles.TEN.isIn(folder)) {
      return CifarFiles.TEN.read(folder, train);
    }
    if (CifarFiles.HUNDRED.isIn(folder)) {
      return CifarFiles.HUNDRED.read(folder, train);
    }
    if (NpyImages.isIn(folder)) {
      return NpyImages.read(folder, train);
    }
    List<String> missing = new ArrayList<>();
    for (String name : NAMES) {
      if (locate(folder, name).isEmpty()) {
        missing.add(name + "[.gz]");
      }
    }
    if (!missing.isEmpty()) {
      if (Files.exists(folder.resolve("data_batch_1")) || Files.exists(folder.resolve("meta"))) {
        throw new IOException(
            folder
                + " holds CIFAR as Python pickles, which can run code when read; get its binary"
                + " version (the folder then holds files *.bin)");
      }
      throw new IOException(
          "data folder " + folder + " lacks " + missing + "; it holds " + listing(folder));
    }
    return idx(
        train,
        name -> locate(folder, name).orElseThrow().toString(),
        name -> Files.newInputStream(locate(folder, name).orElseThrow()));
  }

  /** How many training images to use. */
  static int count(OptionalInt wanted, int available) {
    int count = wanted.orElse(Math.min(DEFAULT_TRAIN, available));
    if (count < 1 || count > available) {
      throw new IllegalArgumentException(
          "cannot use " + count + " training images; the data have 1 to " + available);
    }
    return count;
  }

  @FunctionalInterface
  private interface Source {
    InputStream open(String name) throws IOException;
  }

  private static Pictures idx(OptionalInt wanted, UnaryOperator<String> where, Source source)
      throws IOException {
    IdxFile[] files = new IdxFile[NAMES.size()];
    for (int f = 0; f < files.length; f++) {
      String file = NAMES.get(f);
      files[f] = IdxFile.read(where.apply(file), source.open(file), f % 2 == 0 ? 3 : 1);
    }
    for (int f = 0; f < files.length; f += 2) {
      if (files[f].shape()[0] != files[f + 1].shape()[0]) {
        throw new FormatException(
            "%s holds %s images, %s %s labels"
                .formatted(
                    where.apply(NAMES.get(f)),
                    files[f].shape()[0],
                    where.apply(NAMES.get(f + 1)),
                    files[f + 1].shape()[0]));
      }
    }
    if (files[0].shape()[1] != files[2].shape()[1] || files[0].shape()[2] != files[2].shape()[2]) {
      throw new FormatException(
          "%s holds images of %sx%s, %s of %sx%s"
              .formatted(
                  where.apply(NAMES.get(0)),
                  files[0].shape()[1],
                  files[0].shape()[2],
                  where.apply(NAMES.get(2)),
                  files[2].shape()[1],
                  files[2].shape()[2]));
    }
    int available = files[0].shape()[0];
    int trained = count(wanted, available);
    return new Pictures(
        1,
        files[0].shape()[1],
        files[0].shape()[2],
        classes(files[1], files[3]),
        new Subset(files[0].bytes(), labels(files[1], Pictures.withValidation(trained, available))),
        trained,
        new Subset(files[2].bytes(), labels(files[3], files[3].shape()[0])),
        Optional.empty());
  }

  private static int[] labels(IdxFile file, int count) {
    int[] labels = new int[count];
    Arrays.setAll(labels, i -> file.bytes()[i] & 0xff);
    return labels;
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

  private static Optional<Path> locate(Path folder, String name) {
    return Stream.of(name, name + ".gz")
        .map(folder::resolve)
        .filter(Files::isRegularFile)
        .findFirst();
  }

  /** Names of the first files, for messages. */
  static String listing(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      TreeSet<String> names = new TreeSet<>();
      files.limit(20).forEach(f -> names.add(f.getFileName().toString()));
      return names.isEmpty() ? "nothing" : names.toString();
    }
  }
}
