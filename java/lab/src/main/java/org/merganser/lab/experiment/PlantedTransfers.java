// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.io.TensorInfo;
import org.merganser.linalg.Tensor;
import org.merganser.recipe.SkillTransfer;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.torch.transformer.TransformerSession;
import org.merganser.transformer.TransformerConfig;

/**
 * Transfers whose right result is known. The target is a model; the skill is the same with noise of
 * 5 % of the deviation of each tensor; both source models are moved by one random symmetry. With
 * lambda 1 the right result computes what the model with noise does, and an aligned transfer is
 * that, however the sources were moved. What findings have already is not done again.
 */
record PlantedTransfers(
    SkillTransferExperiment.Options options, long seed, Findings findings, Workspace ws) {
  private static final double NOISE = 0.05;
  private static final int SEQUENCES = 4;
  private static final int LENGTH = 16;

  /** Everything but what gains of norms exclude or take part in. */
  private static final Set<Kind> KINDS =
      EnumSet.complementOf(EnumSet.of(Kind.ROTATION, Kind.GAINS));

  void run() throws IOException {
    TransformerConfig random = TransformerConfig.llama(200, 64, 3, 8, 2, 8, 160);
    try (MemoryCheckpoint weights = random(random)) {
      planted("random weights", random, weights);
    }
    PlantedFiles.of(options).each(this::planted);
  }

  /** Uniform: embeddings in [-1, 1], gains in [0.5, 1.5], others in [-0.5, 0.5]. */
  private MemoryCheckpoint random(TransformerConfig config) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, TensorInfo> tensor : config.tensors(DType.F64).entrySet()) {
      SplittableRandom random = Seeds.stream(seed, "planted/" + tensor.getKey());
      TensorInfo info = tensor.getValue();
      double scale = tensor.getKey().contains("embed_tokens") ? 1 : 0.5;
      double offset = info.rank() == 1 && tensor.getKey().endsWith(".weight") ? 1 : 0;
      double[] values = random.doubles(info.size(), -1, 1).map(u -> offset + scale * u).toArray();
      tensors.put(tensor.getKey(), Tensor.of(values, info.dims()));
    }
    return MemoryCheckpoint.of(tensors);
  }

  private void planted(String name, TransformerConfig config, Checkpoint canonical)
      throws IOException {
    if (findings.map("planted").containsKey(name)) {
      return;
    }
    ws.cancellation().check();
    SymmetryElement g = SymmetryElement.random(config, KINDS, Seeds.derive(seed, name));
    SymmetryAligner.Options how =
        SymmetryAligner.Options.defaults()
            .with("residual", SymmetryAligner.Residual.SIGNED_PERMUTATION)
            .with("scales", SymmetryAligner.Scales.BALANCE)
            .with("valueOutput", SymmetryAligner.ValueOutput.GENERAL)
            .with(
                "queryKey",
                config.rope().isPresent()
                    ? SymmetryAligner.QueryKey.AUTO
                    : SymmetryAligner.QueryKey.GENERAL);
    try (Opened opened = new Opened()) {
      Checkpoint own = canonical.where(config.tensors(DType.F64)::containsKey).as(DType.F64);
      MemoryCheckpoint target = opened.add(MemoryCheckpoint.copyOf(own, ws));
      MemoryCheckpoint skill = opened.add(noisy(target));
      Checkpoint base = opened.add(MemoryCheckpoint.copyOf(g.apply(target), ws));
      Checkpoint moved = opened.add(MemoryCheckpoint.copyOf(g.apply(skill), ws));
      SkillTransfer transfer =
          SkillTransfer.of(
              config, target, moved, base, SkillTransfer.Options.defaults().withAlign(how));
      SymmetryAligner.Result found = transfer.align(ws);
      double[] right = outputs(config, skill);
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("parameters", (double) target.parameters());
      row.put("before", found.report().before());
      row.put("after", found.report().after());
      row.put("nothing", error(outputs(config, target), right));
      row.put("naive", error(outputs(config, transfer.add(1, ws)), right));
      row.put("aligned", error(outputs(config, transfer.add(found.element(), 1, ws)), right));
      findings.map("planted").put(name, row);
    }
  }

  private MemoryCheckpoint noisy(MemoryCheckpoint model) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : model.tensors().keySet()) {
      SplittableRandom random = Seeds.stream(seed, "noise/" + name);
      double[] values = model.tensor(name).toDoubleArray();
      double mean = 0;
      double square = 0;
      for (double value : values) {
        mean += value / values.length;
        square += value * value / values.length;
      }
      double deviation = Math.sqrt(Math.max(0, square - mean * mean));
      for (int i = 0; i < values.length; i++) {
        values[i] += NOISE * deviation * random.nextGaussian();
      }
      tensors.put(name, Tensor.of(values, model.info(name).dims()));
    }
    return MemoryCheckpoint.of(tensors);
  }

  /** In F64, of random tokens. */
  private double[] outputs(TransformerConfig config, Checkpoint model) throws IOException {
    SplittableRandom random = Seeds.stream(seed, "planted/tokens");
    int[][] tokens = new int[SEQUENCES][];
    for (int s = 0; s < SEQUENCES; s++) {
      tokens[s] = random.ints(LENGTH, 0, config.vocabulary()).toArray();
    }
    TransformerNetwork network = TransformerNetwork.of(config).in(DType.F64);
    try (TransformerSession session = network.open(model, ws);
        Tensor outputs = session.logits(tokens)) {
      return outputs.toDoubleArray();
    }
  }

  /** Root mean square of the difference, relative to that of the right outputs. */
  private static double error(double[] found, double[] right) {
    double difference = 0;
    double size = 0;
    for (int i = 0; i < right.length; i++) {
      difference += (found[i] - right[i]) * (found[i] - right[i]);
      size += right[i] * right[i];
    }
    return Math.sqrt(difference / size);
  }
}
