// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Prints what a shell needs to complete names of commands, options and methods. */
@Command(
    name = "completion",
    mixinStandardHelpOptions = true,
    description = {
      "Prints a script that completes commands, options and methods in bash and zsh.",
      "In bash: source <(merganser completion)",
      "In zsh, before it: autoload -U bashcompinit && bashcompinit"
    })
final class CompletionCommand implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Override
  public Integer call() {
    spec.commandLine().getOut().print(AutoComplete.bash("merganser", spec.root().commandLine()));
    return 0;
  }
}
