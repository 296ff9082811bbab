// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.similarity;

import static org.merganser.torch.internal.session.Learned.Statistics.FOLLOWED;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.bytedeco.pytorch.global.torch;
import org.merganser.cka.CkaMapLoss;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.model.EarlyStopping;
import org.merganser.model.Evaluation;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Mode;
import org.merganser.model.PairedActivations;
import org.merganser.torch.Augmentation;
import org.merganser.torch.Examples;
import org.merganser.torch.TorchNetwork;
import org.merganser.torch.internal.session.Descent;
import org.merganser.torch.internal.session.Learned;
import org.merganser.torch.internal.session.Samples;
import org.merganser.torch.internal.session.TorchSession;
import org.merganser.torch.training.Optimizer;
import org.merganser.torch.training.Schedule;

/**
 * Moves the CKA map of a network, the similarity of all its layers with each other, to a chosen one
 * while the network goes on saying what it said (Davari et al. 2023). From a trained model, which
 * is the teacher, it lowers
 *
 * <pre>KL(softmax(z_teacher / t) || softmax(z / t)) + alpha mean_ij log cosh(M_ij - T_ij)</pre>
 *
 * <p>with z the logits, T the target, M the debiased linear CKA of the layers on the batch. Every
 * {@value #ADAPT_EVERY} steps the accuracy on a held-out part of the samples is measured; where it
 * is more than the tolerance below that of the teacher alpha is multiplied by 0.8, else divided by
 * it. A teacher that was trained on these samples knows those held out too, which what follows it
 * does not: alpha then hardly ever grows; give samples that it was not trained on. Layers that are
 * dead on a batch, all samples being the same there, are left out of its loss.
 *
 * <p>At a fixed number of libtorch threads the result is the same to the bit. It computes on the
 * CPU, wherever the Workspace does. Memory: three times the parameters and the moments, and the
 * Grams of a batch.
 */
public final class CkaMapOptimizer {
  /** Debiased CKA takes as many. */
  static final int LEAST_SAMPLES = 4;

  private static final int ADAPT_EVERY = 100;
  private static final double ADAPT_BY = 0.8;

  /** Settings; the defaults are those published. */
  public record Options(
      @Setting(value = "passes over the samples", min = 1) int epochs,
      @Setting(value = "samples of a batch", min = CkaMapOptimizer.LEAST_SAMPLES) int batch,
      @Setting(value = "peak learning rate of AdamW, amsgrad, cosine decay", above = 0)
          double learningRate,
      @Setting(value = "weight decay", min = 0) double weightDecay,
      @Setting(value = "largest 2-norm of the gradient", above = 0) double clipNorm,
      @Setting(value = "temperature of both softmaxes", above = 0) double temperature,
      @Setting(value = "weight of the distance of the maps at the start", min = 0) double alpha,
      @Setting("let alpha follow the accuracy on held-out samples") boolean adaptive,
      @Setting(value = "points below the teacher that are tolerated", min = 0) double tolerance,
      @Setting(value = "part of the samples that is held out for alpha", min = 0, below = 1)
          double heldOut,
      @Setting("cross-entropy of the labels instead of following the teacher") boolean hardLabels,
      @Setting("what a difference from the target costs") CkaMapLoss.Distance distance,
      @Setting(
              value =
                  "kernels of so many median distances, with the biased estimator; 0 for linear"
                      + " ones, debiased",
              min = 0)
          double bandwidth) {
    public Options {
      Settings.check(
          Options.class,
          epochs,
          batch,
          learningRate,
          weightDecay,
          clipNorm,
          temperature,
          alpha,
          adaptive,
          tolerance,
          heldOut,
          hardLabels,
          distance,
          bandwidth);
      if (adaptive && heldOut == 0) {
        throw new IllegalArgumentException(
            "alpha follows the accuracy on held-out samples, and held-out is 0; give some, or"
                + " adaptive=false");
      }
    }

    /** 20 epochs of batches of 128, temperature 0.1, alpha 500, a tenth held out. */
    public static Options defaults() {
      return new Options(
          20, 128, 1e-3, 5e-4, 1, 0.1, 500, true, 1, 0.1, false, CkaMapLoss.Distance.LOG_COSH, 0);
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }
  }

