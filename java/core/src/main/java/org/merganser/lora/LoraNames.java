// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;

/** What the tensors of an adapter are, by their names: factors, and tensors that replace others. */
final class LoraNames {
  static final String PREFIX = "base_model.model.";

  /** Ends the name of what comes out of an attention whose other factors bear its own name. */
  static final String OUT_OF_ATTENTION = ".base_layer.out_proj";

  private static final Pattern FACTOR =
      Pattern.compile(
          "(?<module>.+)\\.(lora_(?<linear>[AB])\\.weight|lora_embedding_(?<rows>[AB]))");

  /** PEFT puts it before what a module had before it got factors. */
  private static final Pattern WRAPPED =
      Pattern.compile("\\.base_layer(?=\\.([^.]+$|out_proj\\.))");

  /** As models name factors in memory, where there may be several adapters. */
  private static final Pattern OF_ADAPTER =
      Pattern.compile(
          ".+\\.(lora_[AB]\\.(?<linear>[^.]+)\\.weight|lora_embedding_[AB]\\.(?<rows>[^.]+))");

  private static final Pattern OTHER =
      Pattern.compile("(^|\\.)(lora_|token_adapter\\.|ia3_|hada_)");

  private final Checkpoint tensors;
  private final LoraConfig config;
  private final Map<String, String> linear = new LinkedHashMap<>();
  private final Map<String, String> rows = new LinkedHashMap<>();
  private final Map<String, String> whole = new LinkedHashMap<>();
  private final List<String> problems = new ArrayList<>();

  /**
   * @throws IncompatibleModelsException when tensors and configuration contradict each other, or a
   *     tensor is nothing that is known
   */
  LoraNames(Checkpoint tensors, LoraConfig config) {
    this.tensors = tensors;
    this.config = config;
    tensors.tensors().keySet().forEach(this::sort);
    refuse();
  }

  private void sort(String name) {
    if (!name.startsWith(PREFIX)) {
      problems.add(Names.quote(name) + " does not begin with " + PREFIX);
      return;
    }
    String rest = name.substring(PREFIX.length());
    Matcher factor = FACTOR.matcher(rest);
    Matcher ofAdapter = OF_ADAPTER.matcher(rest);
    if (name.length() > LoraPattern.LONGEST) {
      problems.add(Names.quote(name) + " has " + name.length() + " characters");
    } else if (factor.matches()) {
      String module = factor.group("module");
      boolean ofRows = factor.group("rows") != null;
      (ofRows ? rows : linear).put(module + " " + factor.group(ofRows ? "rows" : "linear"), name);
    } else if (ofAdapter.matches()) {
      String linear = ofAdapter.group("linear");
      problems.add(
          "%s has the name of an adapter in it (%s), as a model in memory; write it by PEFT's save_pretrained, which leaves that out"
              .formatted(
                  Names.quote(name),
                  Names.quote(linear == null ? ofAdapter.group("rows") : linear)));
    } else if (OTHER.matcher(rest).find()) {
      problems.add(Names.quote(name) + " is part of an adapter of another kind than LoRA");
    } else {
      String target = WRAPPED.matcher(rest).replaceAll("");
      String other = whole.put(target, name);
      if (other != null) {
        problems.add(
            Names.quote(other)
                + " and "
                + Names.quote(name)
                + " both replace "
                + Names.quote(target));
      }
    }
  }

  private void refuse() {
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException(
          tensors + " is no adapter as " + config + " describes it", problems);
    }
  }

  /** Names of tensors by those of the base that they replace. */
  Map<String, String> whole() {
    return whole;
  }

  /** By the tensors of the base that they change. */
  Map<String, LoraLayer> layers() {
    Map<String, LoraLayer> layers = new LinkedHashMap<>();
    for (boolean embedding : new boolean[] {false, true}) {
      Map<String, String> factors = embedding ? rows : linear;
      TreeSet<String> modules = new TreeSet<>();
      factors.keySet().forEach(key -> modules.add(key.substring(0, key.length() - 2)));
      for (String module : modules) {
        layer(module(module, embedding, factors), module, embedding, factors)
            .ifPresent(
                layer -> {
                  if (layers.put(layer.target(), layer) != null) {
                    problems.add(Names.quote(module) + " has factors of two kinds");
                  }
                });
      }
    }
    refuse();
    return layers;
  }

  /**
   * What factors are for, by the name that they have. PEFT gives an attention factors of both its
   * weights or none, so that those of one tell what the others are.
   */
  private static Adapted module(String stored, boolean embedding, Map<String, String> factors) {
    if (!embedding && factors.containsKey(stored + OUT_OF_ATTENTION + " A")) {
      return new Adapted(stored, stored + ".in_proj_weight", stored);
    }
    if (!embedding && stored.endsWith(OUT_OF_ATTENTION)) {
      String attention = stored.substring(0, stored.length() - OUT_OF_ATTENTION.length());
      if (factors.containsKey(attention + " A")) {
        String out = attention + ".out_proj";
        return new Adapted(out, out + ".weight", attention);
      }
    }
    return new Adapted(stored, stored + ".weight", stored);
  }

  /**
   * A module with factors.
   *
   * @param configured name that its rank and alpha go by
   */
  private record Adapted(String name, String target, String configured) {}

  private Optional<LoraLayer> layer(
      Adapted of, String stored, boolean embedding, Map<String, String> factors) {
    String module = of.name();
    String a = factors.get(stored + " A");
    String b = factors.get(stored + " B");
    if (a == null || b == null) {
      problems.add(Names.quote(a == null ? b : a) + " without its " + (a == null ? "A" : "B"));
      return Optional.empty();
    }
    TensorInfo ofA = tensors.info(a);
    TensorInfo ofB = tensors.info(b);
    boolean shaped =
        ofA.rank() >= 2
            && ofB.rank() == ofA.rank()
            && (!embedding || ofA.rank() == 2)
            && ofB.shape().subList(2, ofB.rank()).stream().allMatch(n -> n == 1)
            && ofA.size() > 0
            && ofB.size() > 0;
    if (!shaped || !ofA.dtype().isArithmetic() || !ofB.dtype().isArithmetic()) {
      problems.add(
          Names.quote(module) + " has A " + ofA + " and B " + ofB + ", no factors of a weight");
      return Optional.empty();
    }
    long rank = config.rank(of.configured());
    if (ofA.dim(0) != rank || ofB.dim(1) != rank) {
      problems.add(
          "%s has A %s and B %s, for rank %d; the configuration says %d"
              .formatted(Names.quote(module), ofA, ofB, ofA.dim(0), rank));
      return Optional.empty();
    }
    double scale = config.scale(of.configured());
    return Optional.of(new LoraLayer(module, of.target(), embedding, a, b, ofA, ofB, scale));
  }
}
