// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.merganser.error.NativeLibraryException;

/**
 * Explains why a native library did not load: what happened, on which platform, and what to do. The
 * causes are those users of native Java libraries run into; everything else keeps the linker's
 * words.
 */
public final class LoadFailure {
  /** Platforms there is a native jar for. */
  static final String SUPPORTED = "linux-x86_64";

  private static final String CACHE_PROPERTY = "org.bytedeco.javacpp.cachedir";

  static final NativeJar OPENBLAS =
      new NativeJar("org.bytedeco:openblas", "/org/bytedeco/openblas/%s/libopenblas.so.0");

  private LoadFailure() {}

  /**
   * A native jar that must be on the class path.
   *
   * @param artifact its coordinates without classifier
   * @param resource a file it holds, {@code %s} being the platform
   */
  public record NativeJar(String artifact, String resource) {
    boolean isMissing(String platform) {
      return LoadFailure.class.getResource(resource.formatted(platform)) == null;
    }
  }

  /** The native jars of core. */
  static List<NativeJar> coreJars() {
    return List.of(
        new NativeJar(
            "org.merganser:merganser-native:" + Natives.version(),
            "/org/merganser/natives/%s/libjnimerganser.so"),
        OPENBLAS);
  }

  /**
   * @param library named in the message
   * @param jars what it needs
   * @param cause what the JVM or JavaCPP threw
   */
  public static NativeLibraryException explain(
      String library, List<NativeJar> jars, Throwable cause) {
    String platform = platform();
    String text = texts(cause);
    String head = "cannot load " + library + " on " + platform + ": ";
    return new NativeLibraryException(head + reason(platform, jars, text, cause), cause);
  }

  private static String reason(
      String platform, List<NativeJar> jars, String text, Throwable cause) {
    return forbidden(text)
        .or(() -> notThere(platform, jars, text))
        .or(() -> notExtracted(text))
        .or(() -> notLinked(text))
        .orElseGet(
            () ->
                cause.getMessage()
                    + "; -Dorg.bytedeco.javacpp.logger.debug=true shows what was tried");
  }

  /** Since JDK 24, by --illegal-native-access=deny; its text names the javacpp jar. */
  private static Optional<String> forbidden(String text) {
    return text.contains("Illegal native access")
        ? Optional.of(
            "this JVM forbids native access to the class path; add the option"
                + " --enable-native-access=ALL-UNNAMED")
        : Optional.empty();
  }

  /** What the class path lacks, or has for no such platform. */
  private static Optional<String> notThere(String platform, List<NativeJar> jars, String text) {
    if (text.contains("org/bytedeco/javacpp/")) {
      return Optional.of(
          "not on the class path: org.bytedeco:javacpp; it comes with merganser unless a build"
              + " excludes it");
    }
    if (!platform.equals(SUPPORTED)) {
      return Optional.of(
          "there is no native library for this platform, only for "
              + SUPPORTED
              + (System.getProperty("org.bytedeco.javacpp.platform") == null
                  ? ""
                  : "; it was set by -Dorg.bytedeco.javacpp.platform, remove that setting"));
    }
    List<String> missing = new ArrayList<>();
    for (NativeJar jar : jars) {
      if (jar.isMissing(platform)) {
        missing.add(jar.artifact() + " with classifier " + platform);
      }
    }
    if (missing.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        "not on the class path: "
            + String.join(" and ", missing)
            + "; add it as a dependency (a build tool that drops classifiers, or a shaded jar"
            + " without native resources, loses it)");
  }

  /** What is wrong with the folder that libraries are extracted to. */
  private static Optional<String> notExtracted(String text) {
    String remedy = "; set -D" + CACHE_PROPERTY + "=DIR to a folder ";
    if (text.contains("Could not create the cache")) {
      return Optional.of(
          "the libraries cannot be extracted, no cache folder can be written (tried -D"
              + CACHE_PROPERTY
              + ", .javacpp in the home folder "
              + System.getProperty("user.home")
              + ", and the temporary folder "
              + System.getProperty("java.io.tmpdir")
              + ")"
              + remedy
              + "that can be written");
    }
    if (text.contains("failed to map segment") || text.contains("Operation not permitted")) {
      String part = text.contains("failed to map segment") ? "failed to map" : "not permitted";
      return Optional.of(
          "the folder they are extracted to does not allow programs to run (mounted noexec): "
              + line(text, part)
              + remedy
              + "that does");
    }
    if (text.contains("No space left on device")) {
      return Optional.of(
          "there is no room to extract the libraries (about 100 MB): "
              + line(text, "No space left")
              + remedy
              + "with more");
    }
    return Optional.empty();
  }

  /** Why a library that is there is not taken by this system or this JVM. */
  private static Optional<String> notLinked(String text) {
    if (text.contains("GLIBC_")) {
      return Optional.of(
          "the C library of this system is too old: "
              + line(text, "GLIBC_")
              + "; use a newer distribution, or build Merganser on this one");
    }
    if (text.contains("already loaded in another classloader")) {
      return Optional.of(
          "another class loader of this JVM has loaded it, and only one can; put merganser and its"
              + " native jars into the shared class loader of the container");
    }
    return Optional.empty();
  }

  /** JavaCPP's name of the platform, also when JavaCPP itself cannot be initialised. */
  static String platform() {
    try {
      return Loader.getPlatform();
    } catch (LinkageError e) {
      return System.getProperty("os.name") + "-" + System.getProperty("os.arch");
    }
  }

  /** Messages of the whole chain of causes. */
  private static String texts(Throwable cause) {
    StringBuilder text = new StringBuilder();
    for (Throwable t = cause; t != null && t != t.getCause(); t = t.getCause()) {
      text.append(t.getMessage()).append('\n');
    }
    return text.toString();
  }

  private static String line(String text, String part) {
    return text.lines().filter(l -> l.contains(part)).findFirst().orElse(text).strip();
  }
}
