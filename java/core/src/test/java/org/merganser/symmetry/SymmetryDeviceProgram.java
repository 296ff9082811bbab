// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.merganser.compute.Backend;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Tensor;
import org.merganser.symmetry.SymmetryElement.Kind;
import org.merganser.transformer.GoldenModel;
import org.merganser.transformer.TransformerConfig;

/** Moves models where the memory is apart from the host's, and compares with the CPU. */
public final class SymmetryDeviceProgram {
  private SymmetryDeviceProgram() {}

  public static void main(String[] args) throws IOException {
    try (Workspace device = Workspace.builder().backend(Backend.CUDA).open();
        Workspace cpu = Workspace.builder().backend(Backend.CPU).open()) {
      for (GoldenModel model : GoldenModel.values()) {
        for (Set<Kind> kinds :
            List.of(
                EnumSet.complementOf(EnumSet.of(Kind.ROTATION)),
                EnumSet.complementOf(EnumSet.of(Kind.RESIDUAL, Kind.GAINS)))) {
          Checkpoint weights = model.weights();
          TransformerConfig config = model.config();
          if (kinds.contains(Kind.ROTATION) && !config.postNorm()) {
            NormAbsorption absorbed = NormAbsorption.of(weights, config, true, device);
            weights = absorbed.checkpoint();
            config = absorbed.config();
          }
          SymmetryElement element = SymmetryElement.random(config, kinds, 1);
          SymmetryElement twice = element.after(element, device);
          boolean same = true;
          for (DType dtype : new DType[] {DType.F64, DType.BF16}) {
            for (SymmetryElement each : List.of(element, twice)) {
              same &= same(each.apply(weights.as(dtype)), device, cpu);
            }
          }
          System.out.println(model + (same ? ": same bytes" : ": other bytes"));
        }
      }
    }
  }

  private static boolean same(Checkpoint moved, Workspace device, Workspace cpu)
      throws IOException {
    for (String name : moved.tensors().keySet()) {
      try (Tensor there = moved.readOn(name, device);
          Tensor found = there.toHost(device);
          Tensor wanted = moved.read(name, cpu)) {
        if (!found.sameBytes(wanted)) {
          return false;
        }
      }
    }
    return true;
  }
}
