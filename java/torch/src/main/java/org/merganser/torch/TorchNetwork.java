// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.model.Network;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Loading;
import org.merganser.torch.internal.Placement;
import org.merganser.torch.internal.Shared;
import org.merganser.torch.layers.Activation;
import org.merganser.torch.layers.Graph;
import org.merganser.torch.layers.Layer;
import org.merganser.torch.layers.Linear;
import org.merganser.torch.layers.Sequential;

/**
 * A network described once as a tree of layers. Parameters are substituted at each use, so merging
 * and training never copy modules. Immutable and thread-safe.
 *
 * <p>Forward passes run with one libtorch thread, so that what they give does not depend on the
 * machine; where the Workspace computes, when libtorch can compute there, else on the CPU.
 */
public final class TorchNetwork implements Network {
  private static final int FORWARD_THREADS = 1;

  private final Graph graph;
  private final Map<String, String> aliases;

  private TorchNetwork(Graph graph, Map<String, String> aliases) {
    this.graph = graph;
    this.aliases = Map.copyOf(aliases);
  }

  /**
   * @param inputShape shape of one sample: [features] or [channels, height, width]
   * @throws ShapeException when some layer does not fit what it is given
   */
  public static TorchNetwork of(Layer root, long... inputShape) {
    return new TorchNetwork(Graph.of(root, inputShape), Map.of());
  }

  /**
   * A multilayer perceptron {@code in - hidden x layers - out} with layers {@code fc1}, {@code
   * fc2}, ...
   */
  public static TorchNetwork mlp(
      long in, long hidden, int layers, long out, Activation activation) {
    List<Layer> stack = new ArrayList<>();
    for (int i = 0; i < layers; i++) {
      stack.add(new Linear("fc" + (i + 1), i == 0 ? in : hidden, hidden));
      stack.add(activation);
    }
    stack.add(new Linear("fc" + (layers + 1), layers == 0 ? in : hidden, out));
    return of(new Sequential(stack), in);
  }

  /**
   * The same network without batch normalisations, each convolution before one with a bias to
   * absorb it; see {@link org.merganser.repair.BatchNormFold}.
   */
  public TorchNetwork folded() {
    return new TorchNetwork(graph.folded(), Map.of());
  }

  /**
   * The same network; checkpoints may use other names for parts of the path of a parameter, such as
   * {@code shortcut} for {@code downsample}. See {@link #canonical}.
   */
  public TorchNetwork withAliases(Map<String, String> others) {
    return new TorchNetwork(graph, others);
  }

  /** Its layers. */
  public Graph graph() {
    return graph;
  }

  @Override
  public Architecture architecture() {
    return graph.architecture();
  }

  @Override
  public List<AffineLayer> affineLayers() {
    return graph.affineLayers();
  }

  /** What adapters can be for; see {@link Graph#adaptable}. */
  public List<AffineLayer> adaptable() {
    return graph.adaptable();
  }

  @Override
  public List<BatchNormLayer> batchNorms() {
    return graph.batchNorms();
  }

  /** Shape of one sample. */
  public long[] inputShape() {
    return graph.inputShape();
  }

  /**
   * A checkpoint under this network's names: known aliases of other libraries and the {@code
   * module.} that data-parallel training puts before every name are translated.
   */
  public Checkpoint canonical(Checkpoint checkpoint) {
    Map<String, String> renamed = new LinkedHashMap<>();
    for (String name : checkpoint.tensors().keySet()) {
      List<String> parts = new ArrayList<>(List.of(name.split("\\.")));
      if (parts.get(0).equals("module")) {
        parts.remove(0);
      }
      parts.replaceAll(part -> aliases.getOrDefault(part, part));
      String canonical = String.join(".", parts);
      renamed.put(name, parameters().containsKey(canonical) ? canonical : name);
    }
    return checkpoint.renamed(renamed);
  }

  /** Names, types and shapes of all tensors, running statistics included, in order. */
  public Map<String, TensorInfo> parameters() {
    return graph.parameters();
  }

  /** Number of outputs (classes). */
  public long outputs() {
    return graph.outputs();
  }

  /** Number of learned parameters. */
  public long size() {
    return learned().stream().mapToLong(name -> parameters().get(name).size()).sum();
  }

  /** Names of the tensors that are learned; the others are running statistics and counters. */
  public Set<String> learned() {
    return graph.learned();
  }

  /** Random initial parameters; each parameter has its own stream of the seed. */
  public MemoryCheckpoint initialise(long seed) {
    return MemoryCheckpoint.of(graph.initialise(seed));
  }

  /**
   * Throws when a checkpoint does not hold these parameters, listing every mismatch, or has stale
   * statistics.
   */
  public void require(Checkpoint theta) {
    require("the checkpoint", theta);
  }

  /**
   * The same for one of several.
   *
   * @param what names it in the message
   */
  public void require(String what, Checkpoint theta) {
    List<String> problems = misfits(theta);
    for (String name : theta.stale()) {
      problems.add(
          "'" + name + "' is stale: a dense map changed what it describes; reset it before use");
    }
    refuse(what, problems);
  }

  /** The same of a model whose stale statistics are yet to be reset. */
  public void requireShapes(String what, Checkpoint theta) {
    refuse(what, misfits(theta));
  }

