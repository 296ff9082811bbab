// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.merganser.internal.Seeds;
import org.merganser.lab.data.DataSet.PixelScale;
import org.merganser.lab.data.Pictures.Form;
import org.merganser.lab.data.Pictures.Subset;
import org.merganser.torch.Examples;

/**
 * Tasks made of labelled images. No image is in two parts (pre-training, training, held out, test),
 * of whatever tasks; different tasks may see an image in the same part, each in its own way, but
 * for pre-training each in turn, so that the mixture has few of them twice. Labels are those of the
 * images, whichever the task. All are standardised by the scale of the images as they are.
 */
public enum ImageTasks {
  /** All classes, turned by 0, 90, 180 and 270 degrees. */
  ROTATIONS(new TaskSizes(1250, 2000, 1000, 2000)) {
    @Override
    List<View> views(Pictures pictures, long seed) {
      Form form = pictures.form();
      if (form.height() != form.width()) {
        throw new IllegalArgumentException(
            "images of %s are not square; right angles turn square ones".formatted(form));
      }
      int[] all = IntStream.range(0, pictures.classes()).toArray();
      return IntStream.range(0, 4)
          .mapToObj(turn -> new View("turned-" + 90 * turn, all, ImageChange.turned(turn)))
          .toList();
    }
  },
  /** Two classes each (the last task one more when they are odd), drawn at random. */
  CLASSES(new TaskSizes(300, 600, 240, 370)) {
    @Override
    List<View> views(Pictures pictures, long seed) {
      int pairs = pictures.classes() / 2;
      if (pairs < 2) {
        throw new IllegalArgumentException(
            "tasks of two classes each need 4 classes, the images have " + pictures.classes());
      }
      return Split.classes(pictures.classes(), pairs, seed).stream()
          .map(classes -> new View("classes-" + joined(classes), classes, ImageChange.NONE))
          .toList();
    }
  },
  /** All classes, made worse: by noise, blur, low contrast, inversion, occlusion. */
  CORRUPTIONS(new TaskSizes(1000, 2000, 1000, 2000)) {
    @Override
    List<View> views(Pictures pictures, long seed) {
      int[] all = IntStream.range(0, pictures.classes()).toArray();
      return Arrays.stream(Corruption.values())
          .map(corruption -> new View(corruption.toString(), all, corruption))
          .toList();
    }
  };

  private final TaskSizes sizes;

  ImageTasks(TaskSizes sizes) {
    this.sizes = sizes;
  }

  /** Of the embedded images. */
  public TaskSizes sizes() {
    return sizes;
  }

  /** As on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** How a task sees the images. */
  record View(String name, int[] classes, ImageChange change) {}

  /** All tasks. */
  abstract List<View> views(Pictures pictures, long seed);

  /**
   * Of the embedded subset of Fashion-MNIST.
   *
   * @param noise share of wrong training labels, each another one of the task's classes
   */
  public ExpertTasks embedded(ImageForm form, double noise, long seed) throws IOException {
    return embedded(form, sizes, noise, seed);
  }

  /** With other sizes than {@link #sizes()}. */
  public ExpertTasks embedded(ImageForm form, TaskSizes sizes, double noise, long seed)
      throws IOException {
    Pictures pictures = ImageFiles.embeddedPictures(OptionalInt.empty());
    return draw(ImageFiles.EMBEDDED_NAME, pictures, form, sizes, noise, seed);
  }

  /**
   * Of the images in a folder, as {@link ImageFiles#folder} reads them.
   *
   * @param images how many training images to use, from the first; empty for the first {@value
   *     ImageFiles#DEFAULT_TRAIN}, or all when there are fewer
   */
  public ExpertTasks folder(
      Path folder, OptionalInt images, ImageForm form, TaskSizes sizes, double noise, long seed)
      throws IOException {
    return draw(
        ImageFiles.name(folder),
        ImageFiles.folderPictures(folder, images),
        form,
        sizes,
        noise,
        seed);
  }

