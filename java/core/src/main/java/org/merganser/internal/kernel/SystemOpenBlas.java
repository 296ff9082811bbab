// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import org.merganser.error.NativeLibraryException;
import org.merganser.natives.global.merganser;

/**
 * Where OpenBLAS comes from: Bytedeco's jar, the version that this library is built and tested
 * with. Without the jar the linker would take whatever the system has, with other results and
 * speed, so that needs {@code -Dmerganser.openblas=system} and is logged.
 */
final class SystemOpenBlas {
  private static final System.Logger LOG = System.getLogger(SystemOpenBlas.class.getName());

  private static final String PROPERTY = "merganser.openblas";

  private SystemOpenBlas() {}

  /** The failure when the jar is missing and nobody chose the system's; null otherwise. */
  static NativeLibraryException refuse() {
    String value = System.getProperty(PROPERTY, "bytedeco");
    if (!value.equals("bytedeco") && !value.equals("system")) {
      return new NativeLibraryException(
          "-D" + PROPERTY + "=" + value + " is unknown; use bytedeco (the default) or system");
    }
    if (value.equals("system") || !jarIsMissing()) {
      return null;
    }
    return LoadFailure.explain("the native library of Merganser", LoadFailure.coreJars(), null);
  }

  /** Says which one was loaded when it is not Bytedeco's. */
  static void report() {
    if (jarIsMissing()) {
      LOG.log(
          System.Logger.Level.INFO,
          "the system''s OpenBLAS is used, as -D{0}=system asks: {1}",
          PROPERTY,
          Natives.text(merganser.mg_blas_config()));
    }
  }

  private static boolean jarIsMissing() {
    String platform = LoadFailure.platform();
    return platform.equals(LoadFailure.SUPPORTED) && LoadFailure.OPENBLAS.isMissing(platform);
  }
}
