// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.io.IOException;
import org.bytedeco.javacpp.Loader;
import org.merganser.natives.global.merganser;

/**
 * Puts what the CUDA backend needs where the native library looks for it: the plug-in beside {@code
 * libmerganser.so}, and cuBLAS and cuSOLVER loaded through Bytedeco's presets when {@code
 * merganser-cuda} is on the class path.
 */
final class CudaPlugin {
  private static final System.Logger LOG = System.getLogger(CudaPlugin.class.getName());

  private static final String[] PRESETS = {
    "org.bytedeco.cuda.global.cublas", "org.bytedeco.cuda.global.cusolver"
  };

  private CudaPlugin() {}

  /**
   * Extracts the plug-in, if this build has one; without it the backend says it is not in the
   * build.
   */
  static void prepare() {
    String path = System.getProperty("merganser.cuda.path");
    if (path != null) {
      Status.check(merganser.mg_environment_default("MERGANSER_CUDA_PATH", path));
    }
    String resource = "/org/merganser/natives/" + LoadFailure.platform() + "/libmerganser_cuda.so";
    try {
      if (CudaPlugin.class.getResource(resource) != null) {
        Loader.cacheResource(CudaPlugin.class, resource);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "the CUDA plug-in cannot be extracted", e);
    }
  }

  /** Loads the CUDA libraries through the presets; without them the loader path is searched. */
  static void loadPresets() {
    for (String preset : PRESETS) {
      try {
        Loader.load(Class.forName(preset, false, CudaPlugin.class.getClassLoader()));
      } catch (ClassNotFoundException e) {
        LOG.log(System.Logger.Level.DEBUG, "{0} is not on the class path", preset);
      } catch (LinkageError e) {
        LOG.log(System.Logger.Level.DEBUG, "{0} does not load: {1}", preset, e.getMessage());
      }
    }
  }
}
