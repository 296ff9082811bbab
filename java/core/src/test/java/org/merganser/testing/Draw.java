// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.SplittableRandom;
import java.util.StringJoiner;

/** What one case of a property is made of, drawn from its seed; the same on every machine. */
public final class Draw {
  private final long seed;
  private final SplittableRandom random;
  private final StringJoiner drawn = new StringJoiner(", ", " (", ")").setEmptyValue("");

  Draw(long seed) {
    this.seed = seed;
    this.random = new SplittableRandom(seed);
  }

  /** Between the bounds, both included; each bound in one case of ten besides its share. */
  public int integer(int min, int max) {
    int side = random.nextInt(10);
    return shown(side == 0 ? min : side == 1 ? max : min + random.nextInt(max - min + 1));
  }

  /** Between the bounds, both included; each bound in one case of ten. */
  public double real(double min, double max) {
    int side = random.nextInt(10);
    return shown(side == 0 ? min : side == 1 ? max : min + random.nextDouble() * (max - min));
  }

  /** One of the values. */
  @SafeVarargs
  public final <T> T of(T... values) {
    return shown(values[random.nextInt(values.length)]);
  }

  /** A seed for data that a test makes itself. */
  public long seed() {
    return shown(random.nextLong());
  }

  /** The generator, for draws that would fill the message. */
  public SplittableRandom random() {
    return random;
  }

  private <T> T shown(T value) {
    drawn.add(String.valueOf(value));
    return value;
  }

  /** The seed, and what was drawn from it so far. */
  @Override
  public String toString() {
    return "seed " + seed + drawn;
  }
}
