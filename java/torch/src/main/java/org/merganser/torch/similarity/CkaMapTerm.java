// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.similarity;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.merganser.cka.CkaMap;
import org.merganser.cka.CkaMapLoss;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Matrix;
import org.merganser.model.Mode;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.internal.session.TapLoss;

/** What a batch says about the teacher's behaviour, and about the map. Holds the teacher. */
final class CkaMapTerm implements TapLoss, AutoCloseable {
  private final CkaMapOptimizer of;
  private final Workspace ws;
  private final Opened opened = new Opened();
  private final Map<String, Tensor> teacher;
  private final List<Double> errors = new ArrayList<>();
  private CkaMapLoss loss;
  private long dead;

  CkaMapTerm(CkaMapOptimizer of, Checkpoint teacher, Workspace ws) throws IOException {
    this.of = of;
    this.ws = ws;
    this.loss =
        CkaMapLoss.to(of.target(), of.options().alpha()).withDistance(of.options().distance());
    try (Opened unfinished = new Opened()) {
      unfinished.add(opened);
      Map<String, org.merganser.linalg.Tensor> frozen = of.network().load(teacher, Device.HOST, ws);
      frozen.values().forEach(opened::add);
      this.teacher = Libtorch.call(1, () -> opened.add(new Shared(frozen)).all());
      unfinished.release();
    }
  }

  @Override
  public Set<String> taps() {
    return new LinkedHashSet<>(of.taps());
  }

  @Override
  public Tensor ofOutputs(Tensor x, Tensor outputs, Tensor labels) {
    if (of.options().hardLabels()) {
      return torch.cross_entropy_loss(outputs, labels);
    }
    Scalar cooling = new Scalar(1 / of.options().temperature());
    Tensor wanted = torch.log_softmax(taught(x).mul(cooling), 1);
    Tensor found = torch.log_softmax(outputs.mul(cooling), 1);
    // A probability that underflows has a finite logarithm, so nothing is 0 times infinity.
    return wanted.exp().mul(wanted.sub(found)).sum(1).mean();
  }

  @SuppressWarnings("try")
  private Tensor taught(Tensor x) {
    try (NoGradGuard guard = new NoGradGuard()) {
      return of.network().graph().forward(x, teacher, Mode.EVAL, false);
    }
  }

  @Override
  public Upstream ofActivations(Map<String, org.merganser.linalg.Tensor> activations) {
    List<Matrix> layers = of.taps().stream().map(tap -> flat(activations.get(tap))).toList();
    if (layers.get(0).rows() < CkaMapOptimizer.LEAST_SAMPLES) {
      // The last batch of an epoch; there is no debiased CKA of so few.
      return new Upstream(0, Map.of());
    }
    double t = of.options().bandwidth();
    try (CkaMap map = t > 0 ? CkaMap.rbf(layers, t, ws) : CkaMap.debiased(layers, ws)) {
      errors.add(loss.error(map));
      dead += map.dead();
      List<Matrix> found = loss.gradients(map, ws);
      Map<String, org.merganser.linalg.Tensor> gradients = new LinkedHashMap<>();
      for (int l = 0; l < found.size(); l++) {
        gradients.put(of.taps().get(l), found.get(l).asTensor());
      }
      return new Upstream(loss.value(map), gradients);
    }
  }

  /** Samples by everything else. */
  static Matrix flat(org.merganser.linalg.Tensor activations) {
    long samples = activations.dim(0);
    return Matrix.of(activations.reshape(samples, activations.size() / samples));
  }

  double weight() {
    return loss.weight();
  }

  void weight(double value) {
    loss = loss.withWeight(value);
  }

  List<Double> errors() {
    return errors;
  }

  long dead() {
    return dead;
  }

  @Override
  public void close() {
    opened.close();
  }
}
