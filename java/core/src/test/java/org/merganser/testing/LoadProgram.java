// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;

/**
 * Uses the native library twice and prints what happened each time, one line each; with an argument
 * also where.
 */
public final class LoadProgram {
  private LoadProgram() {}

  public static void main(String[] args) {
    for (int attempt = 0; attempt < 2; attempt++) {
      try (Workspace ws = Workspace.open()) {
        Matrix two = LinAlg.multiply(Matrix.identity(2), Matrix.identity(2), ws);
        boolean works = two.trace(ws) == 2;
        System.out.println("works " + works + (args.length > 0 ? " on " + ws.backend() : ""));
      } catch (MerganserException e) {
        System.out.println(e.getClass().getSimpleName() + ": " + e.getMessage());
      }
    }
  }
}
