// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.io.Checkpoint;
import org.merganser.io.Safetensors;
import org.merganser.model.Architecture;
import org.merganser.model.FeatureSpace;
import org.merganser.model.Network;
import org.merganser.similarity.GridAccumulator.Layer;
import org.merganser.similarity.SimilarityGrid;
import org.merganser.similarity.SimilarityGrid.Layers;
import org.merganser.similarity.SimilarityGrid.Source;

/**
 * What is compared: the layers of A and of B, with activations of the same samples.
 *
 * @param pair whether it is one layer with one
 */
record SimilaritySource(Source source, boolean pair) {

  /**
   * Of two {@code .npy} files, or of two folders of them.
   *
   * @param featureAxis of activations with positions
   */
  static SimilaritySource files(Path a, Path b, int featureAxis, Opened opened, Workspace ws)
      throws IOException {
    boolean folder = Files.isDirectory(a);
    if (Files.exists(a) && Files.exists(b) && folder != Files.isDirectory(b)) {
      throw new IllegalArgumentException(
          (folder ? a : b)
              + " is a folder and "
              + (folder ? b : a)
              + " is none; give two files or two folders");
    }
    for (Path side : List.of(a, b)) {
      if (String.valueOf(side.getFileName()).endsWith(".safetensors")) {
        throw new IllegalArgumentException(
            side + " is a checkpoint: give --network and --data to run it on");
      }
    }
    Source read = opened.add(SimilarityGrid.files(a, b, ws));
    return new SimilaritySource(read.withFeatureAxis(featureAxis), !folder);
  }

  /** Of two models of a network: all of its spaces, and what it returns. */
  static SimilaritySource models(
      RunningNetwork running, Path a, Path b, Opened opened, Workspace ws) throws IOException {
    Architecture architecture = running.network().architecture();
    List<Checkpoint> models = new ArrayList<>();
    for (Path file : List.of(a, b)) {
      Checkpoint model = opened.add(Safetensors.open(file));
      architecture.require(file.toString(), model);
      models.add(model);
    }
    Source source =
        new Source(
            opened.add(running.activations(models, ws)),
            layers(architecture, 0),
            layers(architecture, 1),
            running.samples());
    return new SimilaritySource(source, false);
  }

  private static List<Layer> layers(Architecture architecture, int model) {
    List<Layer> layers = new ArrayList<>();
    for (FeatureSpace space : architecture.spaces()) {
      layers.add(new Layer(model, space.id(), space.featureAxis()));
    }
    if (layers.stream().noneMatch(layer -> layer.tap().equals(Network.OUTPUT))) {
      layers.add(Layer.of(model, Network.OUTPUT));
    }
    return layers;
  }

  /** All samples of all layers, in memory. */
  Layers gathered(SimilarityGrid.Options options, Workspace ws) throws IOException {
    return SimilarityGrid.gather(source, options, ws);
  }

  void requireSamples(String what, int least) {
    long samples = source.samples();
    if (samples < least) {
      throw new IllegalArgumentException(
          what + " needs at least " + least + " samples, not " + samples);
    }
  }
}
