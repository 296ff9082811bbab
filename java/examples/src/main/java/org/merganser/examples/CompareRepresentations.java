// SPDX-License-Identifier: Apache-2.0
package org.merganser.examples;

import java.io.IOException;
import java.nio.file.Path;
import org.merganser.compute.Workspace;
import org.merganser.error.MerganserException;
import org.merganser.io.Npy;
import org.merganser.linalg.Matrix;
import org.merganser.plan.Catalogue;
import org.merganser.similarity.Similarity;

/**
 * Compares two representations of the same samples by every measure there is.
 *
 * <p>Run with two {@code .npy} files [samples x features], F32 or F64: {@code A.npy B.npy}.
 */
public final class CompareRepresentations {
  private CompareRepresentations() {}

  /** Prints a line a measure, with what makes its value doubtful, or why it has none. */
  public static void main(String[] args) throws IOException {
    try (Workspace ws = Workspace.open();
        Matrix a = Matrix.of(Npy.read(Path.of(args[0])));
        Matrix b = Matrix.of(Npy.read(Path.of(args[1])))) {
      for (String id : Catalogue.measures().ids()) {
        try {
          Similarity found = Catalogue.measures().method(id).between(a, b, ws);
          System.out.println(found);
          found.warnings().forEach(warning -> System.out.println("  " + warning));
        } catch (MerganserException | IllegalArgumentException e) {
          System.out.println(id + ": " + e.getMessage());
        }
      }
    }
  }
}
