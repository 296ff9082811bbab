// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.model.AffineLayer;
import org.merganser.model.Architecture;
import org.merganser.model.BatchNormLayer;
import org.merganser.model.Mode;
import org.merganser.model.Network;

/**
 * A network described once as a tree of layers. Parameters are substituted at each use, so merging
 * and training never copy modules. Immutable and thread-safe.
 *
 * <p>Forward passes run with one libtorch thread, so that what they give does not depend on the
 * machine.
 */
public final class TorchNetwork implements Network {
  private static final int FORWARD_THREADS = 1;
  private static final int MAX_ARRAY = Integer.MAX_VALUE - 8;

  private final long[] inputShape;
  private final Layer root;
  private final Description description;
  private final Architecture architecture;
  private final Map<String, TensorInfo> parameters;
  private final long outputs;
  private final Map<String, String> aliases;

  private TorchNetwork(long[] inputShape, Layer root, Map<String, String> aliases) {
    this.aliases = Map.copyOf(aliases);
    this.inputShape = inputShape;
    this.root = root;
    this.description = new Description();
    this.outputs = description.follow(root, Signal.input(inputShape)).flatSize();
    this.architecture = description.architecture();
    Map<String, TensorInfo> infos = new LinkedHashMap<>();
    description.parameters().forEach((name, parameter) -> infos.put(name, parameter.info()));
    this.parameters = Collections.unmodifiableMap(infos);
  }

  /**
   * @param inputShape shape of one sample: [features] or [channels, height, width]
   * @throws ShapeException when some layer does not fit what it is given
   */
  public static TorchNetwork of(Layer root, long... inputShape) {
    return new TorchNetwork(inputShape.clone(), root, Map.of());
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
    return of(root instanceof Sequential sequence ? sequence.folded() : root, inputShape);
  }

  /**
   * The same network; checkpoints may use other names for parts of the path of a parameter, such as
   * {@code shortcut} for {@code downsample}. See {@link #canonical}.
   */
  TorchNetwork withAliases(Map<String, String> others) {
    return new TorchNetwork(inputShape, root, others);
  }

  @Override
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public List<AffineLayer> affineLayers() {
    return List.copyOf(description.affineLayers());
  }

  @Override
  public List<BatchNormLayer> batchNorms() {
    return List.copyOf(description.batchNorms());
  }

