// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import picocli.CommandLine.Command;

/** Published experiments by name. */
@Command(
    name = "experiment",
    mixinStandardHelpOptions = true,
    description = "Runs a published experiment at the scale of this machine.",
    synopsisSubcommandLabel = "NAME",
    subcommands = {CcaMergeCommand.class, NpMergeCommand.class})
final class ExperimentCommand {}
