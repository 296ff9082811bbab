// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Loads the library in two class loaders that know nothing of each other, as servlet containers do.
 */
public final class TwoClassLoadersProgram {
  private TwoClassLoadersProgram() {}

  public static void main(String[] classPath) throws Exception {
    List<URL> urls = new ArrayList<>();
    for (String entry : classPath) {
      urls.add(Path.of(entry).toUri().toURL());
    }
    List<URLClassLoader> kept = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      URLClassLoader loader =
          new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
      kept.add(loader);
      loader
          .loadClass(LoadProgram.class.getName())
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[0]);
    }
    System.out.println("loaders " + kept.size());
  }
}
