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
import org.apache.commons.io.function.IOFunction;
import org.merganser.lab.data.Pictures.Form;
import org.merganser.lab.data.Pictures.Labels;
import org.merganser.lab.data.Pictures.Part;

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
  static final String EMBEDDED_NAME = "fashion-mnist-subset";

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
    return embeddedPictures(train).dataSet(EMBEDDED_NAME, form);
  }

  static Pictures embeddedPictures(OptionalInt train) throws IOException {
    return idx(
        train,
        name -> "embedded " + name,
        name -> ImageFiles.class.getResourceAsStream(EMBEDDED + name + ".gz"));
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
   * @throws org.merganser.error.FormatException when a file is damaged
   */
  public static DataSet folder(Path folder, ImageForm form, OptionalInt train) throws IOException {
    return folderPictures(folder, train).dataSet(name(folder), form);
  }

  /** Of a data set. */
  static String name(Path folder) {
    return String.valueOf(folder.toAbsolutePath().normalize().getFileName());
  }

  static Pictures folderPictures(Path folder, OptionalInt train) throws IOException {
    if (!Files.exists(folder)) {
      throw new IOException("data folder " + folder + " does not exist");
    }
    if (!Files.isDirectory(folder)) {
      throw new IOException(
          "%s is a file; data come as a folder with the files %s, or of CIFAR in binary form"
              .formatted(folder, NAMES));
    }
    return pictures(folder, train);
  }

  /** As vectors. */
  public static DataSet folder(Path folder, int train) throws IOException {
    return folder(folder, ImageForm.VECTORS, OptionalInt.of(train));
  }

  private static Pictures pictures(Path folder, OptionalInt train) throws IOException {
    for (CifarFiles cifar : List.of(CifarFiles.TEN, CifarFiles.HUNDRED)) {
      if (holds(folder, cifar.files())) {
        return cifar.read(folder, train);
      }
    }
    if (holds(folder, NpyImages.NAMES)) {
      return NpyImages.read(folder, train);
    }
    List<String> missing =
        NAMES.stream()
            .filter(name -> locate(folder, name).isEmpty())
            .map(name -> name + "[.gz]")
            .toList();
    if (!missing.isEmpty() && holds(folder, List.of("data_batch_1", "meta"))) {
      throw new IOException(
          folder
              + " holds CIFAR as Python pickles, which can run code when read; get its binary"
              + " version (the folder then holds files *.bin)");
    }
    if (!missing.isEmpty()) {
      throw lacks(folder, missing.toString());
    }
    return idx(
        train,
        name -> locate(folder, name).orElseThrow().toString(),
        name -> Files.newInputStream(locate(folder, name).orElseThrow()));
  }

  private static boolean holds(Path folder, List<String> some) {
    return some.stream().anyMatch(file -> Files.exists(folder.resolve(file)));
  }

  /** Throws when the folder lacks files; {@code of} says what they are files of, or nothing. */
  static void require(Path folder, List<String> files, String of) throws IOException {
    List<String> missing =
        files.stream().filter(file -> !Files.isRegularFile(folder.resolve(file))).toList();
    if (!missing.isEmpty()) {
      throw lacks(folder, missing + of);
    }
  }

  private static IOException lacks(Path folder, String missing) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      TreeSet<String> names = new TreeSet<>();
      files.limit(20).forEach(f -> names.add(f.getFileName().toString()));
      return new IOException(
          "data folder %s lacks %s; it holds %s"
              .formatted(folder, missing, names.isEmpty() ? "nothing" : names));
    }
  }

  private static Pictures idx(
      OptionalInt wanted, UnaryOperator<String> where, IOFunction<String, InputStream> source)
      throws IOException {
    List<Part> parts = new ArrayList<>();
    for (int f = 0; f < NAMES.size(); f += 2) {
      String images = where.apply(NAMES.get(f));
      String labelled = where.apply(NAMES.get(f + 1));
      IdxFile pixels = IdxFile.read(images, source.apply(NAMES.get(f)), 3);
      IdxFile classes = IdxFile.read(labelled, source.apply(NAMES.get(f + 1)), 1);
      int[] labels = new int[classes.bytes().length];
      Arrays.setAll(labels, i -> classes.bytes()[i] & 0xff);
      Form form = new Form(1, pixels.shape()[1], pixels.shape()[2]);
      Labels all = new Labels(labelled, labels);
      parts.add(Part.of(images, pixels.shape()[0], form, n -> pixels.bytes(), all));
    }
    return Pictures.of(parts.get(0), parts.get(1), wanted, OptionalInt.empty(), Optional.empty());
  }

  private static Optional<Path> locate(Path folder, String name) {
    return Stream.of(name, name + ".gz")
        .map(folder::resolve)
        .filter(Files::isRegularFile)
        .findFirst();
  }
}
