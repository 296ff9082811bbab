// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.util.SplittableRandom;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.testing.MisuseRound.Held;

/** The calls of one thread of a {@link MisuseRound}. */
final class MisuseCalls extends MisusePool {
  private final MatrixMisuse matrix = new MatrixMisuse(this);
  private final TensorMisuse tensor = new TensorMisuse(this);
  private final CheckpointMisuse checkpoint = new CheckpointMisuse(this);
  private final AlignmentMisuse alignment = new AlignmentMisuse(this);

  MisuseCalls(MisusePool shared, SplittableRandom random) {
    super(shared, random);
  }

  void next() throws Exception {
    switch (random.nextInt(33)) {
      case 0 -> makeMatrix((int) soundSize(), (int) soundSize());
      case 1 -> makeTensor(soundSize(), soundSize());
      case 2 -> workspace();
      case 3 -> matrix.allocate();
      case 4, 5 -> closeSomething();
      case 6, 7 -> matrix.multiply();
      case 8 -> matrix.polar();
      case 9 -> matrix.cca();
      case 10, 11 -> matrix.assignment();
      case 12 -> tensor.elements();
      case 13 -> tensor.convert();
      case 14 -> tensor.rows();
      case 15 -> tensor.keptBuffer();
      case 16 -> tensor.copy();
      case 17 -> checkpoint.accumulate();
      case 18 -> checkpoint.moments();
      case 19 -> checkpoint.memoryCheckpoint();
      case 20 -> checkpoint.file();
      case 21, 22 -> checkpoint.read();
      case 23 -> checkpoint.merge();
      case 24 -> checkpoint.closedByProgress();
      case 25 -> tensor.scaleOrSum();
      case 26 -> alignment.make();
      case 27 -> alignment.inverse();
      case 28, 29 -> alignment.read();
      case 30, 31 -> alignment.align();
      default -> alignment.compose();
    }
  }

  private void workspace() throws Exception {
    if (oneIn(3)) {
      int threads = new int[] {0, -1, 257, Integer.MIN_VALUE}[random.nextInt(4)];
      round.call(
          () -> "threads(" + threads + ")",
          false,
          false,
          using(),
          () -> Workspace.builder().threads(threads).open() != null);
    } else {
      openWorkspace();
    }
  }

  private void closeSomething() throws Exception {
    Held<?> held =
        switch (random.nextInt(15)) {
          case 0 -> any(workspaces);
          case 1, 2, 3, 4 -> any(matrices);
          case 5, 6, 7 -> any(tensors);
          case 8, 9 -> any(checkpoints);
          case 10, 11 -> any(alignments);
          case 12 -> any(moments);
          default -> any(accumulators);
        };
    if (held == null) {
      return;
    }
    if (held.object instanceof Workspace ws) {
      openWorkspace();
      if (oneIn(3)) {
        held.cancel(() -> ws.cancellation().cancel());
        return;
      }
    }
    round.call(
        () -> "close " + name(held),
        true,
        false,
        using(),
        () -> {
          if (held.object instanceof Checkpoint && held.parent != null) {
            // A view, which stays what it is.
            held.object.close();
          } else {
            held.close();
          }
          return true;
        });
  }
}
