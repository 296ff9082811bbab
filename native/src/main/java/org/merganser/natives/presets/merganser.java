// SPDX-License-Identifier: Apache-2.0
package org.merganser.natives.presets;

import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * How JavaCPP binds {@code merganser.h}, and {@code merganser_testing.h} for tests and benchmarks.
 * OpenBLAS is preloaded from Bytedeco's own jar rather than inherited from its preset: inheriting
 * parses all of LAPACK and loads its JNI library too.
 */
@Properties(
    inherit = org.bytedeco.javacpp.presets.javacpp.class,
    target = "org.merganser.natives",
    global = "org.merganser.natives.global.merganser",
    value =
        @Platform(
            value = "linux-x86_64",
            include = {"merganser.h", "merganser_testing.h"},
            link = "merganser",
            preload = {"gcc_s@.1", "quadmath@.0", "gfortran@.5", "openblas@.0"},
            preloadresource = "/org/bytedeco/openblas/"))
@NoException
public class merganser implements InfoMapper {
  @Override
  public void map(InfoMap infoMap) {
    infoMap.put(new Info("MG_API").cppTypes().annotations());
  }
}