  /**
   * What came of it.
   *
   * @param model the network, running statistics included
   * @param losses of each step
   * @param errors mean absolute difference of map and target on the batch of each step
   * @param alphas at the start and after each adaptation
   * @param dead how many layers of batches were left out
   */
  public record Result(
      MemoryCheckpoint model,
      List<Double> losses,
      List<Double> errors,
      List<Double> alphas,
      long dead)
      implements AutoCloseable {
    @Override
    public void close() {
      model.close();
    }
  }

  private final TorchNetwork network;
  private final List<String> taps;
  private final double[][] target;
  private final Options options;

  /**
   * @param taps names of the activations that are the layers, as {@link
   *     org.merganser.model.Network.Session#run} has them; samples are flattened
   * @param target T [taps x taps], in [-1, 1]
   */
  public CkaMapOptimizer(
      TorchNetwork network, List<String> taps, double[][] target, Options options) {
    // A target that is none says so before a network is read.
    this.target = CkaMapLoss.to(target, options.alpha()).target();
    this.network = network;
    this.taps = List.copyOf(taps);
    this.options = options;
    if (taps.size() != target.length) {
      throw new ShapeException(
          "the target has %d layers, %d are named: %s".formatted(target.length, taps.size(), taps));
    }
    Set<String> known = new LinkedHashSet<>(layers(network));
    network.affineLayers().forEach(layer -> known.add(layer.output()));
    for (String tap : taps) {
      if (!known.remove(tap)) {
        throw new IllegalArgumentException(
            "layer '%s' is named twice, or not of the network, which has %s"
                .formatted(tap, layers(network)));
      }
    }
  }

  TorchNetwork network() {
    return network;
  }

  List<String> taps() {
    return taps;
  }

  double[][] target() {
    return target;
  }

  Options options() {
    return options;
  }

  /** All feature spaces of a network, in order: what comes out of each block. */
  public static List<String> layers(TorchNetwork network) {
    return network.architecture().spaces().stream().map(FeatureSpace::id).toList();
  }

  /**
   * CKA of all layers of some models with each other in eval mode: debiased, sums of batches
   * divided at the end (Nguyen et al. 2021), so that the number of batches does not bias it. A last
   * batch of fewer samples is left out.
   *
   * @param models of any networks that read the data and have the taps
   * @param batch samples of a batch, at least 4
   * @return symmetric, [models * taps] each way, model by model; NaN for a layer that is dead on
   *     all batches
   */
  public static double[][] map(
      List<PairedActivations.Model> models,
      List<String> taps,
      Examples data,
      int batch,
      Workspace ws)
      throws IOException {
    if (batch < LEAST_SAMPLES || data.size() < batch) {
      throw new IllegalArgumentException(
          "debiased CKA needs a batch of %d samples at least and of the %d there are at most, not %d"
              .formatted(LEAST_SAMPLES, data.size(), batch));
    }
    MapSums sums = new MapSums(models.size(), taps, batch, ws);
    try (PairedActivations passes =
        PairedActivations.of(models, data.batches(batch), Mode.EVAL, ws)) {
      passes.each(Set.copyOf(taps), sums, ws);
    }
    return sums.map();
  }

  /**
   * Changes a copy of a model.
   *
   * @param ws its seed orders the samples and draws those that are held out for alpha
   * @throws org.merganser.error.NumericalException when the loss is no longer finite
   */
  public Result run(Checkpoint teacher, Examples data, Workspace ws) throws IOException {
    Samples.Split split =
        Samples.split(data, options.adaptive() ? options.heldOut() : 0, ws.seed());
    if (split.heldOut().size() == 0) {
      return run(teacher, split.train(), Optional.empty(), ws);
    }
    int[] heldOut = split.heldOut().range(0, split.heldOut().size());
    try (Examples samples = data.select(heldOut)) {
      return run(teacher, split.train(), Optional.of(samples), ws);
    }
  }

  /**
   * The same with held-out samples of their own; steps see all others.
   *
   * @param heldOut what alpha follows the accuracy on, best what the teacher was not trained on
   */
  public Result run(Checkpoint teacher, Examples data, Examples heldOut, Workspace ws)
      throws IOException {
    return run(teacher, Samples.all(data), Optional.of(heldOut), ws);
  }

