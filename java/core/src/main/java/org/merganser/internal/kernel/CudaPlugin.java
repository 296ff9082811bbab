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

  private static boolean presetsTried;

  private CudaPlugin() {}

  /** Whether there is one to look for: in this build, or named by the user. */
  static boolean exists() {
    return System.getenv("MERGANSER_CUDA_PLUGIN") != null
        || System.getProperty("merganser.cuda.plugin") != null
        || CudaPlugin.class.getResource(resource()) != null;
  }

  private static String resource() {
    return "/org/merganser/natives/" + LoadFailure.platform() + "/libmerganser_cuda.so";
  }

  /**
   * Extracts the plug-in, if this build has one; without it the backend says it is not in the
   * build. The property {@code merganser.cuda.plugin} names another file, {@code
   * merganser.cuda.path} the folder of the CUDA libraries.
   */
  static void prepare() {
    environment("MERGANSER_CUDA_PATH", System.getProperty("merganser.cuda.path"));
    environment("MERGANSER_CUDA_PLUGIN", System.getProperty("merganser.cuda.plugin"));
    try {
      if (CudaPlugin.class.getResource(resource()) != null) {
        Loader.cacheResource(CudaPlugin.class, resource());
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "the CUDA plug-in cannot be extracted", e);
    }
  }

  private static void environment(String name, String value) {
    if (value != null) {
      Status.check(merganser.mg_environment_default(name, value));
    }
  }

  /**
   * Loads the CUDA libraries through the presets, once; without them the loader path is searched.
   * To be called before the native library first looks for them.
   */
  static synchronized void loadPresets() {
    if (presetsTried) {
      return;
    }
    presetsTried = true;
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
