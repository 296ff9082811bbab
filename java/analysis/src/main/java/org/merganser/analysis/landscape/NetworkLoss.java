// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis.landscape;

import java.io.IOException;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Evaluation;
import org.merganser.repair.BatchNormReset;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;

/**
 * Mean cross-entropy of a network in evaluation mode as a function of its parameters, in the order
 * of {@link ParamLayout}.
 *
 * @param minimum whose running statistics are read with {@link Statistics#KEPT}
 * @param calibration samples that statistics are taken from with {@link Statistics#RECALIBRATED}
 */
public record NetworkLoss(
    TorchNetwork network,
    Checkpoint minimum,
    Examples data,
    Examples calibration,
    Statistics statistics)
    implements LossFunction {
  private static final int CALIBRATION_BATCH = 128;

  /**
   * @throws org.merganser.error.IncompatibleModelsException when the minimum does not fit the
   *     network, or there are no statistics to take
   * @throws org.merganser.error.ShapeException when the samples do not fit it
   */
  public NetworkLoss {
    network.require("the minimum", minimum);
    network.checkInputs(data.inputs());
    network.checkInputs(calibration.inputs());
    if (data.classes() != network.outputs()) {
      throw new IllegalArgumentException(
          "the network has %d outputs, the data %d classes"
              .formatted(network.outputs(), data.classes()));
    }
    if (statistics == Statistics.RECALIBRATED) {
      new BatchNormReset().check(network);
    }
  }

  /** With the running statistics of the minimum. */
  public NetworkLoss(TorchNetwork network, Checkpoint minimum, Examples data) {
    this(network, minimum, data, data, Statistics.KEPT);
  }

  @Override
  public double at(double[] theta, Workspace ws) throws IOException {
    try (MemoryCheckpoint point = ParamLayout.of(network).model(network, theta, minimum, ws)) {
      if (statistics == Statistics.KEPT) {
        return Evaluation.of(network, point, data, ws).loss();
      }
      try (MemoryCheckpoint fresh =
          new BatchNormReset().apply(point, network, calibration.batches(CALIBRATION_BATCH), ws)) {
        return Evaluation.of(network, fresh, data, ws).loss();
      }
    }
  }
}