  private Result run(Checkpoint teacher, Samples train, Optional<Examples> heldOut, Workspace ws)
      throws IOException {
    network.require("the teacher", teacher);
    TorchSession.Setup setup =
        new TorchSession.Setup(
            network, options.batch(), 1, torch::cross_entropy_loss, Augmentation.NONE);
    setup.check("data", train.data());
    heldOut.ifPresent(samples -> setup.check("held-out data", samples));
    if (train.size() < LEAST_SAMPLES) {
      throw new IllegalArgumentException(
          "debiased CKA needs batches of %d samples, %d are left for steps; give more"
              .formatted(LEAST_SAMPLES, train.size()));
    }
    try (Opened result = new Opened();
        Opened used = new Opened()) {
      Map<String, Tensor> theta = network.load(teacher, Device.HOST, ws);
      theta.values().forEach(result::add);
      Samples none = new Samples(train.data());
      TorchSession session =
          used.add(new TorchSession(setup, theta, train, none, Learned.all(network, FOLLOWED), ws));
      CkaMapTerm term = used.add(new CkaMapTerm(this, teacher, ws));
      Alpha alpha = new Alpha(options, term);
      if (options.adaptive()) {
        Examples samples = heldOut.orElseThrow();
        alpha.measure = model -> 100 * Evaluation.of(network, model, samples, ws).accuracy();
        alpha.bound = alpha.measure.of(teacher);
      }
      long steps = (long) options.epochs() * session.batches();
      List<Double> losses =
          new Steps(this, theta, term, alpha, session.batches(), ws)
              .run(session, theta, steps, new EarlyStopping(Integer.MAX_VALUE, 1), ws);
      result.release();
      return new Result(
          MemoryCheckpoint.of(theta), losses, term.errors(), alpha.values, term.dead());
    }
  }

  /** The weight of the map, and what it follows. */
  private static final class Alpha {
    /** Accuracy in percent. */
    private interface Measure {
      double of(Checkpoint model) throws IOException;
    }

    private final Options options;
    private final CkaMapTerm term;
    private final List<Double> values = new ArrayList<>();
    private Measure measure;
    private double bound;

    Alpha(Options options, CkaMapTerm term) {
      this.options = options;
      this.term = term;
      values.add(term.weight());
    }

    void follow(Checkpoint model) throws IOException {
      boolean worse = bound - measure.of(model) > options.tolerance();
      term.weight(worse ? term.weight() * ADAPT_BY : term.weight() / ADAPT_BY);
      values.add(term.weight());
    }
  }

  /** Reports after each epoch. */
  private static final class Steps extends Descent<TorchSession> {
    private final Options options;
    private final Map<String, Tensor> theta;
    private final CkaMapTerm term;
    private final Alpha alpha;
    private final int batches;
    private final Workspace ws;

    Steps(
        CkaMapOptimizer of,
        Map<String, Tensor> theta,
        CkaMapTerm term,
        Alpha alpha,
        int batches,
        Workspace ws) {
      super(
          new Optimizer.AmsGrad(of.options.learningRate(), of.options.weightDecay())::create,
          of.options.learningRate(),
          step ->
              new Schedule(0, Schedule.Decay.COSINE)
                  .multiple(step, (long) of.options.epochs() * batches),
          of.options.clipNorm());
      this.options = of.options;
      this.theta = theta;
      this.term = term;
      this.alpha = alpha;
      this.batches = batches;
      this.ws = ws;
    }

    @Override
    protected double backward(TorchSession session, long step) throws IOException {
      return session.backward(step, term);
    }

    @Override
    protected String diverged(long step) {
      return "the map's optimisation diverged in epoch "
          + (step / batches + 1)
          + " of "
          + options.epochs();
    }

    @Override
    protected void stepped(long made, double loss) throws IOException {
      if (options.adaptive() && made % ADAPT_EVERY == 0) {
        // Takes nothing: its tensors stay those of the session.
        alpha.follow(MemoryCheckpoint.of(theta));
      }
      if (made % batches == 0) {
        String detail = String.format(Locale.ROOT, "loss %.4f, alpha %.0f", loss, term.weight());
        ws.progress().report("CKA map", made / batches, options.epochs(), detail);
      }
    }
  }
}
