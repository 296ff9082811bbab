// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntUnaryOperator;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.LinAlg;
import org.merganser.linalg.Matrix;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.HeadSymmetry.Dense;
import org.merganser.symmetry.HeadSymmetry.Rotary;
import org.merganser.symmetry.MappedCheckpoint.Plan;
import org.merganser.symmetry.SymmetryElement.Orthogonal;
import org.merganser.symmetry.SymmetryElement.SignedPermutation;
import org.merganser.transformer.CanonicalTensor;
import org.merganser.transformer.CanonicalTensor.Part;
import org.merganser.transformer.CanonicalTensor.Side;
import org.merganser.transformer.TransformerConfig;

/** What an element makes of each tensor: W' = L W M. */
final class SymmetryPlans {
  private final SymmetryElement element;
  private final TransformerConfig config;
  private final Checkpoint source;
  private final Map<String, CanonicalTensor> tensors;

  SymmetryPlans(SymmetryElement element, Checkpoint source) {
    this.element = element;
    this.config = element.config();
    this.source = source;
    this.tensors = CanonicalTensor.of(config);
  }

  Plan of(String name) {
    CanonicalTensor tensor = tensors.get(name);
    Side side = tensor.part().side();
    AxisMap rows =
        switch (side) {
          case WRITES -> residual(new double[0]);
          case VECTOR -> residual(shifts(tensor) ? gains(tensor) : new double[0]);
          case GAIN -> gain(gains(tensor));
          case ROWS -> AxisMap.IDENTITY;
          case READS, NONE -> inner(tensor, true);
        };
    AxisMap columns =
        switch (side) {
          case ROWS -> residual(new double[0]);
          case READS -> residual(inverse(gains(tensor)));
          case WRITES -> inner(tensor, false);
          case VECTOR, GAIN, NONE -> AxisMap.IDENTITY;
        };
    boolean shifted =
        (tensor.part() == Part.VALUE_BIAS || tensor.part() == Part.OUTPUT_BIAS)
            && layer(tensor).heads().stream().anyMatch(head -> head.shift().length > 0);
    return shifted
        ? Plan.given(name, ws -> shifted(tensor, rows, ws))
        : Plan.mapped(name, rows, columns);
  }

  /** Whether layers stay as they are, apart from the residual stream. */
  boolean keepsLayers() {
    return element.layers().stream()
            .allMatch(
                layer ->
                    AxisMap.scale(layer.attentionGain()).isIdentity()
                        && AxisMap.scale(layer.mlpGain()).isIdentity()
                        && layer.heads().stream().allMatch(head -> head.shift().length == 0))
        && tensors.values().stream()
            .filter(tensor -> tensor.layer() >= 0)
            .allMatch(tensor -> inner(tensor, true).isIdentity());
  }

  private LayerSymmetry layer(CanonicalTensor tensor) {
    return element.layers().get(tensor.layer());
  }

  /** Of norms, not of projections. */
  private static boolean shifts(CanonicalTensor tensor) {
    return switch (tensor.part()) {
      case ATTENTION_SHIFT, MLP_SHIFT, FINAL_SHIFT -> true;
      default -> false;
    };
  }

  /** Factors of the gain that a tensor is, or reads, in coordinates before the residual map. */
  private double[] gains(CanonicalTensor tensor) {
    return switch (tensor.part()) {
      case ATTENTION_GAIN, ATTENTION_SHIFT, QUERY, KEY, VALUE -> layer(tensor).attentionGain();
      case MLP_GAIN, MLP_SHIFT, GATE, UP -> layer(tensor).mlpGain();
      case FINAL_GAIN, FINAL_SHIFT, HEAD -> element.finalGain();
      default -> new double[0];
    };
  }

  static double[] inverse(double[] factors) {
    return Arrays.stream(factors).map(each -> 1 / each).toArray();
  }

  /** R diag(factors). */
  private AxisMap residual(double[] factors) {
    if (element.residual() instanceof Orthogonal turned) {
      return AxisMap.dense(turned.matrix());
    }
    return element.residual() instanceof SignedPermutation moved
        ? moved(moved.permutation(), moved.signs(), factors)
        : AxisMap.scale(factors);
  }

  /** |R| diag(factors); one gain for all channels stays where R mixes them. */
  private AxisMap gain(double[] factors) {
    if (element.residual() instanceof SignedPermutation moved) {
      int[] ones = new int[config.hidden()];
      Arrays.fill(ones, 1);
      return moved(moved.permutation(), ones, factors);
    }
    return AxisMap.scale(factors);
  }

  private static AxisMap moved(int[] permutation, int[] signs, double[] factors) {
    double[] scale = new double[permutation.length];
    for (int i = 0; i < scale.length; i++) {
      scale[i] = signs[i] * (factors.length == 0 ? 1 : factors[permutation[i]]);
    }
    return AxisMap.gather(permutation, scale);
  }

