// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.merganser.internal.Opened;
import org.merganser.lab.data.DataSet;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.lab.experiment.NetworkChoice;
import org.merganser.method.Settings;
import org.merganser.plan.Catalogue;
import picocli.CommandLine.Option;

/** A network and samples to run it on, as experiments have them. */
final class NetworkOptions {
  @Option(
      names = "--network",
      paramLabel = "NETWORK",
      description =
          "What the models are parameters of, with settings as experiments have them:"
              + " mlp:hidden=64,layers=2, vgg11:norm=batch, resnet20:width-multiplier=0.25. It is"
              + " run on --data for activations, repairs and mergers that learn.")
  String network;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "A folder of training images, as experiments read them.")
  Path data;

  @Option(
      names = "--shrink",
      paramLabel = "N",
      description = "Average images over N by N pixels first.")
  Integer shrink;

  @Option(
      names = "--train",
      paramLabel = "N",
      description = "Images that are read, from the first; 6000, or all if fewer, unless set.")
  Integer train;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description =
          "Those of them that the network is run on; all, 4000 for convolutional networks, unless"
              + " set.")
  Integer samples;

  /** What an experiment with these options is set to. */
  ExperimentOptions options() {
    if (data == null) {
      throw new IllegalArgumentException("--network needs --data, samples to run it on");
    }
    Map<String, String> given = new LinkedHashMap<>(Map.of("data", data.toString()));
    put(given, "shrink", shrink);
    put(given, "train", train);
    put(given, "statistics", samples);
    NetworkChoice choice =
        Settings.of(NetworkChoice.defaults())
            .parse("--network", "network=" + network.replaceFirst(":", ","));
    ExperimentOptions usual = ExperimentOptions.defaults(Catalogue.aligners().ids().get(0));
    return Settings.with(Settings.of(usual).parse("", given), "choice", choice);
  }

  private static void put(Map<String, String> given, String setting, Integer value) {
    if (value != null) {
      given.put(setting, value.toString());
    }
  }

  /**
   * The network with its data, which are read; empty without one.
   *
   * @param opened closes it
   */
  Optional<RunningNetwork> open(Opened opened) throws IOException {
    if (network == null) {
      return Optional.empty();
    }
    ExperimentOptions options = options();
    DataSet read = opened.add(options.load(0));
    return Optional.of(new RunningNetwork(options, read, options.choice().build(read)));
  }
}
