// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.merganser.compute.Cancellation;
import org.merganser.plan.Doctor;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Entry point of {@code bin/merganser}. */
@Command(
    name = "merganser",
    description = "Aligns and merges trained neural networks.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      QuickstartCommand.class,
      ExperimentCommand.class,
      MergeCommand.class,
      AlignCommand.class,
      InspectCommand.class,
      DoctorCommand.class
    },
    footer = {
      "",
      "Exit codes: 0 ok, 2 usage, 3 incompatible models, 4 numerical, 5 I/O or file format,",
      "6 native library, 70 bug, 130 cancelled."
    })
public final class Main {
  /** Thrown by Ctrl-C; shared by every command of the process. */
  static final Cancellation CANCELLATION = new Cancellation();

  private static final long GRACE_SECONDS = 20;

  /** Kept, since the log manager would forget its level. */
  private static final Logger LIBRARY = Logger.getLogger("org.merganser");

  private Main() {}

  /** Runs a command and exits with its code. */
  public static void main(String[] args) {
    // What the library says for the log of an application; doctor tells it here.
    if (System.getProperty("java.util.logging.config.file") == null) {
      LIBRARY.setLevel(Level.WARNING);
    }
    Thread main = Thread.currentThread();
    Thread hook =
        new Thread(
            () -> {
              CANCELLATION.cancel();
              try {
                // Time to remove what is half-written.
                main.join(TimeUnit.SECONDS.toMillis(GRACE_SECONDS));
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    Runtime.getRuntime().addShutdownHook(hook);
    int code = commandLine().execute(args);
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Ctrl-C: the JVM is already going down, and gives 130 by itself once this thread ends.
      return;
    }
    System.exit(code);
  }

  static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExecutionStrategy(Failures::run)
        .setExecutionExceptionHandler(new Failures())
        .setUsageHelpAutoWidth(true);
  }

  /** Version of the Java part. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"merganser " + Doctor.version()};
    }
  }
}
