// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.internal;

import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.merganser.compute.Device;
import org.merganser.compute.Workspace;
import org.merganser.error.NativeLibraryException;

/** Where libtorch computes, in its words and in ours. */
public final class Placement {
  /** The GPU of every CUDA Workspace; CUDA_VISIBLE_DEVICES chooses the one behind it. */
  private static final byte GPU = 0;

  private Placement() {}

  /** Where a Workspace computes, when libtorch can compute there too; else the host. */
  public static Device of(Workspace ws) {
    return reason(ws.device()).isEmpty() ? ws.device() : Device.HOST;
  }

  /**
   * Throws unless libtorch can compute where a Workspace does.
   *
   * @throws NativeLibraryException with the artifact that could, or what it misses
   */
  public static void require(Workspace ws) {
    String reason = reason(ws.device());
    if (!reason.isEmpty()) {
      throw new NativeLibraryException(
          "libtorch cannot compute on "
              + ws.device()
              + ", where the Workspace does: "
              + reason
              + ", or open the Workspace with Backend.CPU");
    }
  }

  private static String reason(Device device) {
    if (device == Device.HOST) {
      return "";
    }
    Libtorch.load();
    if (torch.cuda_is_available()) {
      return "";
    }
    if (torch.getCUDAHooks().hasCUDART()) {
      return "it finds no GPU that it can use; see what nvidia-smi says";
    }
    return Libtorch.isGpuBuild()
        ? "its libtorch_cuda.so does not load; put the libraries of CUDA 13, cuDNN 9 and NCCL on the"
            + " loader's path (ldd names those that are missing)"
        : "the class path has its build for the CPU; put org.bytedeco:pytorch with classifier "
            + Libtorch.GPU_CLASSIFIER
            + " there instead (Merganser's own build: the Maven profile torch-gpu)";
  }

  static Device of(Tensor tensor) {
    return tensor.is_cuda() ? Device.CUDA : Device.HOST;
  }

  static org.bytedeco.pytorch.Device inTorch(Device device) {
    return switch (device) {
      case HOST -> new org.bytedeco.pytorch.Device(DeviceType.CPU);
      case CUDA -> new org.bytedeco.pytorch.Device(DeviceType.CUDA, GPU);
    };
  }

  /**
   * The stream in which libtorch computes for the calling thread; 0 on the host, which has none.
   *
   * @throws IllegalStateException when it is not the default stream, whose address libtorch does
   *     not tell
   */
  static long stream(Device device) {
    if (device == Device.HOST) {
      return 0;
    }
    try (Stream current = torch.getCurrentStream(GPU)) {
      if (current.id() != 0) {
        throw new IllegalStateException(
            "libtorch computes in stream "
                + current.id()
                + " on this thread; only its default stream can be waited for: leave the guard of"
                + " the other one first");
      }
    }
    return 0;
  }

  /** Waits until libtorch has done what was asked of it on a device. */
  static void finish(Device device) {
    if (device != Device.HOST) {
      torch.cuda_synchronize(GPU);
    }
  }
}
