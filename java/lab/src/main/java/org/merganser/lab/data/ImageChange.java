// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.SplittableRandom;
import org.merganser.lab.data.Pictures.Form;

/** What a task does to images, before they are standardised. */
@FunctionalInterface
interface ImageChange {
  /** Leaves them as they are. */
  ImageChange NONE = (image, form, random) -> image.clone();

  /**
   * The image changed; a new array.
   *
   * @param image [channels, height, width], unsigned bytes
   * @param random of this image and task
   */
  byte[] apply(byte[] image, Form form, SplittableRandom random);

  /** Turned to the left by so many right angles, which is exact; of square images. */
  static ImageChange turned(int quarters) {
    return (image, form, random) -> {
      int side = form.height();
      byte[] now = image.clone();
      for (int turn = 0; turn < quarters; turn++) {
        byte[] before = now;
        now = new byte[before.length];
        for (int i = 0; i < now.length; i++) {
          int plane = i / (side * side) * side * side;
          int row = i / side % side;
          int column = i % side;
          now[i] = before[plane + column * side + side - 1 - row];
        }
      }
      return now;
    };
  }
}
