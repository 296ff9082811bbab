// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import java.io.IOException;
import java.util.List;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.NpState;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.model.Objective;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.objective.TorchObjective;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A whole step of NP Merge for a perceptron 784-512-512-10 (670 218 parameters) on batches of 128,
 * one thread: forward and backward pass, our step, and both in turn.
 */
public class NpTrainingBenchmark extends KernelBenchmark {
  private static final int SAMPLES = 1280;

  private Objective.Session session;
  private NpState np;
  private MemoryCheckpoint a;
  private MemoryCheckpoint c;
  private Examples data;
  private Block[] theta;
  private Block[] gradient;
  private long step;

  @Setup
  public void setUp() throws IOException {
    open();
    TorchNetwork network = TorchNetwork.mlp(784, 512, 2, 10, Activation.RELU);
    data = RandomExamples.of(SAMPLES, 784, 10);
    a = network.initialise(1);
    c = network.initialise(2);
    TorchObjective objective =
        TorchObjective.of(network, data, TorchObjective.Options.defaults().withHeldOut(0));
    session = objective.open(ws);
    List<Objective.Slot> slots = objective.slots();
    theta = new Block[slots.size()];
    gradient = new Block[slots.size()];
    long[] counts = new long[slots.size()];
    long[] rows = new long[slots.size()];
    Block[] models = new Block[2 * slots.size()];
    for (int s = 0; s < slots.size(); s++) {
      counts[s] = slots.get(s).info().size();
      rows[s] = 1;
      theta[s] = Block.of(session.theta(s));
      models[2 * s] = Block.of(a.tensor(slots.get(s).name()));
      models[2 * s + 1] = Block.of(c.tensor(slots.get(s).name()));
    }
    np =
        kernels.np(
            new NpState.Options(0, 0, 0, 2, 1, 0.9, 0.999, 1e-8, 0, 0, 15),
            counts,
            rows,
            models,
            null);
    np.theta(theta);
    double first = session.lossAndGradient(0);
    for (int i = 0; i < 50; i++) {
      whole();
    }
    if (!(session.lossAndGradient(0) < first)) {
      throw new IllegalStateException("fifty steps did not lower the loss of " + first);
    }
  }

  @TearDown
  public void tearDown() {
    np.close();
    session.close();
    a.close();
    c.close();
    data.close();
    ws.close();
  }

  @Benchmark
  public double forwardAndBackward() throws IOException {
    return session.lossAndGradient(step++ % 10);
  }

  /** With the gradients of the last batch. */
  @Benchmark
  public void ourStep() {
    for (int s = 0; s < gradient.length; s++) {
      gradient[s] = Block.of(session.gradient(s));
    }
    np.step(1e-3, gradient, theta);
  }

  @Benchmark
  public double whole() throws IOException {
    double loss = session.lossAndGradient(step++ % 10);
    ourStep();
    return loss;
  }
}
