// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.recurrent;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Binding;
import org.merganser.model.FeatureSpace;
import org.merganser.model.MapFamily;
import org.merganser.model.Network;
import org.merganser.model.Role;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Loading;
import org.merganser.torch.recurrent.RecurrentUnit.Constraint;
import org.merganser.torch.recurrent.RecurrentUnit.Gamma;
import org.merganser.torch.recurrent.RecurrentUnit.Mode;

/**
 * A recurrent network of one layer, {@code h_t = f(U x_t + V h_(t-1) + b)} with {@code h_0 = 0},
 * read by {@code z = W h + c}. Inputs are [sequences x steps x inputs]. Parameters have the names
 * of {@code torch.nn.RNN} where it has them:
 *
 * <pre>
 *   weight_ih_l0    U  [hidden x inputs]
 *   weight_hh_l0    V  [hidden x hidden]
 *   bias_ih_l0      b  [hidden], when there is one
 *   gain_l0         n  [hidden], or [1] when all units have the same (of a gamma unit)
 *   saturation_l0   s  likewise
 *   readout.weight  W  [outputs x hidden]
 *   readout.bias    c  [outputs]
 * </pre>
 *
 * ({@code torch.nn.RNN} has a second bias {@code bias_hh_l0}; its sum with the first is this b.) It
 * has one space of features, {@value #HIDDEN}: units of tanh may be permuted with signs, of ReLU
 * with scales, of gamma as they are, each with its n and s. It computes on the CPU with one thread
 * of libtorch, wherever the Workspace does.
 *
 * @param unit f
 * @param recurrent initial V
 * @param input initial U, of a distribution for any shape
 * @param bias whether there is a b, which starts at 0
 * @param precision F32 or F64, of parameters and of what is computed
 */
