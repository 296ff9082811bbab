// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32;
import org.bytedeco.javacpp.Loader;
import org.merganser.error.NativeLibraryException;

/**
 * Sees to it that the extracted libraries are those of the jar. JavaCPP takes a library out of its
 * cache when name of the jar, size and time agree; two builds often have all three in common (jars
 * are built with fixed times, sections are aligned), and then code of another build would run. The
 * checksum in the jar's directory tells; reading the extracted files takes a few milliseconds.
 */
final class LibraryCache {
  private static final List<String> LIBRARIES =
      List.of("libmerganser.so", "libjnimerganser.so", "libmerganser_cuda.so");

  private LibraryCache() {}

  /**
   * To be called before JavaCPP loads anything of ours. What cannot be extracted is left for the
   * loading to explain.
   *
   * @throws NativeLibraryException when a file of another build cannot be replaced
   */
  static void refresh() {
    for (String library : LIBRARIES) {
      URL resource =
          LibraryCache.class.getResource(
              "/org/merganser/natives/" + LoadFailure.platform() + "/" + library);
      if (resource == null) {
        continue;
      }
      try {
        if (resource.openConnection() instanceof JarURLConnection jar) {
          refresh(resource, jar.getJarEntry().getCrc());
        }
      } catch (IOException | UncheckedIOException e) {
        return;
      }
    }
  }

  private static void refresh(URL resource, long checksum) throws IOException {
    File cached = Loader.cacheResource(resource);
    if (cached == null || checksum < 0 || checksum == checksum(cached.toPath())) {
      return;
    }
    // Another time makes JavaCPP extract it anew, under its own lock and as a new file: processes
    // that use the old one keep it.
    cached.setLastModified(0);
    Loader.cacheResource(resource);
    if (checksum != checksum(cached.toPath())) {
      throw new NativeLibraryException(
          cached
              + " is not the library in "
              + resource
              + " and cannot be replaced; delete it, or set"
              + " -Dorg.bytedeco.javacpp.cachedir=DIR to a folder that can be written");
    }
  }

  private static long checksum(Path file) throws IOException {
    CRC32 crc = new CRC32();
    try (FileChannel channel = FileChannel.open(file)) {
      crc.update(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
    }
    return crc.getValue();
  }
}
