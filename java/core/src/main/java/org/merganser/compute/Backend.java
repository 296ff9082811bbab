// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

/** Which table of routines a {@link Workspace} runs. */
public enum Backend {
  CPU,
  CUDA
}
