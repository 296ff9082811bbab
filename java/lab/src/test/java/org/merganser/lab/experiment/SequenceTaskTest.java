// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.data.IdxFolder;
import org.merganser.linalg.Tensor;
import org.merganser.torch.recurrent.Sequences;

/** What tasks make of images for one seed. */
class SequenceTaskTest {
  @TempDir Path folder;

  private static DataSet embedded(SequenceTask task) throws IOException {
    return task.images(ExperimentOptions.EMBEDDED, OptionalInt.of(40));
  }

  private static float[] values(Sequences sequences) {
    try (Tensor all = sequences.inputs(IntStream.range(0, sequences.size()).toArray())) {
      return all.toFloatArray();
    }
  }

  /** The task is one; what differs from seed to seed are networks and what is scored. */
  @Test
  void pixelsHaveOneOrderForAllSeeds() throws IOException {
    try (DataSet images = embedded(SequenceTask.PIXELS)) {
      float[] first = values(SequenceTask.PIXELS.of(images, 1).train());
      assertThat(values(SequenceTask.PIXELS.of(images, 2).train())).isEqualTo(first);
      Sequences plain = Sequences.cut(images.train(), 14 * 14);
      assertThat(first).hasSize(values(plain).length);
      // Blank where the plain order has pixels, and the other way.
      Sequences.Change pixels =
          new Sequences.Change.Pixels(
              images.pixels().orElseThrow().mean().get(0),
              images.pixels().orElseThrow().sd().get(0));
      assertThat(values(plain.changed(pixels))).isNotEqualTo(first);
    }
  }

  /** The first of a file may be of one kind. */
  @Test
  void whatIsScoredIsDrawnByTheSeed() throws IOException {
    try (DataSet images = embedded(SequenceTask.ROWS)) {
      SequenceTask.Data one = SequenceTask.ROWS.of(images, 1);
      SequenceTask.Data other = SequenceTask.ROWS.of(images, 2);
      assertThat(images.test().size()).isEqualTo(2000);
      int[] first = IntStream.of(images.test().labels()).limit(1000).toArray();
      for (SequenceTask.Data data : new SequenceTask.Data[] {one, other}) {
        assertThat(data.test().size()).isEqualTo(1000);
        assertThat(data.validation().size()).isEqualTo(1000);
        assertThat(data.test().labels()).isNotEqualTo(first);
      }
      assertThat(one.test().labels()).isNotEqualTo(other.test().labels());
      assertThat(one.validation().labels()).isNotEqualTo(other.validation().labels());
      assertThat(SequenceTask.ROWS.of(images, 1).test().labels()).isEqualTo(one.test().labels());
    }
  }

  @Test
  void fewAreScoredAll() throws IOException {
    String data = IdxFolder.write(folder.resolve("few"), 60, 30, 10).toString();
    try (DataSet images = SequenceTask.ROWS.images(data, OptionalInt.of(40))) {
      SequenceTask.Data one = SequenceTask.ROWS.of(images, 1);
      assertThat(one.test().labels()).isEqualTo(images.test().labels());
      assertThat(one.validation().size()).isEqualTo(20);
    }
    try (DataSet images = SequenceTask.ROWS.images(data, OptionalInt.of(60))) {
      assertThatThrownBy(() -> SequenceTask.require(images))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "all images of few are trained on; set train to fewer, so that starts can be chosen");
    }
  }
}
