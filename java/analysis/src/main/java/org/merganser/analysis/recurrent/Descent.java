// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.recurrent;

import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;

/**
 * Minimises {@code q(h) = |F(h) - h|^2 / 2} from one start after the other by damped Gauss-Newton
 * steps, on one thread.
 */
final class Descent implements AutoCloseable {
  private static final double FIRST_DAMPING = 1e-3;
  private static final double MOST_DAMPING = 1e12;
  private static final double UNKNOWN = -1;

  /** Any so many steps in a row have to take {@link #LOSS} of q. */
  private static final int PATIENCE = 10;

  private static final double LOSS = 0.01;

  /** So many steps in a row of which the linear model promises less than this part of q end it. */
  private static final int WEAK_STEPS = 3;

  private static final double PROMISE = 2e-4;

  private final SmoothMap map;
  private final FixedPoints.Options options;
  private final Workspace ws;
  private final int size;
  private final Matrix right;

  /** J - I, of one step after the other. */
  private final double[] jacobian;

  /** mu, and by what it grows when a step does not help. */
  private double damping;

  private double growth;

  /** Steps in a row that promised too little. */
  private int weak;

  /** Where it ended, and how still it is there. */
  record End(double[] state, double speed) {}

  Descent(SmoothMap map, FixedPoints.Options options, Workspace ws) {
    this.map = map;
    this.options = options;
    this.ws = ws;
    this.size = map.dimension();
    this.right = Matrix.allocate(size, 1);
    this.jacobian = new double[size * size];
  }

  /** What is known at a state. */
  private record At(double[] state, double[] residual, double speed) {}

  private At at(double[] state) {
    double[] residual = map.apply(state);
    double squares = 0;
    for (int i = 0; i < size; i++) {
      residual[i] -= state[i];
      squares += residual[i] * residual[i];
    }
    return new At(state, residual, squares / 2);
  }

  End from(double[] start) {
    At now = at(start);
    double floor = size * Math.ulp(1.0) * Math.ulp(1.0);
    double[] before = new double[PATIENCE];
    before[0] = now.speed();
    damping = UNKNOWN;
    growth = 2;
    weak = 0;
    for (int step = 1; step <= options.iterations() && now.speed() > floor; step++) {
      At next = better(now);
      if (next == null) {
        break;
      }
      now = next;
      int then = step % PATIENCE;
      boolean stuck = step >= PATIENCE && now.speed() > (1 - LOSS) * before[then];
      if (stuck || weak == WEAK_STEPS) {
        break;
      }
      before[then] = now.speed();
    }
    return new End(now.state(), now.speed());
  }

  /** Where a step leads that lowers q, or null when there is none. */
  private At better(At now) {
    map.jacobian(now.state(), jacobian);
    for (int i = 0; i < size; i++) {
      jacobian[i * size + i] -= 1;
    }
    double[] gradient = gradient(now.residual());
    try (Matrix matrix = Matrix.of(Tensor.of(jacobian, size, size));
        Matrix gram = LinAlg.transposeMultiply(matrix, matrix, ws)) {
      double[] diagonal = new double[size];
      double largest = 0;
      for (int i = 0; i < size; i++) {
        diagonal[i] = gram.get(i, i);
        largest = Math.max(largest, diagonal[i]);
      }
      damping = damping < 0 ? FIRST_DAMPING * largest : damping;
      while (damping <= MOST_DAMPING * largest) {
        double[] move = move(gram, diagonal, gradient);
        At tried = move == null ? now : at(moved(now.state(), move));
        if (tried.speed() < now.speed()) {
          double promised = predicted(move, gradient);
          double gain = (now.speed() - tried.speed()) / promised;
          weak = promised < PROMISE * now.speed() ? weak + 1 : 0;
          damping *= Math.max(1.0 / 3, 1 - Math.pow(2 * gain - 1, 3));
          growth = 2;
          return tried;
        }
        damping *= growth;
        growth *= 2;
      }
      return null;
    }
  }

  /** {@code A^T r} of the A that is there. */
  private double[] gradient(double[] residual) {
    double[] gradient = new double[size];
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < size; j++) {
        gradient[j] += jacobian[i * size + j] * residual[i];
      }
    }
    return gradient;
  }

  /** The step, or null where the damping is too little for the matrix to be positive definite. */
  private double[] move(Matrix gram, double[] diagonal, double[] gradient) {
    for (int i = 0; i < size; i++) {
      gram.set(i, i, diagonal[i] + damping);
      right.set(i, 0, -gradient[i]);
    }
    try (Matrix move = LinAlg.solve(gram, right, ws)) {
      return move.asTensor().toDoubleArray();
    } catch (NumericalException e) {
      return null;
    }
  }

  private static double[] moved(double[] state, double[] move) {
    double[] moved = state.clone();
    for (int i = 0; i < moved.length; i++) {
      moved[i] += move[i];
    }
    return moved;
  }

  /** By how much q would fall if F were linear. */
  private double predicted(double[] move, double[] gradient) {
    double sum = 0;
    for (int i = 0; i < move.length; i++) {
      sum += move[i] * (damping * move[i] - gradient[i]);
    }
    return sum / 2;
  }

  @Override
  public void close() {
    right.close();
  }
}
