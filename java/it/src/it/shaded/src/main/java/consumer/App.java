// SPDX-License-Identifier: Apache-2.0
package consumer;

import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;

/** Fails, and with it the build, when the native library is not found inside the jar. */
public final class App {
  private App() {}

  public static void main(String[] args) {
    try (Workspace ws = Workspace.open();
        Matrix cost = Matrix.of(new double[][] {{4, 1, 3}, {2, 0, 5}, {3, 2, 2}})) {
      double value = Assignment.minimise(cost, ws).value();
      if (value != 5) {
        throw new IllegalStateException("wrong value " + value);
      }
      System.out.println("shaded jar works");
    }
  }
}
