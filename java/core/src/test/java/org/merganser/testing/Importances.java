// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.merge.MergeProblem;
import org.merganser.merge.Merger;
import org.merganser.merge.Merger.Importance;
import org.merganser.merge.RegMeanMerger;

/** Random importances of models, of the kind that a method needs. */
public final class Importances {
  private Importances() {}

  /** The problem with importances where the method needs them. */
  public static MergeProblem with(Merger merger, MergeProblem problem) {
    if (merger.needs().importance() == Importance.NONE) {
      return problem;
    }
    List<Checkpoint> each = new ArrayList<>();
    for (int k = 0; k < problem.models().size(); k++) {
      each.add(of(merger, problem.models().get(k), k));
    }
    return problem.withImportances(each);
  }

  private static Checkpoint of(Merger merger, Checkpoint model, long seed) {
    Importance kind = merger.needs().importance();
    boolean turned =
        merger.options() instanceof RegMeanMerger.Options options && options.transposed();
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model
        .tensors()
        .forEach(
            (name, info) -> {
              SplittableRandom random = new SplittableRandom(seed ^ name.hashCode());
              boolean linear = info.rank() == 2 && info.size() > 0;
              if (info.dtype().isArithmetic() && (linear || kind == Importance.FISHER)) {
                tensors.put(
                    name,
                    kind == Importance.FISHER
                        ? fisher(info, random)
                        : gram(info.dim(turned ? 0 : 1), random));
              }
            });
    return MemoryCheckpoint.of(tensors);
  }

  private static Tensor fisher(TensorInfo info, SplittableRandom random) {
    float[] values = new float[Math.toIntExact(info.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.max(0, random.nextDouble() - 0.2);
    }
    return Tensor.of(values, info.dims());
  }

  /** Of three samples. */
  private static Tensor gram(long inputs, SplittableRandom random) {
    int n = Math.toIntExact(inputs);
    double[] values = new double[n * n];
    for (int s = 0; s < 3; s++) {
      double[] x = random.doubles(n, -1, 1).toArray();
      for (int i = 0; i < n * n; i++) {
        values[i] += x[i / n] * x[i % n];
      }
    }
    return Tensor.of(values, n, n);
  }
}