public record VanillaRnn(
    int inputs,
    int hidden,
    int outputs,
    RecurrentUnit unit,
    RnnInit recurrent,
    RnnInit input,
    boolean bias,
    DType precision)
    implements Network {
  /** The space of the states; as a tap, the states of all steps [sequences x steps x hidden]. */
  public static final String HIDDEN = "hidden";

  /** One thread: what is computed then does not depend on the machine. */
  static final int THREADS = 1;

  /** Names that torch.nn.RNN has, of any layer and direction, and ours for the shape of units. */
  private static final Pattern RECURRENT =
      Pattern.compile("(weight_ih|weight_hh|bias_ih|bias_hh|gain|saturation)_l\\d+(_reverse)?");

  static final String U = "weight_ih_l0";
  static final String V = "weight_hh_l0";
  static final String B = "bias_ih_l0";
  static final String N = "gain_l0";
  static final String S = "saturation_l0";
  static final String W = "readout.weight";
  static final String C = "readout.bias";

  public VanillaRnn {
    if (inputs < 1 || hidden < 1 || outputs < 1) {
      throw new ShapeException(
          "a recurrent network needs inputs, hidden units and outputs, not "
              + inputs
              + ", "
              + hidden
              + " and "
              + outputs);
    }
    if (input.isSquare()) {
      throw new IllegalArgumentException(
          "input weights are not square, " + input + " is; take XAVIER, KAIMING or GAUSSIAN");
    }
    if (precision != DType.F32 && precision != DType.F64) {
      throw new IllegalArgumentException(
          "recurrent networks compute in F32 or F64, not " + precision);
    }
  }

  /**
   * Units that start as rotations ({@link RnnInit#HENAFF}), inputs {@link RnnInit#KAIMING}, with a
   * bias, in F32.
   */
  public static VanillaRnn of(int inputs, int hidden, int outputs, RecurrentUnit unit) {
    return new VanillaRnn(
        inputs, hidden, outputs, unit, RnnInit.HENAFF, RnnInit.KAIMING, true, DType.F32);
  }

  /** The same with other initial weights. */
  public VanillaRnn withInit(RnnInit ofV, RnnInit ofU) {
    return new VanillaRnn(inputs, hidden, outputs, unit, ofV, ofU, bias, precision);
  }

  /** The same with a bias or without. */
  public VanillaRnn withBias(boolean has) {
    return new VanillaRnn(inputs, hidden, outputs, unit, recurrent, input, has, precision);
  }

  /** The same in another precision. */
  public VanillaRnn withPrecision(DType other) {
    return new VanillaRnn(inputs, hidden, outputs, unit, recurrent, input, bias, other);
  }

  /** The same with other units. */
  public VanillaRnn withUnit(RecurrentUnit other) {
    return new VanillaRnn(inputs, hidden, outputs, other, recurrent, input, bias, precision);
  }

  /** For kernels on the host, whatever other Workspaces compute on. */
  static Workspace host() {
    return Workspace.builder().backend(Backend.CPU).threads(THREADS).open();
  }

  Optional<Gamma> gamma() {
    return unit instanceof Gamma gamma ? Optional.of(gamma) : Optional.empty();
  }

  /** Names, types and shapes of all tensors, in order. */
  public Map<String, TensorInfo> parameters() {
    Map<String, TensorInfo> found = new LinkedHashMap<>();
    found.put(U, TensorInfo.of(precision, hidden, inputs));
    found.put(V, TensorInfo.of(precision, hidden, hidden));
    if (bias) {
      found.put(B, TensorInfo.of(precision, hidden));
    }
    gamma()
        .ifPresent(
            gamma -> {
              int count = gamma.mode() == Mode.HOMOGENEOUS ? 1 : hidden;
              found.put(N, TensorInfo.of(precision, count));
              found.put(S, TensorInfo.of(precision, count));
            });
    found.put(W, TensorInfo.of(precision, outputs, hidden));
    found.put(C, TensorInfo.of(precision, outputs));
    return found;
  }

  /** Names of the tensors that are learned: all, but for a shape that is {@link Mode#STATIC}. */
  public Set<String> learned() {
    Set<String> names = new LinkedHashSet<>(parameters().keySet());
    if (gamma().filter(gamma -> gamma.mode() == Mode.STATIC).isPresent()) {
      names.removeAll(shape());
    }
    return names;
  }

  /** Names of gain and saturation; empty when the units have none. */
  public Set<String> shape() {
    return gamma().isPresent() ? new LinkedHashSet<>(List.of(N, S)) : Set.of();
  }

  /** Number of the entries of some tensors. */
  public long size(Set<String> names) {
    return parameters().entrySet().stream()
        .filter(entry -> names.contains(entry.getKey()))
        .mapToLong(entry -> entry.getValue().size())
        .sum();
  }

  /**
   * Random initial parameters; each has its own stream of the seed. The output weights are {@link
   * RnnInit#GAUSSIAN}, biases 0.
   */
  public MemoryCheckpoint initialise(long seed) {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      parameters()
          .forEach(
              (name, info) -> {
                double[] values = initial(name, info, Seeds.stream(seed, "init/" + name));
                tensors.put(name, opened.add(tensor(values, info.dims())));
              });
      opened.release();
      return MemoryCheckpoint.of(tensors);
    }
  }

  private double[] initial(String name, TensorInfo info, SplittableRandom random) {
    return switch (name) {
      case U -> input.matrix(hidden, inputs, random);
      case V -> recurrent.matrix(hidden, hidden, random);
      case W -> RnnInit.GAUSSIAN.matrix(outputs, hidden, random);
      case N -> gains((int) info.size(), random);
      case S -> saturations((int) info.size());
      default -> new double[(int) info.size()];
    };
  }

  private double[] gains(int count, SplittableRandom random) {
    Gamma gamma = gamma().orElseThrow();
    double[] n = new double[count];
    for (int i = 0; i < count; i++) {
      n[i] = gamma.random() ? random.nextDouble(Gamma.RANDOM_FROM, Gamma.RANDOM_TO) : gamma.gain();
      // The inverse of ln(1 + e^p).
      n[i] = gamma.constraint() == Constraint.SIGMOID ? n[i] + Math.log(-Math.expm1(-n[i])) : n[i];
    }
    return n;
  }

  private double[] saturations(int count) {
    Gamma gamma = gamma().orElseThrow();
    double s = gamma.saturation();
    double[] all = new double[count];
    Arrays.fill(all, gamma.constraint() == Constraint.SIGMOID ? Math.log(s / (1 - s)) : s);
    return all;
  }

  private Tensor tensor(double[] values, long... shape) {
    if (precision == DType.F64) {
      return Tensor.of(values, shape);
    }
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
    }
    return Tensor.of(narrow, shape);
  }

  @Override
  public Architecture architecture() {
    List<Binding> bindings = new ArrayList<>();
    bindings.add(Binding.of(U, 0, Role.WEIGHT_OUT));
    bindings.add(Binding.of(V, 0, Role.WEIGHT_OUT));
    bindings.add(Binding.of(V, 1, Role.WEIGHT_IN));
    if (bias) {
      bindings.add(Binding.of(B, 0, Role.BIAS));
    }
    if (gamma().filter(gamma -> gamma.mode() != Mode.HOMOGENEOUS).isPresent()) {
      // Permutations only: each value moves with its unit.
      bindings.add(Binding.of(N, 0, Role.BIAS));
      bindings.add(Binding.of(S, 0, Role.BIAS));
    }
    bindings.add(Binding.of(W, 1, Role.WEIGHT_IN));
    MapFamily family =
        gamma().isPresent()
            ? MapFamily.PERMUTATION
            : unit == RecurrentUnit.Plain.TANH
                ? MapFamily.SIGNED_PERMUTATION
                : MapFamily.SCALED_PERMUTATION;
    FeatureSpace space = new FeatureSpace(HIDDEN, hidden, family, bindings);
    return Architecture.builder().space(space.withFeatureAxis(-1)).build();
  }

  /**
   * Throws when a checkpoint does not hold these parameters, or holds others of a recurrent layer
   * (a second layer or direction, n and s of units that have none), listing every mismatch.
   */
  public void require(Checkpoint theta) {
    require(theta, (name, is) -> false, name -> RECURRENT.matcher(name).matches());
  }

  /**
   * The same with other bounds.
   *
   * @param adapted whether a tensor of another shape than ours will do too
   * @param counts whether a tensor that is none of these parameters is one too many
   */
  private void require(
      Checkpoint theta, BiPredicate<String, TensorInfo> adapted, Predicate<String> counts) {
    List<String> problems = new ArrayList<>();
    Map<String, TensorInfo> found = theta.tensors();
    parameters()
        .forEach(
            (name, wanted) -> {
              TensorInfo is = found.get(name);
              if (is == null) {
                problems.add(Names.missing(name, found.keySet(), problems.size()));
              } else if (!is.dtype().isArithmetic()
                  || !is.shape().equals(wanted.shape()) && !adapted.test(name, is)) {
                problems.add(Names.quote(name) + " is " + is + ", the network has " + wanted);
              }
            });
    Set<String> names = parameters().keySet();
    found.keySet().stream()
        .filter(name -> counts.test(name) && !names.contains(name))
        .map(name -> Names.quote(name) + " would not be read; " + reason(name))
        .forEach(problems::add);
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          "the checkpoint does not fit the recurrent network", problems);
    }
  }

  /** Why a parameter of a recurrent layer is none of this network's. */
  private String reason(String name) {
    if (!RECURRENT.matcher(name).matches()) {
      return "the network has " + parameters().keySet();
    }
    if (!name.endsWith("_l0")) {
      return "the network has one layer, which reads forwards";
    }
    if (name.equals(N) || name.equals(S)) {
      return "units of " + unit + " have no shape";
    }
    return "the network has " + (bias ? "one bias, " + B + ": store the sum there" : "no bias");
  }

  /** All parameters in the precision, on the host; new tensors. */
  Map<String, Tensor> load(Checkpoint theta, Workspace ws) throws IOException {
    require(theta);
    try (Opened opened = new Opened()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (String name : parameters().keySet()) {
        tensors.put(name, opened.add(Loading.as(precision, theta, name, Device.HOST, ws)));
      }
      opened.release();
      return tensors;
    }
  }

  /**
   * A checkpoint of a network that has one n and s where this has them for each unit, or the other
   * way, for this one: each unit takes the common ones, or all take the mean of what is stored.
   *
   * @throws IncompatibleModelsException naming every parameter that is missing, of another shape
   *     (but for n and s), or one that this network does not have
   */
  public MemoryCheckpoint adopt(Checkpoint other, Workspace ws) throws IOException {
    require(other, this::isOtherMode, name -> true);
    try (Opened opened = new Opened();
        MemoryCheckpoint found = MemoryCheckpoint.copyOf(other, ws)) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      parameters()
          .forEach(
              (name, wanted) -> {
                Tensor stored = found.tensor(name);
                boolean same = stored.size() == wanted.size();
                tensors.put(name, opened.add(same ? stored.copy() : spread(stored, wanted)));
              });
      opened.release();
      return MemoryCheckpoint.of(tensors);
    }
  }

  private boolean isOtherMode(String name, TensorInfo is) {
    return shape().contains(name) && is.rank() == 1 && (is.size() == 1 || is.size() == hidden);
  }

  private Tensor spread(Tensor stored, TensorInfo wanted) {
    double[] values = new double[(int) wanted.size()];
    Arrays.fill(values, Arrays.stream(stored.toDoubleArray()).average().orElseThrow());
    return tensor(values, wanted.dims());
  }

  @Override
  public RnnSession open(Checkpoint theta, Workspace ws) throws IOException {
    try (Opened opened = new Opened()) {
      Map<String, Tensor> owned = load(theta, ws);
      owned.values().forEach(opened::add);
      RnnSession session = Libtorch.call(THREADS, () -> new RnnSession(this, owned));
      opened.release();
      return session;
    }
  }
}