  private static void refuse(String what, List<String> problems) {
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(what + " does not fit the network", problems);
    }
  }

  private List<String> misfits(Checkpoint theta) {
    List<String> problems = new ArrayList<>();
    parameters()
        .forEach(
            (name, wanted) -> {
              TensorInfo found = theta.tensors().get(name);
              boolean counter = wanted.dtype() == DType.I64;
              if (found == null && !counter) {
                problems.add(Names.missing(name, theta.tensors().keySet(), problems.size()));
              } else if (found != null
                  && !counter
                  && (!found.shape().equals(wanted.shape()) || !found.dtype().isArithmetic())) {
                problems.add("'" + name + "' is " + found + ", the network has " + wanted);
              }
            });
    return problems;
  }

  @Override
  public Session open(Checkpoint theta, Workspace ws) throws IOException {
    return open(theta, MemoryCheckpoint.of(Map.of()), all -> Graph.Added.NONE, ws);
  }

  /**
   * The same with something added to layers.
   *
   * @param more tensors that it is made of, under names that the network has not
   * @param added what it is, made of all tensors in F32
   */
  public Session open(
      Checkpoint theta,
      Checkpoint more,
      Function<Map<String, Tensor>, Graph.Added> added,
      Workspace ws)
      throws IOException {
    require(theta);
    try (Opened opened = new Opened()) {
      Device device = Placement.of(ws);
      Map<String, org.merganser.linalg.Tensor> owned = load(theta, device, ws);
      owned.values().forEach(opened::add);
      for (String name : more.tensors().keySet()) {
        owned.put(name, opened.add(Loading.as(DType.F32, more, name, device, ws)));
      }
      Session session = Libtorch.call(FORWARD_THREADS, () -> new Forward(owned, device, added));
      opened.release();
      return session;
    }
  }

  /**
   * All parameters and running statistics as F32; counters, which old files lack, as I64. New
   * tensors on a device, the host or that of the Workspace.
   */
  public Map<String, org.merganser.linalg.Tensor> load(
      Checkpoint theta, Device device, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
      Set<String> counters = graph.counters();
      for (String name : parameters().keySet()) {
        org.merganser.linalg.Tensor tensor =
            counters.contains(name)
                ? Loading.placed(counter(theta, name, ws), device, ws)
                : Loading.as(DType.F32, theta, name, device, ws);
        tensors.put(name, opened.add(tensor));
      }
      opened.release();
      return tensors;
    }
  }

  private org.merganser.linalg.Tensor counter(Checkpoint theta, String name, Workspace ws)
      throws IOException {
    return parameters().get(name).equals(theta.tensors().get(name))
        ? theta.read(name, ws)
        : org.merganser.linalg.Tensor.zeros(DType.I64);
  }

  /**
   * @throws ShapeException when a batch of inputs is not what the network reads
   */
  public void checkInputs(org.merganser.linalg.Tensor inputs) {
    long[] inputShape = inputShape();
    long[] shape = inputs.shape();
    boolean fits = shape.length == inputShape.length + 1 && inputs.dtype() == DType.F32;
    for (int axis = 0; fits && axis < inputShape.length; axis++) {
      fits = shape[axis + 1] == inputShape[axis];
    }
    if (!fits) {
      throw new ShapeException(
          "inputs are "
              + inputs
              + ", the network reads F32 [samples, "
              + String.join(", ", Arrays.stream(inputShape).mapToObj(Long::toString).toList())
              + "]");
    }
  }

  /** The whole description: equal texts are equal networks. */
  @Override
  public String toString() {
    return graph.toString();
  }

  private final class Forward implements Session {
    private final Map<String, org.merganser.linalg.Tensor> owned;
    private final Shared theta;
    private final Device device;
    private final Graph.Added added;
    private final List<Tensor> outputsOfLastRun = new ArrayList<>();
    private final List<org.merganser.linalg.Tensor> viewsOfLastRun = new ArrayList<>();
    private boolean closed;

    Forward(
        Map<String, org.merganser.linalg.Tensor> owned,
        Device device,
        Function<Map<String, Tensor>, Graph.Added> added) {
      this.owned = owned;
      this.device = device;
      this.theta = new Shared(owned);
      this.added = added.apply(theta.all());
    }

    @Override
    public synchronized void run(
        org.merganser.linalg.Tensor inputs, Mode mode, Set<String> taps, TapSink out)
        throws IOException {
      if (closed) {
        throw new IllegalStateException("this session is already closed");
      }
      checkInputs(inputs);
      releaseOutputs();
      Map<String, Tensor> found = new LinkedHashMap<>();
      Libtorch.call(
          FORWARD_THREADS,
          () -> {
            forward(inputs, mode, taps, found);
            return null;
          });
      for (Map.Entry<String, Tensor> item : found.entrySet()) {
        org.merganser.linalg.Tensor view = Bridge.view(item.getValue());
        viewsOfLastRun.add(view);
        out.accept(item.getKey(), view);
      }
    }

    @SuppressWarnings("try")
    private void forward(
        org.merganser.linalg.Tensor inputs,
        Mode mode,
        Set<String> taps,
        Map<String, Tensor> found) {
      try (Shared x = new Shared(inputs);
          PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        Tensor batch = Bridge.on(device, x.only());
        found.putAll(graph.taps(batch, theta.all(), taps, mode, false, added));
        for (Tensor tensor : found.values()) {
          // Outlives the scope, until the next run or close.
          tensor.retainReference();
          outputsOfLastRun.add(tensor);
        }
      }
    }

    private void releaseOutputs() {
      // A view kept too long then says so, instead of reading freed memory.
      viewsOfLastRun.forEach(org.merganser.linalg.Tensor::close);
      viewsOfLastRun.clear();
      outputsOfLastRun.forEach(Tensor::close);
      outputsOfLastRun.clear();
    }

    @Override
    public synchronized void close() {
      closed = true;
      releaseOutputs();
      theta.close();
      owned.values().forEach(org.merganser.linalg.Tensor::close);
    }
  }
}
