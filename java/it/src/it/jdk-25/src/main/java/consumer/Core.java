// SPDX-License-Identifier: Apache-2.0
package consumer;

import org.merganser.compute.Workspace;
import org.merganser.error.NativeLibraryException;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Matrix;

/** One result of the native library, or its message. */
public final class Core {
  private Core() {}

  public static void main(String[] args) {
    try (Workspace ws = Workspace.open();
        Matrix cost = Matrix.of(new double[][] {{4, 1, 3}, {2, 0, 5}, {3, 2, 2}})) {
      System.out.println(
          "Java "
              + Runtime.version().feature()
              + ": assignment "
              + Assignment.minimise(cost, ws).value());
    } catch (NativeLibraryException e) {
      System.out.println(e.getMessage());
    }
  }
}
