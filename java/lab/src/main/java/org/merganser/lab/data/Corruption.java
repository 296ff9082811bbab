// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.data;

import java.util.Locale;
import java.util.SplittableRandom;
import java.util.function.IntUnaryOperator;
import org.merganser.lab.data.Pictures.Form;

/** Ways in which images are made worse. */
enum Corruption implements ImageChange {
  /** Adds normal noise, of deviation a fifth of the range, to each pixel. */
  NOISE {
    @Override
    public byte[] apply(byte[] image, Form form, SplittableRandom random) {
      return each(image, v -> (int) Math.rint(v + 51 * random.nextGaussian()));
    }
  },
  /** Binomial weights (1, 4, 6, 4, 1) / 16 along rows and columns, zeros around. */
  BLUR {
    @Override
    public byte[] apply(byte[] image, Form form, SplittableRandom random) {
      byte[] out = new byte[image.length];
      for (int i = 0; i < out.length; i++) {
        int row = i / form.width();
        int y = row % form.height();
        int x = i % form.width();
        int sum = 0;
        for (int dy = -2; dy <= 2; dy++) {
          for (int dx = -2; dx <= 2; dx++) {
            boolean inside =
                y + dy >= 0 && y + dy < form.height() && x + dx >= 0 && x + dx < form.width();
            int value = inside ? image[i + dy * form.width() + dx] & 0xff : 0;
            sum += BINOMIAL[dy + 2] * BINOMIAL[dx + 2] * value;
          }
        }
        out[i] = (byte) ((sum + 128) / 256);
      }
      return out;
    }
  },
  /** Brings pixels to 0.3 of their distance to the mean of the image. */
  CONTRAST {
    @Override
    public byte[] apply(byte[] image, Form form, SplittableRandom random) {
      long sum = 0;
      for (byte b : image) {
        sum += b & 0xff;
      }
      double mean = (double) sum / image.length;
      return each(image, v -> (int) Math.rint(mean + 0.3 * (v - mean)));
    }
  },
  /** Makes what is dark bright. */
  INVERSION {
    @Override
    public byte[] apply(byte[] image, Form form, SplittableRandom random) {
      return each(image, v -> 255 - v);
    }
  },
  /** Hides a rectangle of half the height and width, somewhere, in all channels. */
  OCCLUSION {
    @Override
    public byte[] apply(byte[] image, Form form, SplittableRandom random) {
      int height = form.height() / 2;
      int width = form.width() / 2;
      int top = random.nextInt(form.height() - height + 1);
      int left = random.nextInt(form.width() - width + 1);
      byte[] out = image.clone();
      for (int i = 0; i < out.length; i++) {
        int y = i / form.width() % form.height() - top;
        int x = i % form.width() - left;
        if (y >= 0 && y < height && x >= 0 && x < width) {
          out[i] = 0;
        }
      }
      return out;
    }
  };

  private static final int[] BINOMIAL = {1, 4, 6, 4, 1};

  private static byte[] each(byte[] image, IntUnaryOperator change) {
    byte[] out = new byte[image.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (byte) Math.max(0, Math.min(255, change.applyAsInt(image[i] & 0xff)));
    }
    return out;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
