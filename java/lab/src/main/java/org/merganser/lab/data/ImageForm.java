// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

/**
 * How an image becomes a sample.
 *
 * @param planes {@code [channels, height, width]}, for convolutional networks: images smaller than
 *     32 x 32 get a border of zeros first (before standardising, as even as it goes, the odd row or
 *     column at the bottom or right). Otherwise one vector of all pixels, channel by channel, as
 *     they are, for multilayer perceptrons
 * @param shrink mean over so many by so many pixels, rounded to a byte, after the border; 1: as it
 *     is. Has to divide both sides
 */
public record ImageForm(boolean planes, int shrink) {
  /** One vector of all pixels. */
  public static final ImageForm VECTORS = new ImageForm(false, 1);

  /** Channels, rows, columns, at least 32 x 32. */
  public static final ImageForm PLANES = new ImageForm(true, 1);

  public ImageForm {
    if (shrink < 1) {
      throw new IllegalArgumentException("images shrink by 1 or more, not " + shrink);
    }
  }

  /** The same shrunk. */
  public ImageForm shrunk(int by) {
    return new ImageForm(planes, by);
  }
}
