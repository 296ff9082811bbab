// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.merganser.internal.Names;
import org.merganser.io.TensorInfo;
import org.merganser.method.Settings;
import org.merganser.model.AffineLayer;
import org.merganser.torch.TorchNetwork;

/**
 * Fine-tuning by adapters of low rank: {@code W + s B A} in place of a weight W [out x in], with A
 * [r x in] and B [out x r] learned and everything else as it was. Of a convolution, in is that of
 * all the elements of a filter. B begins with zeros, A uniform between {@code -1/sqrt(in)} and
 * {@code 1/sqrt(in)}, as PEFT has it (Kaiming-uniform with a = sqrt 5).
 *
 * <p>Queries, keys and values of an attention of torch are one weight, and have one pair of
 * factors, under the name of the attention. As in PEFT it has them together with its {@code
 * out_proj}.
 *
 * @param rank r, from 1 to the smaller side of every weight it is for
 * @param alpha s is {@code alpha / r}
 * @param rootOfRank whether s is {@code alpha / sqrt(r)} instead (rsLoRA)
 * @param targets which linear layers, convolutions and attentions: regular expressions for the end
 *     of a name, from its start or after a dot, as PEFT matches them; {@link #ALL} for all
 */
public record LoraOptions(int rank, double alpha, boolean rootOfRank, List<String> targets) {
  /** The expression for all of them. */
  public static final String ALL = ".*";

  public LoraOptions {
    targets = List.copyOf(targets);
    if (rank < 1 || !Double.isFinite(alpha)) {
      throw new IllegalArgumentException(
          "the rank of adapters must be at least 1 and their alpha finite, not "
              + rank
              + " and "
              + alpha);
    }
    if (targets.isEmpty()) {
      throw new IllegalArgumentException(
          "adapters need layers that they are for; name some, or " + ALL + " for all");
    }
    targets.forEach(LoraOptions::pattern);
  }

  /** Adapters of every linear layer, convolution and attention, of scale {@code alpha / rank}. */
  public static LoraOptions all(int rank, double alpha) {
    return new LoraOptions(rank, alpha, false, List.of(ALL));
  }

  /** Adapters of some layers, of scale {@code alpha / rank}. */
  public static LoraOptions of(int rank, double alpha, String... targets) {
    return new LoraOptions(rank, alpha, false, List.of(targets));
  }

  private static Pattern pattern(String target) {
    try {
      return Pattern.compile("(.*\\.)?(" + target + ")");
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          "no regular expression for layers: " + Names.quote(target) + ": " + e.getDescription(),
          e);
    }
  }

  /**
   * Refuses what does not fit a network, before anything is trained.
   *
   * @param frozen parameters, or layers, that stay as they are
   * @throws IllegalArgumentException when an expression fits no layer, or the rank is too large
   */
  public void check(TorchNetwork network, String... frozen) {
    layers(network, new Frozen(List.of(frozen)));
  }

  /**
   * The layers that get adapters.
   *
   * @param frozen names of tensors that stay as they are
   * @throws IllegalArgumentException when an expression fits none, or the rank is too large for one
   */
  List<AffineLayer> layers(TorchNetwork network, Frozen frozen) {
    List<AffineLayer> all = network.adaptable();
    List<AffineLayer> found = new ArrayList<>();
    for (String target : targets) {
      Pattern pattern = pattern(target);
      List<AffineLayer> fitting =
          all.stream().filter(layer -> pattern.matcher(layer.id()).matches()).toList();
      if (fitting.isEmpty()) {
        throw new IllegalArgumentException(
            "adapters for "
                + Names.quote(target)
                + ": no linear layer, convolution or attention of that name; there are "
                + String.join(", ", all.stream().map(AffineLayer::id).toList()));
      }
      fitting.stream().filter(layer -> !found.contains(layer)).forEach(found::add);
    }
    all.stream()
        .filter(layer -> found.stream().anyMatch(each -> layer.id().equals(outOf(each))))
        .filter(layer -> !found.contains(layer))
        .toList()
        .forEach(found::add);
    found.removeIf(layer -> frozen.contains(layer.weight()));
    requireWholeAttention(found);
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "adapters for " + targets + ": all of these layers are frozen; nothing is left to train");
    }
    for (AffineLayer layer : found) {
      TensorInfo weight = network.parameters().get(layer.weight());
      long out = weight.dim(0);
      long in = weight.size() / out;
      if (rank > Math.min(in, out)) {
        throw new IllegalArgumentException(
            "adapters of rank %d for %s of %d x %d, whose rank is at most %d; lower it, or leave the layer out"
                .formatted(rank, Names.quote(layer.id()), out, in, Math.min(in, out)));
      }
    }
    return all.stream().filter(found::contains).toList();
  }

  public LoraOptions withRank(int value) {
    return Settings.with(this, "rank", value);
  }

  public LoraOptions withAlpha(double value) {
    return Settings.with(this, "alpha", value);
  }

  public LoraOptions withRootOfRank(boolean value) {
    return Settings.with(this, "rootOfRank", value);
  }

  public LoraOptions withTargets(List<String> value) {
    return Settings.with(this, "targets", value);
  }

  /** The layer after an attention, by its name; of other layers null. */
  static String outOf(AffineLayer layer) {
    return layer.weight().equals(layer.id() + ".in_proj_weight") ? layer.id() + ".out_proj" : null;
  }

  private static void requireWholeAttention(List<AffineLayer> found) {
    List<String> names = found.stream().map(AffineLayer::id).toList();
    for (AffineLayer layer : found) {
      String out = outOf(layer);
      if (out != null && !names.contains(out)) {
        throw new IllegalArgumentException(
            "%s is frozen and %s is not; adapters of an attention are for both: freeze both, or none"
                .formatted(Names.quote(out), Names.quote(layer.weight())));
      }
    }
  }
}
