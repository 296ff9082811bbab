// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.internal.Opened;
import org.merganser.internal.io.InputFiles;
import org.merganser.lab.experiment.ExperimentOptions;
import org.merganser.method.Settings;
import org.merganser.torch.networks.NetworkChoice;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** A network and samples to run it on, as experiments have them. */
final class NetworkOptions {
  /** What experiments have for samples too; {@link #with} offers it. */
  static final List<String> SAMPLES = List.of("shrink", "train", "statistics");

  private static final Settings<ExperimentOptions> SETTINGS =
      Settings.of(ExperimentOptions.defaults());

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

  /** The command with options for samples beside those here. */
  static CommandLine with(Computation command) {
    CommandLine line = new CommandLine(command);
    ExperimentCommand.declare(line.getCommandSpec(), SETTINGS, SAMPLES::contains);
    return line;
  }

  /** What an experiment with these options is set to. */
  ExperimentOptions options(CommandSpec command) {
    if (data == null) {
      throw new IllegalArgumentException("--network needs --data, samples to run it on");
    }
    return options(
        "--network",
        network,
        data.toString(),
        ExperimentCommand.given(command, SETTINGS, SAMPLES::contains));
  }

  /**
   * The same, of texts.
   *
   * @param place names the network in messages
   * @param samples settings of {@link #SAMPLES}
   */
  static ExperimentOptions options(
      String place, String network, String data, Map<String, String> samples) {
    NetworkChoice choice =
        Settings.of(NetworkChoice.defaults())
            .parse(place, "network=" + network.replaceFirst(":", ","));
    return Settings.with(
        Settings.with(SETTINGS.parse("", samples), "choice", choice), "data", data);
  }

  /** The files of data; none where these are drawn or built in. */
  static List<Path> files(String data) throws IOException {
    return List.of(ExperimentOptions.BLOBS, ExperimentOptions.EMBEDDED).contains(data)
        ? List.of()
        : InputFiles.of(Path.of(data));
  }

  /** As it was asked for, and the files of its data; nothing without one. */
  void describe(CommandSpec command, MergeManifest manifest) throws IOException {
    if (network != null) {
      manifest.put("network", facts(command));
      manifest.putFiles("network_data", files(data.toString()));
    }
  }

  private Map<String, Object> facts(CommandSpec command) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("network", network);
    facts.put("data", data.toString());
    facts.putAll(ExperimentCommand.given(command, SETTINGS, SAMPLES::contains));
    return facts;
  }

  /**
   * The network with its data, which are read; empty without one.
   *
   * @param opened closes it
   */
  Optional<RunningNetwork> open(CommandSpec command, Opened opened) throws IOException {
    if (network == null) {
      return Optional.empty();
    }
    return Optional.of(RunningNetwork.open(options(command), opened));
  }
}
