// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.lab.data.Pictures.Form;
import org.merganser.torch.Examples;

class ImageTasksTest {
  private static final Form FORM = new Form(1, 4, 4);

  @TempDir Path temp;

  private static List<Examples> parts(ExpertTask task) {
    return List.of(task.pretraining(), task.train(), task.heldOut(), task.test());
  }

  /** Images of the subset that are not twice in it, by their values, with their places. */
  private static Map<List<Float>, Integer> places(Examples examples) {
    Map<List<Float>, Integer> places = new HashMap<>();
    for (int i = 0; i < examples.size(); i++) {
      places.put(image(examples, i), i);
    }
    return places;
  }

  private static List<Float> image(Examples examples, int i) {
    float[] values = examples.inputs().rows(i, i + 1).toFloatArray();
    return IntStream.range(0, values.length).mapToObj(p -> values[p]).toList();
  }

  private static List<Float> turnedBack(List<Float> image, int quarters) {
    List<Float> now = image;
    for (int turn = 0; turn < quarters; turn++) {
      List<Float> before = now;
      // To the right: row y, column x comes from row side - 1 - x, column y.
      now = IntStream.range(0, 784).mapToObj(i -> before.get((27 - i % 28) * 28 + i / 28)).toList();
    }
    return now;
  }

  @Test
  void rotationsAreExactAndNoImageIsInTwoParts() throws IOException {
    try (DataSet all = ImageFiles.embedded(6000);
        ExpertTasks tasks = ImageTasks.ROTATIONS.embedded(ImageForm.VECTORS, 0, 1)) {
      assertThat(tasks.name()).isEqualTo("fashion-mnist-subset rotations");
      assertThat(tasks.tasks())
          .extracting(ExpertTask::name)
          .containsExactly("turned-0", "turned-90", "turned-180", "turned-270");
      Map<List<Float>, Integer> train = places(all.train());
      Map<List<Float>, Integer> test = places(all.test());
      List<Set<Integer>> used = List.of(new HashSet<>(), new HashSet<>(), new HashSet<>());
      Set<Integer> tested = new HashSet<>();
      int shared = 0;
      for (int t = 0; t < 4; t++) {
        List<Examples> parts = parts(tasks.tasks().get(t));
        assertThat(parts).extracting(Examples::size).containsExactly(1250, 2000, 1000, 2000);
        for (int p = 0; p < 4; p++) {
          for (int i = 0; i < parts.get(p).size(); i++) {
            List<Float> back = turnedBack(image(parts.get(p), i), t);
            Integer place = (p == 3 ? test : train).get(back);
            assertThat(place).isNotNull();
            Examples of = p == 3 ? all.test() : all.train();
            assertThat(parts.get(p).label(i)).isEqualTo(of.label(place));
            (p == 3 ? tested : used.get(p)).add(place);
          }
        }
        shared += parts.get(0).size();
      }
      assertThat(shared).isEqualTo(5000);
      assertThat(used).extracting(Set::size).containsExactly(3000, 2000, 1000);
      assertThat(tested).hasSize(2000);
      Set<Integer> union = new HashSet<>();
      used.forEach(union::addAll);
      assertThat(union).hasSize(6000);
    }
  }

  @Test
  void pairsOfClassesHaveNoneInCommon() throws IOException {
    try (ExpertTasks tasks = ImageTasks.CLASSES.embedded(ImageForm.VECTORS, 0.2, 4)) {
      List<Integer> classes = new ArrayList<>();
      Set<List<Float>> seen = new HashSet<>();
      assertThat(tasks.tasks()).hasSize(5);
      for (ExpertTask task : tasks.tasks()) {
        Arrays.stream(task.classes()).forEach(classes::add);
        assertThat(task.classes()).hasSize(2);
        assertThat(task.noisySamples()).hasSize(120);
        assertThat(parts(task)).extracting(Examples::size).containsExactly(300, 600, 240, 370);
        for (Examples part : parts(task)) {
          assertThat(part.classes()).isEqualTo(10);
          for (int i = 0; i < part.size(); i++) {
            assertThat(task.classes()).contains(part.label(i));
            assertThat(seen.add(image(part, i))).isTrue();
          }
        }
      }
      assertThat(classes).containsExactlyInAnyOrder(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    }
  }

  private static boolean same(Examples a, Examples b) {
    return Arrays.equals(a.labels(), b.labels()) && a.inputs().sameBytes(b.inputs());
  }

  @ParameterizedTest
  @EnumSource(ImageTasks.class)
  void theSeedDecidesEverythingAndNoiseChangesTrainingLabelsOnly(ImageTasks kind)
      throws IOException {
    try (ExpertTasks first = kind.embedded(ImageForm.VECTORS, 0.2, 8);
        ExpertTasks again = kind.embedded(ImageForm.VECTORS, 0.2, 8);
        ExpertTasks clean = kind.embedded(ImageForm.VECTORS, 0, 8);
        ExpertTasks other = kind.embedded(ImageForm.VECTORS, 0.2, 9)) {
      for (int t = 0; t < first.tasks().size(); t++) {
        ExpertTask task = first.tasks().get(t);
        ExpertTask right = clean.tasks().get(t);
        for (int p = 0; p < 4; p++) {
          Examples part = parts(task).get(p);
          assertThat(same(part, parts(again.tasks().get(t)).get(p))).isTrue();
          assertThat(same(part, parts(right).get(p))).isEqualTo(p != 1);
        }
        assertThat(same(task.train(), other.tasks().get(t).train())).isFalse();
        assertThat(task.train().inputs().sameBytes(right.train().inputs())).isTrue();
        assertThat(task.noisySamples()).hasSize(task.train().size() / 5);
        for (int i = 0; i < task.train().size(); i++) {
          assertThat(task.train().label(i) != right.train().label(i)).isEqualTo(task.noisy()[i]);
        }
      }
    }
  }

  @Test
  void imagesComeInTheFormOfTheNetwork() throws IOException {
    try (ExpertTasks planes = ImageTasks.ROTATIONS.embedded(ImageForm.PLANES.shrunk(2), 0, 2)) {
      ExpertTask task = planes.tasks().get(3);
      assertThat(task.test().inputs().shape()).containsExactly(2000, 1, 16, 16);
    }
  }

  @Test
  void allAreStandardisedByTheScaleOfTheImagesAsTheyAre() throws IOException {
    try (DataSet all = ImageFiles.embedded(6000);
        ExpertTasks tasks = ImageTasks.CORRUPTIONS.embedded(ImageForm.VECTORS, 0, 3)) {
      double mean = all.pixels().orElseThrow().mean(0);
      double sd = all.pixels().orElseThrow().sd(0);
      assertThat(tasks.tasks())
          .extracting(ExpertTask::name)
          .containsExactly("noise", "blur", "contrast", "inversion", "occlusion");
      Map<List<Float>, Integer> places = places(all.test());
      Examples inverted = tasks.tasks().get(3).test();
      for (int i = 0; i < 20; i++) {
        List<Float> back =
            image(inverted, i).stream()
                .map(v -> (float) ((Math.rint(255 - 255 * (v * sd + mean)) / 255.0 - mean) / sd))
                .toList();
        assertThat(places).containsKey(back);
      }
    }
  }

  private static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    IntStream.range(0, values.length).forEach(i -> bytes[i] = (byte) values[i]);
    return bytes;
  }