  /** The side of a tensor that lies inside of a layer. */
  private AxisMap inner(CanonicalTensor tensor, boolean rows) {
    return switch (tensor.part()) {
      case QUERY, QUERY_BIAS -> queryHeads(tensor, head -> query(head.queryKey()));
      case KEY, KEY_BIAS -> keyHeads(tensor, head -> key(head.queryKey()));
      case VALUE, VALUE_BIAS -> keyHeads(tensor, HeadSymmetry::value);
      case OUTPUT -> queryHeads(tensor, head -> Squares.transpose(head.valueInverse()));
      case GATE, GATE_BIAS -> AxisMap.gather(layer(tensor).units(), gateScales(layer(tensor)));
      case UP, UP_BIAS -> AxisMap.gather(layer(tensor).units(), layer(tensor).unitScales());
      case DOWN -> AxisMap.gather(layer(tensor).units(), inverse(downScales(layer(tensor))));
      case QUERY_NORM -> AxisMap.scale(queryKeyGain(layer(tensor)));
      case KEY_NORM -> AxisMap.scale(inverse(queryKeyGain(layer(tensor))));
      default -> AxisMap.IDENTITY;
    };
  }

  /** Null for all 1. */
  private static double[] gateScales(LayerSymmetry layer) {
    double[] scales = layer.gateScales();
    return scales.length == 0 ? null : scales;
  }

  private static double[] downScales(LayerSymmetry layer) {
    double[] scales = layer.unitScales();
    double[] gates = layer.gateScales();
    for (int i = 0; i < gates.length; i++) {
      scales[i] *= gates[i];
    }
    return scales;
  }

  /** For each channel of a head: under rotary embedding both members of a pair have one. */
  private double[] queryKeyGain(LayerSymmetry layer) {
    double[] gain = layer.queryKeyGain();
    if (config.rope().isEmpty() || gain.length == 0) {
      return gain;
    }
    double[] both = Arrays.copyOf(gain, 2 * gain.length);
    System.arraycopy(gain, 0, both, gain.length, gain.length);
    return both;
  }

  private AxisMap keyHeads(CanonicalTensor tensor, Function<HeadSymmetry, double[]> square) {
    List<HeadSymmetry> heads = layer(tensor).heads();
    int[] sources = heads.stream().mapToInt(HeadSymmetry::source).toArray();
    return AxisMap.heads(config.headSize(), sources, 1, head -> square.apply(heads.get(head)));
  }

  private AxisMap queryHeads(CanonicalTensor tensor, Function<HeadSymmetry, double[]> square) {
    List<HeadSymmetry> heads = layer(tensor).heads();
    int group = config.group();
    int[] sources =
        heads.stream()
            .flatMapToInt(head -> Arrays.stream(head.queries()).map(q -> head.source() * group + q))
            .toArray();
    return AxisMap.heads(config.headSize(), sources, group, head -> square.apply(heads.get(head)));
  }

  private static double[] key(HeadSymmetry.QueryKey queryKey) {
    return queryKey instanceof Rotary rotary ? rotation(rotary, false) : ((Dense) queryKey).key();
  }

  private static double[] query(HeadSymmetry.QueryKey queryKey) {
    return queryKey instanceof Rotary rotary ? rotation(rotary, true) : ((Dense) queryKey).query();
  }

  /** r Rot(phi), or Rot(phi) / r, of the pairs (i, i + dh/2). */
  private static double[] rotation(Rotary rotary, boolean inverse) {
    double[] phase = rotary.phase();
    double[] ratio = rotary.ratio();
    int half = phase.length;
    double[] square = new double[4 * half * half];
    for (int i = 0; i < half; i++) {
      double factor = inverse ? 1 / ratio[i] : ratio[i];
      double cos = factor * SymmetryCheck.cos(phase[i]);
      double sin = factor * SymmetryCheck.sin(phase[i]);
      square[i * 2 * half + i] = cos;
      square[i * 2 * half + half + i] = -sin;
      square[(half + i) * 2 * half + i] = sin;
      square[(half + i) * 2 * half + half + i] = cos;
    }
    return square;
  }

  /** A bias of values plus c; a bias of the output less what c becomes of: R (b - sum O_h' c). */
  private double[] shifted(CanonicalTensor tensor, AxisMap rows, Workspace ws) throws IOException {
    LayerSymmetry layer = layer(tensor);
    try (Tensor read = source.read(tensor.name(), ws);
        Tensor bias = wideColumn(read, ws)) {
      requireFinite(tensor, read);
      if (tensor.part() == Part.OUTPUT_BIAS) {
        subtract(bias, tensor.name().replace(".bias", ".weight"), weighted(layer), ws);
      }
      Tensor current = rows.columns(bias.reshape(1, bias.size()), 0, (int) bias.size(), true, ws);
      current = rows.mixedColumns(current, 0, ws);
      try (Tensor host = current.toHost(ws)) {
        double[] result = host.toDoubleArray();
        if (tensor.part() == Part.VALUE_BIAS) {
          add(result, layer);
        }
        return result;
      } finally {
        current.close();
      }
    }
  }

