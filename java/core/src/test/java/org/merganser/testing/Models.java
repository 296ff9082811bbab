// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.linalg.Tensor;
import org.merganser.model.Architecture;
import org.merganser.model.Architecture.BoundAxis;
import org.merganser.model.FeatureSpace;

/** Checkpoints for tests: permuting without the code under test, and comparing bit by bit. */
public final class Models {
  private Models() {}

  /** A random order of the features of every space. */
  public static Map<String, int[]> orders(Architecture architecture, long seed) {
    Map<String, int[]> orders = new LinkedHashMap<>();
    for (FeatureSpace space : architecture.spaces()) {
      orders.put(space.id(), Oracle.permutation((int) space.width(), seed + orders.size()));
    }
    return orders;
  }

  /** The same function with feature r being feature {@code orders[r]} of {@code model}. */
  public static MemoryCheckpoint permute(
      Checkpoint model, Architecture architecture, Map<String, int[]> orders, Workspace ws)
      throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (String name : model.tensors().keySet()) {
      Tensor tensor = model.read(name, ws);
      for (BoundAxis axis : architecture.bindings(name)) {
        tensor = permute(tensor, axis, orders.get(axis.space().id()));
      }
      tensors.put(name, tensor);
    }
    return MemoryCheckpoint.of(tensors);
  }

  private static Tensor permute(Tensor tensor, BoundAxis bound, int[] order) {
    int axis = bound.binding().axis();
    int element = tensor.dtype().bits() / 8;
    int inner = element;
    int outer = 1;
    for (int a = 0; a < tensor.rank(); a++) {
      if (a < axis) {
        outer *= (int) tensor.dim(a);
      } else if (a > axis) {
        inner *= (int) tensor.dim(a);
      }
    }
    int size = (int) tensor.dim(axis);
    int offset = (int) bound.binding().block().offset();
    int repeat = (int) bound.binding().block().repeat();
    int stride = (int) bound.binding().block().stride();
    byte[] from = bytes(tensor);
    byte[] to = from.clone();
    for (int o = 0; o < outer; o++) {
      for (int r = 0; r < order.length; r++) {
        for (int k = 0; k < repeat; k++) {
          int source = (o * size + offset + order[r] * stride + k) * inner;
          int target = (o * size + offset + r * stride + k) * inner;
          System.arraycopy(from, source, to, target, inner);
        }
      }
    }
    Tensor result = Tensor.allocate(tensor.dtype(), tensor.shape());
    result.buffer(0, to.length).put(to);
    return result;
  }

  public static byte[] bytes(Tensor tensor) {
    byte[] bytes = new byte[Math.toIntExact(tensor.bytes())];
    ByteBuffer buffer = tensor.buffer(0, bytes.length);
    buffer.get(bytes);
    return bytes;
  }

  /** Every tensor equal to the last bit. */
  public static void assertSameBits(
      String what, Checkpoint actual, Checkpoint expected, Workspace ws) throws IOException {
    if (!actual.tensors().equals(expected.tensors())) {
      throw new AssertionError(what + ": " + actual.tensors() + ", expected " + expected.tensors());
    }
    for (String name : expected.tensors().keySet()) {
      try (Tensor found = actual.read(name, ws);
          Tensor wanted = expected.read(name, ws)) {
        Close.bitwise(what + " '" + name + "'", found, wanted);
      }
    }
  }

  /** Every tensor within {@code tolerance} of its largest element. */
  public static void assertClose(
      String what, Checkpoint actual, Checkpoint expected, double tolerance, Workspace ws)
      throws IOException {
    for (String name : expected.tensors().keySet()) {
      try (Tensor found = actual.read(name, ws);
          Tensor wanted = expected.read(name, ws)) {
        Close.relative(
            what + " '" + name + "'", found.toDoubleArray(), wanted.toDoubleArray(), tolerance);
      }
    }
  }
}
