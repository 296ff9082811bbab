// SPDX-License-Identifier: Apache-2.0
package org.merganser.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.merganser.benchmarks.SyntheticTransformer.Kinship;
import org.merganser.compute.Workspace;
import org.merganser.method.Settings;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryAligner.Model;
import org.merganser.symmetry.SymmetryAligner.Options;
import org.merganser.symmetry.SymmetryAligner.Result;
import org.merganser.transformer.TransformerConfig;

/**
 * One sweep of the alignment of transformers of published sizes, in a process of its own: its time
 * and peak memory. Weights are computed when they are read, in the time that is given.
 *
 * <pre>
 * java -cp benchmarks.jar org.merganser.benchmarks.SymmetrySweep MODEL child|relative|stranger \
 *     [LAYERS [THREADS [NAME=VALUE,...]]]
 * </pre>
 *
 * <p>With fewer layers than the model has, the time of the sweep is that of these, and of all by
 * proportion in brackets.
 */
final class SymmetrySweep {
  private SymmetrySweep() {}

  public static void main(String... args) throws IOException {
    if (args.length < 2) {
      throw new UsageException(
          "needed: MODEL child|relative|stranger [LAYERS [THREADS [SETTINGS]]]");
    }
    TransformerConfig whole = SyntheticTransformer.config(args[0]);
    Kinship kinship = Kinship.valueOf(args[1].toUpperCase(Locale.ROOT));
    int layers = args.length > 2 ? Integer.parseInt(args[2]) : whole.layers();
    int threads =
        args.length > 3 ? Integer.parseInt(args[3]) : Runtime.getRuntime().availableProcessors();
    Options options =
        args.length > 4
            ? Settings.of(Options.defaults()).parse("sweep", args[4])
            : Options.defaults();
    TransformerConfig config = whole.with("layers", layers);
    try (Workspace ws = Workspace.builder().threads(threads).open()) {
      long start = System.nanoTime();
      Result result =
          SymmetryAligner.of(options)
              .align(
                  new Model(new SyntheticTransformer(config, kinship), config),
                  new Model(new SyntheticTransformer(config, Kinship.BASE), config),
                  ws);
      double seconds = (System.nanoTime() - start) * 1e-9;
      System.out.printf(
          Locale.ROOT,
          "%s, %s, %d of %d layers, %d threads: %.1f s (all layers %.0f s; %.1f s of"
              + " processors), peak %.2f GB%n%s",
          args[0],
          args[1],
          layers,
          whole.layers(),
          threads,
          seconds,
          seconds * whole.layers() / layers,
          processors(),
          resident() * 1e-9,
          result.report());
    }
  }

  private static double processors() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime()
        * 1e-9;
  }

  private static long resident() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow();
  }
}