  /** Of a small tensor on the host. */
  private void requireFinite(CanonicalTensor tensor, Tensor read) {
    for (long i = 0; i < read.size(); i++) {
      if (!Double.isFinite(read.get(i))) {
        throw MappedCheckpoint.notFinite(source, tensor.name(), i, read.get(i));
      }
    }
  }

  private static Tensor wideColumn(Tensor read, Workspace ws) {
    try (Tensor wide = read.to(DType.F64, ws)) {
      return wide.toHost(ws);
    }
  }

  private void add(double[] values, LayerSymmetry layer) {
    int dh = config.headSize();
    for (int k = 0; k < config.keyValueHeads(); k++) {
      double[] shift = layer.heads().get(k).shift();
      for (int i = 0; i < shift.length; i++) {
        values[k * dh + i] += shift[i];
      }
    }
  }

  /** A^-1 c of each query head, at the place that it had. */
  private double[] weighted(LayerSymmetry layer) {
    int dh = config.headSize();
    double[] weighted = new double[config.heads() * dh];
    for (HeadSymmetry head : layer.heads()) {
      double[] shift = head.shift();
      double[] back = shift.length == 0 ? shift : Squares.times(head.valueInverse(), shift);
      for (int query : head.queries()) {
        int at = (head.source() * config.group() + query) * dh;
        System.arraycopy(back, 0, weighted, at, back.length);
      }
    }
    return weighted;
  }

  /** bias -= W w, some rows after the other. */
  private void subtract(Tensor bias, String weight, double[] w, Workspace ws) throws IOException {
    long rows = bias.size();
    long step = Math.max(1, source.tile(weight, 1 << 20) / w.length);
    try (Matrix vector = Matrix.of(Tensor.of(w, 1, w.length))) {
      for (long from = 0; from < rows; from += step) {
        long count = Math.min(step, rows - from);
        try (Tensor some =
            Tensor.allocate(source.info(weight).dtype(), new long[] {count, w.length}, ws)) {
          long begin = from * w.length;
          source.readRange(weight, begin, begin + some.size(), some, ws);
          MappedCheckpoint.requireFinite(source, weight, some, i -> begin + i, ws);
          try (Tensor wide = some.to(DType.F64, ws);
              Matrix product = LinAlg.multiplyTransposed(Matrix.of(wide), vector, ws);
              Matrix host = product.toHost(ws)) {
            for (long r = 0; r < count; r++) {
              bias.set(from + r, bias.get(from + r) - host.get(r, 0));
            }
          }
        }
      }
    }
  }

  /** What turns channels goes through norms only where these have one gain, and a finite one. */
  void requireEvenGains(Workspace ws) throws IOException {
    if (element.residual() instanceof Orthogonal) {
      requireEven(
          tensor -> tensor.part().side() == Side.GAIN ? channel -> 0 : null,
          "an orthogonal map of the residual stream would mix",
          "absorb them first (NormAbsorption)",
          ws);
    }
    if (config.queryKeyNorm() && config.rope().isPresent()) {
      requireEven(
          this::turnedPartner,
          "phases of queries and keys would mix",
          "phases other than 0 and pi need pairs with one gain",
          ws);
    }
  }

  /** The channel of whose gain that of a channel must be, under phases that are no signs. */
  private IntUnaryOperator turnedPartner(CanonicalTensor tensor) {
    if (tensor.part() != Part.QUERY_NORM && tensor.part() != Part.KEY_NORM) {
      return null;
    }
    int half = config.headSize() / 2;
    boolean[] turned = new boolean[half];
    for (HeadSymmetry head : layer(tensor).heads()) {
      double[] phase = ((Rotary) head.queryKey()).phase();
      for (int i = 0; i < half; i++) {
        turned[i] |= SymmetryCheck.sin(phase[i]) != 0;
      }
    }
    return channel -> channel >= half && turned[channel - half] ? channel - half : channel;
  }

  /**
   * @param partner of a tensor: of which channel each must have the gain; null for tensors that are
   *     not looked at
   */
  private void requireEven(
      Function<CanonicalTensor, IntUnaryOperator> partner,
      String mixing,
      String remedy,
      Workspace ws)
      throws IOException {
    List<String> problems = new ArrayList<>();
    for (CanonicalTensor tensor : tensors.values()) {
      IntUnaryOperator of = partner.apply(tensor);
      if (of != null) {
        try (Tensor gain = source.read(tensor.name(), ws)) {
          requireFinite(tensor, gain);
          for (int i = 1; i < gain.size(); i++) {
            int other = of.applyAsInt(i);
            if (gain.get(i) != gain.get(other)) {
              problems.add(
                  "%s: element %d is %s, element %d is %s"
                      .formatted(
                          Names.quote(tensor.name()), other, gain.get(other), i, gain.get(i)));
              break;
            }
          }
        }
      }
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          source + " has gains that " + mixing, problems, List.of(remedy));
    }
  }
}
