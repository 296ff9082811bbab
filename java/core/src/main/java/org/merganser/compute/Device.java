// SPDX-License-Identifier: Apache-2.0
package org.merganser.compute;

/** Where {@link Memory} lies. */
public enum Device {
  HOST,
  CUDA
}
