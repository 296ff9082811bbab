// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.merganser.compute.Cancellation;
import org.merganser.plan.Doctor;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Entry point of {@code bin/merganser}. */
@Command(
    name = "merganser",
    description = "Aligns and merges trained neural networks.",
    mixinStandardHelpOptions = true,
    scope = CommandLine.ScopeType.INHERIT,
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Exit codes: 0 ok, 2 usage, 3 incompatible models, 4 numerical,",
      "5 I/O or file format, 6 native library, 70 bug, 71 out of memory,",
      "130 cancelled, 141 the reader of the output went away."
    })
public final class Main {
  /** Thrown by Ctrl-C; shared by every command of the process. */
  static final Cancellation CANCELLATION = new Cancellation();

  private static final long GRACE_SECONDS = 20;

  private Main() {}

  /** Runs a command and exits with its code. */
  public static void main(String[] args) {
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
    OutputStream out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out));
    OutputStream err = new FileOutputStream(FileDescriptor.err);
    int code = run(new Printable(out, encoding()), new Printable(err, encoding()), args);
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Ctrl-C: the JVM is already going down, and gives 130 by itself once this thread ends.
      return;
    }
    System.exit(code);
  }

  /** Runs a command, without ending the process. */
  static int run(Printable out, Printable err, String... args) {
    CommandLine command =
        commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err, true));
    LogLines.install(command.getErr());
    int code = command.execute(subcommand(args));
    command.getOut().flush();
    return Failures.ofOutput(code, out.failure(), command.getErr());
  }

  /** {@code merge index DIR} has none of the options that merge needs: a command of its own. */
  private static String[] subcommand(String[] args) {
    boolean index =
        args.length > 1
            && args[0].equals("merge")
            && args[1].equals("index")
            && !Files.exists(Path.of("index"));
    if (!index) {
      return args;
    }
    String[] own = Arrays.copyOfRange(args, 1, args.length);
    own[0] = MergeIndexCommand.NAME;
    return own;
  }

  static CommandLine commandLine() {
    String version = "merganser " + Doctor.version();
    CommandLine completion =
        new CommandLine(new AutoComplete.GenerateCompletion()).setCommandName("completion");
    completion.getCommandSpec().version(version);
    CommandLine command = new CommandLine(new Main());
    command.getCommandSpec().version(version);
    return command
        .addSubcommand("quickstart", ExperimentCommand.quickstart())
        .addSubcommand("experiment", ExperimentCommand.all())
        .addSubcommand(NetworkOptions.with(new MergeCommand()))
        .addSubcommand(NetworkOptions.with(new AlignCommand()))
        .addSubcommand(new ApplyCommand())
        .addSubcommand(new TransferCommand())
        .addSubcommand(NetworkOptions.with(new ImportanceCommand()))
        .addSubcommand(new PlanCommand())
        .addSubcommand(new MergeIndexCommand())
        .addSubcommand("lora", LoraCommand.all())
        .addSubcommand(new MoeCommand())
        .addSubcommand(new VerifyCommand())
        .addSubcommand(new InspectCommand())
        .addSubcommand(new InterferenceCommand())
        .addSubcommand(NetworkOptions.with(new SimilarityCommand()))
        .addSubcommand(new PhateCommand())
        .addSubcommand(new RipsCommand())
        .addSubcommand(new PersistenceCommand())
        .addSubcommand(new MethodsCommand())
        .addSubcommand(new DoctorCommand())
        .addSubcommand(new CommandLine.HelpCommand())
        .addSubcommand(completion)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setUnmatchedOptionsAllowedAsOptionParameters(false)
        .registerConverter(Path.class, FileNames::of)
        .setExecutionStrategy(Failures::run)
        .setExecutionExceptionHandler(new Failures())
        .setParameterExceptionHandler(new UsageErrors())
        // Escapes would be printed as text: see Printable.
        .setColorScheme(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF))
        .setUsageHelpAutoWidth(true);
  }

  /** Of the terminal, as far as Java knows it. */
  private static Charset encoding() {
    String name = System.getProperty("stdout.encoding", System.getProperty("native.encoding", ""));
    try {
      return Charset.forName(name);
    } catch (IllegalArgumentException e) {
      return Charset.defaultCharset();
    }
  }
}
