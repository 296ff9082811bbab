// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.TreeSet;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.io.TensorInfo;
import org.merganser.merge.Distances;

/** Two models side by side: what only one has, and how far their tensors are apart. */
final class ModelDifference {
  private static final String LINE = "%-48s %-18s %12s %12s %10s%n";

  private final Checkpoint a;
  private final Checkpoint b;
  private final Workspace ws;
  private final PrintWriter out;
  private double squares;
  private double squaresA;
  private int compared;
  private int equal;

  private ModelDifference(Checkpoint a, Checkpoint b, Workspace ws, PrintWriter out) {
    this.a = a;
    this.b = b;
    this.ws = ws;
    this.out = out;
  }

  static void print(Path first, Path second, Workspace ws, PrintWriter out) throws IOException {
    try (Opened opened = new Opened()) {
      Checkpoint a = opened.add(Safetensors.open(first));
      Checkpoint b = opened.add(Safetensors.open(second));
      new ModelDifference(a, b, ws, out).print();
    }
  }

  private void print() throws IOException {
    out.printf(LINE, "tensor", "A", "|A - B|", "|A - B|/|A|", "cosine");
    for (String name : a.tensors().keySet()) {
      tensor(name);
    }
    TreeSet<String> onlyB = new TreeSet<>(b.tensors().keySet());
    onlyB.removeAll(a.tensors().keySet());
    onlyB.forEach(name -> out.println(Printable.line(name) + ": only B has it"));
    out.printf(
        "%d tensors compared, %d equal; all together |A - B| = %.4g, %.4g of |A|%n",
        compared, equal, Math.sqrt(squares), Math.sqrt(squares / squaresA));
  }

  private void tensor(String name) throws IOException {
    ws.cancellation().check();
    String shown = Printable.line(name);
    TensorInfo mine = a.info(name);
    TensorInfo theirs = b.tensors().get(name);
    if (theirs == null) {
      out.println(shown + ": only A has it");
    } else if (!mine.shape().equals(theirs.shape())) {
      out.println(shown + ": " + mine + " in A, " + theirs + " in B");
    } else if (!mine.dtype().isArithmetic() || !theirs.dtype().isArithmetic()) {
      out.println(shown + ": " + mine + " in A, " + theirs + " in B, not compared");
    } else {
      Distances distances = Distances.of(a, b, name, ws);
      compared++;
      equal += distances.distance() == 0 ? 1 : 0;
      squares += distances.distance() * distances.distance();
      squaresA += distances.lengthA() * distances.lengthA();
      out.printf(
          LINE,
          shown,
          mine.dtype() == theirs.dtype() ? mine : mine + "/" + theirs.dtype(),
          "%.4g".formatted(distances.distance()),
          "%.4g".formatted(distances.distance() / distances.lengthA()),
          "%.6f".formatted(distances.cosine()));
    }
  }
}