  private static byte[] changed(ImageChange change, byte[] image, Form form) {
    return change.apply(image, form, new SplittableRandom(1));
  }

  @Test
  void turnsToTheLeft() {
    // Of two planes, each by itself.
    byte[] image = bytes(1, 2, 3, 4, 5, 6, 7, 8);
    Form form = new Form(2, 2, 2);
    assertThat(changed(ImageChange.turned(0), image, form)).isEqualTo(image);
    assertThat(changed(ImageChange.turned(1), image, form))
        .isEqualTo(bytes(2, 4, 1, 3, 6, 8, 5, 7));
    assertThat(changed(ImageChange.turned(2), image, form))
        .isEqualTo(bytes(4, 3, 2, 1, 8, 7, 6, 5));
    assertThat(changed(ImageChange.turned(3), image, form))
        .isEqualTo(bytes(3, 1, 4, 2, 7, 5, 8, 6));
  }

  @Test
  void corruptionsAreWhatTheyAreCalled() {
    byte[] dot = new byte[25];
    dot[12] = (byte) 255;
    byte[] blurred = changed(Corruption.BLUR, dot, new Form(1, 5, 5));
    // 255 (1, 4, 6, 4, 1) x (1, 4, 6, 4, 1) / 256, rounded.
    assertThat(Arrays.copyOfRange(blurred, 10, 15)).isEqualTo(bytes(6, 24, 36, 24, 6));
    assertThat(Arrays.copyOf(blurred, 5)).isEqualTo(bytes(1, 4, 6, 4, 1));
    byte[] image = bytes(0, 200, 0, 200, 0, 200, 0, 200, 0, 200, 0, 200, 0, 200, 0, 200);
    assertThat(changed(Corruption.CONTRAST, image, FORM)).startsWith(bytes(70, 130));
    assertThat(changed(Corruption.INVERSION, image, FORM)).startsWith(bytes(255, 55));
    byte[] white = new byte[400];
    Arrays.fill(white, (byte) 200);
    byte[] hidden = changed(Corruption.OCCLUSION, white, new Form(1, 20, 20));
    assertThat(IntStream.range(0, 400).filter(i -> hidden[i] == 0)).hasSize(100);
    byte[] grey = new byte[400 * 100];
    Arrays.fill(grey, (byte) 128);
    byte[] noisy = changed(Corruption.NOISE, grey, new Form(100, 20, 20));
    double square = 0;
    for (byte b : noisy) {
      square += Math.pow((b & 0xff) - 128, 2) / noisy.length;
    }
    // Cut at 2.5 deviations, rounded.
    assertThat(Math.sqrt(square)).isCloseTo(50, within(1.5));
  }

  @Test
  void refusesMoreThanThereIs() throws IOException {
    Path folder = IdxFolder.write(temp.resolve("tiny"), 30, 12, 4);
    TaskSizes many = new TaskSizes(10, 15, 6, 12);
    assertThatThrownBy(
            () ->
                ImageTasks.ROTATIONS.folder(
                    folder, OptionalInt.empty(), ImageForm.VECTORS, many, 0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "task turned-0 has 30 training images, 31 were asked for; ask for fewer, or use more"
                + " images");
    assertThatThrownBy(
            () ->
                ImageTasks.CLASSES.folder(
                    folder, OptionalInt.of(30), ImageForm.VECTORS, many, 0, 0))
        .hasMessage("tasks of two classes each need 4 classes, the images have 3");
    try (ExpertTasks tasks =
        ImageTasks.ROTATIONS.folder(
            folder, OptionalInt.of(20), ImageForm.VECTORS, new TaskSizes(10, 5, 5, 12), 0, 0)) {
      assertThat(tasks.name()).isEqualTo("tiny rotations");
    }
  }
}