  private ExpertTasks draw(
      String data, Pictures pictures, ImageForm form, TaskSizes sizes, double noise, long seed) {
    LabelNoise.requireRate(noise);
    Drawing drawing = new Drawing(pictures, form, pictures.scale(form), sizes, noise, seed);
    List<View> views = views(pictures, seed);
    views.forEach(drawing::require);
    List<ExpertTask> tasks = new ArrayList<>();
    for (int t = 0; t < views.size(); t++) {
      tasks.add(drawing.task(views.get(t), t));
    }
    return new ExpertTasks(data + " " + this, tasks);
  }

  private static String joined(int[] classes) {
    return Arrays.stream(classes).mapToObj(Integer::toString).collect(Collectors.joining("-"));
  }

  /** Of the tasks from the images. */
  private record Drawing(
      Pictures pictures,
      ImageForm form,
      PixelScale scale,
      TaskSizes sizes,
      double noise,
      long seed) {

    /** Training images of a task, in the same random order for all tasks. */
    private int[] trainImages(View view) {
      int[] order = Seeds.order(pictures.trained(), seed, "experts/images/train");
      return of(order, pictures.train(), view);
    }

    private int[] testImages(View view) {
      int[] order = Seeds.order(pictures.test().labels().length, seed, "experts/images/test");
      return of(order, pictures.test(), view);
    }

    private static int[] of(int[] order, Subset images, View view) {
      return Arrays.stream(order)
          .filter(i -> Arrays.binarySearch(view.classes, images.labels()[i]) >= 0)
          .toArray();
    }

    void require(View view) {
      require(
          view,
          "training",
          trainImages(view).length,
          (long) sizes.pretraining() + sizes.train() + sizes.heldOut());
      require(view, "test", testImages(view).length, sizes.test());
    }

    private static void require(View view, String what, int there, long wanted) {
      if (wanted > there) {
        throw new IllegalArgumentException(
            "task %s has %d %s images, %d were asked for; ask for fewer, or use more images"
                .formatted(view.name, there, what, wanted));
      }
    }

    ExpertTask task(View view, int index) {
      int[] images = trainImages(view);
      int trained = sizes.heldOut() + sizes.train();
      int[] pool = Arrays.copyOfRange(images, trained, images.length);
      int[] shared = new int[sizes.pretraining()];
      // Where the task before stopped.
      Arrays.setAll(shared, i -> pool[(int) (((long) index * shared.length + i) % pool.length)]);
      int[] train = Arrays.copyOfRange(images, sizes.heldOut(), trained);
      LabelNoise labels =
          LabelNoise.of(
              labels(pictures.train(), train),
              view.classes,
              noise,
              seed,
              "experts/" + view.name + "/noise");
      int[] heldOut = Arrays.copyOf(images, sizes.heldOut());
      int[] test = Arrays.copyOf(testImages(view), sizes.test());
      return new ExpertTask(
          view.name,
          view.classes,
          clean(view, "train", shared),
          examples(view, "train", train, labels.labels()),
          labels.noisy(),
          clean(view, "train", heldOut),
          clean(view, "test", test));
    }

    private Subset part(String part) {
      return part.equals("test") ? pictures.test() : pictures.train();
    }

    private static int[] labels(Subset images, int[] chosen) {
      return Arrays.stream(chosen).map(i -> images.labels()[i]).toArray();
    }

    private Examples clean(View view, String part, int[] images) {
      return examples(view, part, images, labels(part(part), images));
    }

    private Examples examples(View view, String part, int[] images, int[] labels) {
      int size = pictures.form().size();
      byte[] pixels = new byte[Math.multiplyExact(images.length, size)];
      for (int k = 0; k < images.length; k++) {
        int start = images[k] * size;
        byte[] image = Arrays.copyOfRange(part(part).pixels(), start, start + size);
        // A stream for each image, which is then the same in whatever order.
        String stream = "experts/%s/%s/%d".formatted(view.name, part, images[k]);
        byte[] changed = view.change.apply(image, pictures.form(), Seeds.stream(seed, stream));
        System.arraycopy(changed, 0, pixels, k * size, size);
      }
      return pictures.examples(new Subset(pixels, labels), form, scale);
    }
  }
}
