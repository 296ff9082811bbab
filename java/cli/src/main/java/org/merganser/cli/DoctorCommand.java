// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.merganser.error.NativeLibraryException;
import org.merganser.plan.Doctor;
import org.merganser.torch.TorchNatives;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Describes the installation. */
@Command(
    name = "doctor",
    description = "Says what runs here: backend, ISA, BLAS, versions, why CUDA is not used.")
final class DoctorCommand implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter print = spec.commandLine().getOut();
    Map<String, String> facts = new LinkedHashMap<>(Doctor.examine());
    boolean healthy = !facts.get("native").startsWith("not usable");
    try {
      facts.put("libtorch", TorchNatives.version());
    } catch (NativeLibraryException e) {
      facts.put("libtorch", "not usable: " + e.getMessage());
      healthy = false;
    }
    facts.forEach((name, value) -> print.printf(Locale.ROOT, "%-15s %s%n", name, value));
    return healthy ? 0 : Failures.NATIVE;
  }
}
