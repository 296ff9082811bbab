// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.natives.global.merganser;

/** Values of the header's enums under the header's names, for the enums of the packages above. */
public final class Codes {
  public static final int CPU = merganser.MG_BACKEND_CPU;
  public static final int CUDA = merganser.MG_BACKEND_CUDA;

  public static final int ON_HOST = merganser.MG_DEVICE_HOST;
  public static final int ON_CUDA = merganser.MG_DEVICE_CUDA;

  public static final int F64 = merganser.MG_F64;
  public static final int F32 = merganser.MG_F32;
  public static final int F16 = merganser.MG_F16;
  public static final int BF16 = merganser.MG_BF16;

  public static final int MOMENTS_F32 = merganser.MG_MOMENTS_F32;
  public static final int MOMENTS_MIXED = merganser.MG_MOMENTS_MIXED;
  public static final int MOMENTS_F64 = merganser.MG_MOMENTS_F64;
  public static final int MOMENTS_TF32X3 = merganser.MG_MOMENTS_TF32X3;

  public static final int FAIL = merganser.MG_NONFINITE_FAIL;
  public static final int SKIP_SAMPLE = merganser.MG_NONFINITE_SKIP_SAMPLE;

  public static final int COMPLETION_NONE = merganser.MG_COMPLETION_NONE;
  public static final int COMPLETION_IDENTITY = merganser.MG_COMPLETION_IDENTITY;
  public static final int COMPLETION_ASSIGNMENT = merganser.MG_COMPLETION_ASSIGNMENT;
  public static final int COMPLETION_INDEX = merganser.MG_COMPLETION_INDEX;

  public static final int SIGMOID = merganser.MG_NP_SIGMOID;
  public static final int CLAMP = merganser.MG_NP_CLAMP;
  public static final int SOFTMAX = merganser.MG_NP_SOFTMAX;

  public static final int ADAM = merganser.MG_NP_ADAM;
  public static final int SGD = merganser.MG_NP_SGD;

  public static final int PARAMETER = merganser.MG_NP_PARAMETER;
  public static final int ROW = merganser.MG_NP_ROW;
  public static final int TENSOR = merganser.MG_NP_TENSOR;

  private Codes() {}
}
