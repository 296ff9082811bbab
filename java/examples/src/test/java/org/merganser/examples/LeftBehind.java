// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.util.Arrays;
import org.merganser.internal.kernel.Natives;

/**
 * Runs an example, {@code LeftBehind merge|train|compare ARGUMENTS}, and ends with the number of
 * bytes of native memory that it did not free. Started with {@code
 * -Dmerganser.trackAllocations=true}, so that what the collector freed is logged with its site.
 */
final class LeftBehind {
  private LeftBehind() {}

  public static void main(String[] args) throws IOException, InterruptedException {
    String[] rest = Arrays.copyOfRange(args, 1, args.length);
    if (args[0].equals("merge")) {
      MergeTwoCheckpoints.main(rest);
    } else if (args[0].equals("compare")) {
      CompareRepresentations.main(rest);
    } else {
      TrainAndMerge.main(rest);
    }
    System.out.println("bytes left: " + Natives.allocatedBytes());
    for (int i = 0; i < 10; i++) {
      System.gc();
      Thread.sleep(20);
    }
  }
}
