// SPDX-License-Identifier: Apache-2.0
package org.merganser.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.merganser.compute.DType;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.io.Checkpoint;
import org.merganser.io.TensorInfo;
import org.merganser.lora.MoeModel.Description;
import org.merganser.lora.MoeModel.Layer;

/** What the tensors of a model of experts are, by their names and shapes. */
final class MoeTensors {
  private static final String MARK = ".experts.";

  private final Description description;
  private final Map<String, TensorInfo> tensors;
  private final List<String> problems = new ArrayList<>();

  private MoeTensors(Description description, Checkpoint tensors) {
    this.description = description;
    this.tensors = tensors.tensors();
  }

  /**
   * @throws IncompatibleModelsException when they are no such model, or contradict its description
   */
  static Map<String, Layer> layers(Description description, Checkpoint tensors) {
    MoeTensors found = new MoeTensors(description, tensors);
    Map<String, Layer> layers = found.layers();
    if (!found.problems.isEmpty()) {
      throw new IncompatibleModelsException(
          tensors + ": no model of " + description.experts().size() + " experts", found.problems);
    }
    return layers;
  }

  private Map<String, Layer> layers() {
    TreeSet<String> modules = new TreeSet<>();
    for (String name : tensors.keySet()) {
      int at = name.lastIndexOf(MARK);
      if (at <= 0) {
        problems.add(Names.quote(name) + " is no tensor of experts");
      } else {
        modules.add(name.substring(0, at));
      }
    }
    Map<String, Layer> layers = new LinkedHashMap<>();
    int expected = 0;
    for (String module : modules) {
      Layer named = new Layer(module, TensorInfo.of(DType.F32), TensorInfo.of(DType.F32));
      List<String> own = List.of(named.a(), named.b(), named.gate(), named.scale());
      expected += own.size();
      List<String> missing = own.stream().filter(name -> !tensors.containsKey(name)).toList();
      if (missing.isEmpty()) {
        layers.put(module, layer(module, named));
      } else {
        problems.add("no " + Names.some(missing));
      }
    }
    if (problems.isEmpty() && expected != tensors.size()) {
      problems.add("there are %d tensors for %d modules".formatted(tensors.size(), modules.size()));
    }
    if (tensors.isEmpty()) {
      problems.add("there are no tensors");
    }
    return layers;
  }

  private Layer layer(String module, Layer named) {
    TensorInfo a = tensors.get(named.a());
    TensorInfo b = tensors.get(named.b());
    TensorInfo gate = tensors.get(named.gate());
    TensorInfo scale = tensors.get(named.scale());
    long experts = description.experts().size();
    boolean fits =
        a.rank() >= 3
            && b.rank() == 3
            && a.size() > 0
            && b.size() > 0
            && a.dim(0) == experts
            && b.dim(0) == experts
            && b.dim(2) == a.dim(1)
            && gate.rank() == a.rank() - 1
            && gate.dim(0) == experts
            && gate.shape().subList(1, gate.rank()).equals(a.shape().subList(2, a.rank()))
            && scale.equals(TensorInfo.of(DType.F64, experts));
    boolean typed =
        a.dtype().isArithmetic() && b.dtype().isArithmetic() && gate.dtype().isArithmetic();
    if (!fits || !typed) {
      problems.add(
          "%s has A %s, B %s, gates %s and scales %s, for %d experts"
              .formatted(Names.quote(module), a, b, gate, scale, experts));
    }
    return new Layer(module, a, b);
  }
}
