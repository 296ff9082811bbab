// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.layers;

import java.io.IOException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.merganser.torch.internal.Libtorch;

/** For a child JVM: convolutions of many widths, as in training; given "bare", one without care. */
final class ConvolveOften {
  private ConvolveOften() {}

  @SuppressWarnings("try")
  public static void main(String[] args) throws IOException {
    Libtorch.call(
        1,
        () -> {
          torch.manual_seed(1);
          if (args.length > 0) {
            torch.conv2d(normal(2, 20, 6, 6), normal(16, 20, 3, 3));
            return null;
          }
          for (long kernel : new long[] {1, 3, 7}) {
            for (long stride : new long[] {1, 2}) {
              for (long in : new long[] {1, 3, 4, 8, 12, 13, 16, 20, 24, 33}) {
                for (long out : new long[] {3, 8, 16, 20, 40}) {
                  train(in, out, kernel, stride, 1);
                }
                train(in, in, kernel, stride, in);
                train(2 * in, 6, kernel, stride, 2);
              }
              try (PointerScope scope = new PointerScope()) {
                // The first layer: nobody wants the gradient of images.
                convolve(normal(2, 3, 7, 6), 16, kernel, stride, 1);
              }
            }
          }
          System.out.println("done");
          return null;
        });
  }

  @SuppressWarnings("try")
  private static void train(long in, long out, long kernel, long stride, long groups) {
    try (PointerScope scope = new PointerScope()) {
      convolve(normal(2, in, 7, 6).requires_grad_(true), out, kernel, stride, groups);
    }
  }

  /** Against the same in double, for which libtorch does without oneDNN. */
  private static void convolve(Tensor x, long out, long kernel, long stride, long groups) {
    Tensor weight = normal(out, x.size(1) / groups, kernel, kernel).requires_grad_(true);
    Tensor bias = normal(out).requires_grad_(true);
    Tensor[] leaves = {x, weight, bias};
    Tensor[] wide = new Tensor[leaves.length];
    for (int i = 0; i < wide.length; i++) {
      wide[i] = leaves[i].detach().to(ScalarType.Double).requires_grad_(leaves[i].requires_grad());
    }
    long padding = kernel / 2;
    Tensor y = BlockedConvolution.apply(x, weight, bias, stride, padding, groups);
    Tensor wanted = BlockedConvolution.apply(wide[0], wide[1], wide[2], stride, padding, groups);
    Tensor along = torch.randn_like(y.detach());
    y.mul(along).sum().backward();
    wanted.mul(along.to(ScalarType.Double)).sum().backward();
    compare(y.detach(), wanted.detach());
    for (int i = 0; i < wide.length; i++) {
      if (wide[i].requires_grad()) {
        compare(leaves[i].grad(), wide[i].grad());
      }
    }
  }

  private static void compare(Tensor found, Tensor wanted) {
    double error = found.to(ScalarType.Double).sub(wanted).abs().max().item_double();
    // Sums of normal numbers: a lone one that cancels is not to be met to more digits than others.
    error /= Math.max(1, wanted.abs().max().item_double());
    // Not less is also what NaN is.
    if (!(error < 1e-5)) {
      System.out.println("off by " + error);
    }
  }

  private static Tensor normal(long... shape) {
    return torch.randn(shape);
  }
}
