// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.merganser.testing.MisuseRound.using;

import java.util.Arrays;
import java.util.List;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Assignment;
import org.merganser.linalg.Cca;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Polar;
import org.merganser.testing.MisuseRound.Held;

/** Calls about matrices and their solvers. */
final class MatrixMisuse extends MisusePool {
  MatrixMisuse(MisusePool shared) {
    super(shared, shared.random);
  }

  void allocate() throws Exception {
    long rows = size();
    long columns = size();
    boolean sound = rows >= 0 && columns >= 0;
    boolean small = sound && (rows == 0 || columns == 0 || rows < 100 && columns < 100);
    round.call(
        () -> "zeros " + rows + " x " + columns,
        small,
        false,
        using(),
        () -> {
          try (Matrix zeros = Matrix.zeros(rows, columns);
              Matrix transposed = zeros.transpose()) {
            return transposed.rows() == columns && zeros.columns() == columns;
          }
        });
  }

  void multiply() {
    Held<Matrix> a = any(matrices);
    Held<Matrix> b = any(matrices);
    Held<Workspace> ws = any(workspaces);
    int form = random.nextInt(3);
    long m = a == null ? 0 : form == 2 ? a.object.columns() : a.object.rows();
    long k = a == null ? 0 : form == 2 ? a.object.rows() : a.object.columns();
    long inner = b == null ? 0 : form == 1 ? b.object.columns() : b.object.rows();
    long n = b == null ? 0 : form == 1 ? b.object.rows() : b.object.columns();
    boolean empty = m == 0 || n == 0 || k == 0;
    // An empty product is not computed: the Workspace only says where it lies.
    List<Held<?>> used = empty ? using(ws) : using(a, b, ws);
    boolean good = a != null && b != null && ws != null && k == inner;
    round.call(
        () -> "multiply " + form + " " + of(a) + " " + of(b),
        good,
        !empty,
        used,
        () -> {
          try (Matrix c =
              switch (form) {
                case 0 -> LinAlg.multiply(of(a), of(b), of(ws));
                case 1 -> LinAlg.multiplyTransposed(of(a), of(b), of(ws));
                default -> LinAlg.transposeMultiply(of(a), of(b), of(ws));
              }) {
            return isProduct(Work.array(c), a, b, form);
          }
        });
  }

  private static boolean isProduct(double[][] c, Held<Matrix> a, Held<Matrix> b, int form) {
    int k = (int) (form == 2 ? a.object.rows() : a.object.columns());
    for (int i = 0; i < c.length; i++) {
      for (int j = 0; j < c[i].length; j++) {
        double sum = 0;
        double size = 0;
        for (int l = 0; l < k; l++) {
          double left =
              a.values[(int) (form == 2 ? l * a.object.columns() + i : i * a.object.columns() + l)];
          double right =
              b.values[(int) (form == 1 ? j * b.object.columns() + l : l * b.object.columns() + j)];
          sum += left * right;
          size += Math.abs(left * right);
        }
        double found = c[i][j];
        boolean special = !Double.isFinite(size);
        if (!special && !(Math.abs(found - sum) <= 1e-12 * size + 1e-300)) {
          return false;
        }
      }
    }
    return true;
  }

  void polar() {
    Held<Matrix> a = any(matrices);
    Held<Workspace> ws = any(workspaces);
    boolean square = a != null && a.object.rows() == a.object.columns() && a.object.rows() > 0;
    int form = random.nextInt(3);
    round.call(
        () -> "polar " + form + " " + of(a),
        square,
        true,
        using(a, ws),
        () -> {
          Polar polar =
              switch (form) {
                case 0 -> Polar.of(of(a), of(ws));
                case 1 -> Polar.factorOnly(of(a), DType.F32, of(ws));
                default -> Polar.ofEach(Arrays.asList(of(a), of(a)), true, of(ws)).get(1);
              };
          try (polar;
              Workspace own = Workspace.builder().threads(1).open();
              Matrix identity = LinAlg.transposeMultiply(polar.factor(), polar.factor(), own)) {
            return LinAlg.distanceToIdentity(identity, own) < 1e-6;
          }
        });
  }

  void cca() {
    Held<Matrix> a = any(matrices);
    Held<Matrix> b = any(matrices);
    Held<Workspace> ws = any(workspaces);
    double gamma = oneIn(8) ? value(true) : 0.5;
    boolean good =
        a != null
            && b != null
            && a.object.rows() == a.object.columns()
            && b.object.rows() == a.object.rows()
            && b.object.columns() == a.object.columns()
            && a.object.rows() > 0
            && gamma >= 0
            && gamma < Double.POSITIVE_INFINITY;
    round.call(
        () -> "cca " + of(a) + " " + of(b) + " gamma " + gamma,
        good,
        true,
        using(a, b, ws),
        () -> {
          try (Cca cca = Cca.map(of(a), of(a), of(b), gamma, gamma, of(ws))) {
            return cca.correlations().length == a.object.rows();
          }
        });
  }

  void assignment() {
    Held<Matrix> a = any(matrices);
    Held<Workspace> ws = any(workspaces);
    boolean maximise = random.nextBoolean();
    boolean good = a != null && a.object.rows() <= a.object.columns();
    int form = random.nextInt(3);
    round.call(
        () -> "assignment " + form + " " + of(a),
        good || form == 2 && a != null,
        true,
        using(a, ws),
        () -> {
          try {
            Assignment found =
                switch (form) {
                  case 0 ->
                      maximise
                          ? Assignment.maximise(of(a), of(ws))
                          : Assignment.minimise(of(a), of(ws));
                  case 1 -> Assignment.minimiseAll(Arrays.asList(of(a), of(a)), of(ws)).get(1);
                  default -> Assignment.maximiseProducts(of(a), of(a), of(ws));
                };
            return form == 2 || isBest(found, a);
          } catch (IllegalArgumentException e) {
            // Values that are not allowed.
            if (good && Arrays.stream(a.values).anyMatch(v -> !(Math.abs(v) < 1e100))) {
              return true;
            }
            throw e;
          }
        });
  }

  private static boolean isBest(Assignment found, Held<Matrix> a) {
    int rows = found.columns().length;
    int columns = (int) a.object.columns();
    if (rows > 4 || columns > 4) {
      return true;
    }
    double best = best(a.values, rows, columns, 0, 0, found.maximised());
    double size = Arrays.stream(a.values).map(Math::abs).filter(Double::isFinite).sum();
    return Math.abs(found.value() - best) <= 1e-12 * size + 1e-300;
  }

  private static double best(
      double[] values, int rows, int columns, int row, int taken, boolean maximise) {
    if (row == rows) {
      return 0;
    }
    double best = maximise ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    for (int c = 0; c < columns; c++) {
      if ((taken & 1 << c) == 0) {
        double sum =
            values[row * columns + c]
                + best(values, rows, columns, row + 1, taken | 1 << c, maximise);
        best = maximise ? Math.max(best, sum) : Math.min(best, sum);
      }
    }
    return best;
  }
}
