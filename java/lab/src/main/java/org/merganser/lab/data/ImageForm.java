// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

/** How an image becomes a sample. */
public enum ImageForm {
  /** One vector of all pixels, channel by channel, as they are: for multilayer perceptrons. */
  VECTORS,
  /**
   * {@code [channels, height, width]}, for convolutional networks; images smaller than 32 x 32 get
   * a border of zeros first (before standardising, as even as it goes, the odd row or column at the
   * bottom or right).
   */
  PLANES
}