  /** Shape of one sample. */
  public long[] inputShape() {
    return inputShape.clone();
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
      renamed.put(name, parameters.containsKey(canonical) ? canonical : name);
    }
    return checkpoint.renamed(renamed);
  }

  /** Names, types and shapes of all tensors, running statistics included, in order. */
  public Map<String, TensorInfo> parameters() {
    return parameters;
  }

  /** Number of outputs (classes). */
  public long outputs() {
    return outputs;
  }

  /** Number of learned parameters. */
  public long size() {
    return learned().stream().mapToLong(name -> parameters.get(name).size()).sum();
  }

  /** Names of the tensors that are learned; the others are running statistics and counters. */
  public Set<String> learned() {
    return names(Description.Kind.PARAMETER);
  }

  private Set<String> names(Description.Kind kind) {
    Set<String> names = new LinkedHashSet<>();
    description
        .parameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.kind() == kind) {
                names.add(name);
              }
            });
    return names;
  }

  /** Random initial parameters; each parameter has its own stream of the seed. */
  public MemoryCheckpoint initialise(long seed) {
    Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
    description
        .parameters()
        .forEach((name, parameter) -> tensors.put(name, initial(name, parameter, seed)));
    return MemoryCheckpoint.of(tensors);
  }

  private static org.merganser.linalg.Tensor initial(
      String name, Description.Parameter parameter, long seed) {
    TensorInfo info = parameter.info();
    if (parameter.kind() == Description.Kind.COUNTER) {
      return org.merganser.linalg.Tensor.zeros(info.dtype(), info.dims());
    }
    if (info.size() > MAX_ARRAY) {
      throw new IllegalArgumentException(
          "parameter '"
              + name
              + "' "
              + info
              + " has more than "
              + MAX_ARRAY
              + " entries; use narrower layers");
    }
    float[] values = new float[(int) info.size()];
    parameter.initial().fill(values, Seeds.stream(seed, "init/" + name));
    return org.merganser.linalg.Tensor.of(values, info.dims());
  }

  /**
   * Throws when a checkpoint does not hold these parameters, listing every mismatch, or has stale
   * statistics.
   */
  public void require(Checkpoint theta) {
    List<String> problems = new ArrayList<>();
    parameters.forEach(
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
    for (String name : theta.stale()) {
      problems.add(
          "'" + name + "' is stale: a dense map changed what it describes; reset it before use");
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the checkpoint does not fit the network", problems);
    }
  }

  @Override
  public Session open(Checkpoint theta, Workspace ws) throws IOException {
    require(theta);
    try (Opened opened = new Opened()) {
      Map<String, org.merganser.linalg.Tensor> owned = load(theta, ws);
      owned.values().forEach(opened::add);
      Session session = TorchNatives.call(FORWARD_THREADS, () -> new TorchSession(owned));
      opened.release();
      return session;
    }
  }

  /** All parameters and running statistics as F32; counters, which old files lack, as I64. */
  Map<String, org.merganser.linalg.Tensor> load(Checkpoint theta, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, org.merganser.linalg.Tensor> tensors = new LinkedHashMap<>();
      Set<String> counters = names(Description.Kind.COUNTER);
      for (String name : parameters.keySet()) {
        org.merganser.linalg.Tensor tensor =
            counters.contains(name) ? counter(theta, name, ws) : wide(theta, name, ws);
        tensors.put(name, opened.add(tensor));
      }
      opened.release();
      return tensors;
    }
  }

  private org.merganser.linalg.Tensor counter(Checkpoint theta, String name, Workspace ws)
      throws IOException {
    return parameters.get(name).equals(theta.tensors().get(name))
        ? theta.read(name, ws)
        : org.merganser.linalg.Tensor.zeros(DType.I64);
  }

  private static org.merganser.linalg.Tensor wide(Checkpoint theta, String name, Workspace ws)
      throws IOException {
    org.merganser.linalg.Tensor stored = theta.read(name, ws);
    if (stored.dtype() == DType.F32) {
      return stored;
    }
    try (stored) {
      return stored.to(DType.F32, ws);
    }
  }

  /** The forward pass as a function of torch parameters; used by training and by gradients. */
  Tensor forward(Tensor x, Map<String, Tensor> theta, Mode mode) {
    return ForwardPass.plain(theta, mode).apply(root, x);
  }

  /** As {@link #forward}; running statistics stay as they are in either mode. */
  Tensor pureForward(Tensor x, Map<String, Tensor> theta, Mode mode) {
    return ForwardPass.pure(theta, mode).apply(root, x);
  }

  void checkInputs(org.merganser.linalg.Tensor inputs) {
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
    return Arrays.toString(inputShape) + " -> " + root;
  }

  private final class TorchSession implements Session {
    private final Map<String, org.merganser.linalg.Tensor> owned;
    private final Lent lent;
    private final Map<String, Tensor> theta = new LinkedHashMap<>();
    private final List<Tensor> outputsOfLastRun = new ArrayList<>();
    private final List<org.merganser.linalg.Tensor> viewsOfLastRun = new ArrayList<>();
    private boolean closed;

    TorchSession(Map<String, org.merganser.linalg.Tensor> owned) {
      this.owned = owned;
      this.lent = new Lent(owned.values());
      owned.forEach((name, tensor) -> theta.put(name, Bridge.share(tensor)));
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
      TorchNatives.call(
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
      try (Lent lent = new Lent(List.of(inputs));
          PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        ForwardPass pass = ForwardPass.tapping(theta, description, taps, mode);
        try {
          Tensor output = pass.apply(root, Bridge.share(inputs));
          if (taps.contains(OUTPUT)) {
            found.put(OUTPUT, output);
          }
        } catch (ForwardPass.Complete e) {
          // The rest of the network is not needed.
        }
        found.putAll(pass.tapped());
        found.replaceAll((tap, tensor) -> tensor.contiguous());
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
      theta.values().forEach(Tensor::close);
      theta.clear();
      lent.close();
      owned.values().forEach(org.merganser.linalg.Tensor::close);
    }
  }
}
