// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/**
 * Finds the files of models on this machine; nothing is ever fetched. A reference is, in this
 * order,
 *
 * <ol>
 *   <li>a path, when it has no revision;
 *   <li>{@code FOLDER/org/name} or {@code FOLDER/org__name} in each of the folders; with a revision
 *       {@code FOLDER/org/name@revision}, since a folder does not say which it has;
 *   <li>in each of the folders and caches what the libraries of Hugging Face keep: {@code
 *       models--org--name/snapshots/COMMIT}, where {@code refs/REVISION} holds the commit ({@code
 *       main} unless one is named), or the revision is the commit.
 * </ol>
 *
 * @param folders in which models lie under their names
 * @param caches of Hugging Face's libraries
 */
public record ModelStore(List<Path> folders, List<Path> caches) {
  private static final Pattern HUB_NAME =
      Pattern.compile("([A-Za-z0-9][\\w.-]*/)?[A-Za-z0-9_][\\w.-]*");
  private static final Pattern COMMIT = Pattern.compile("[0-9A-Za-z][\\w.-]*");
  private static final int LONGEST_REFERENCE = 200;
  private static final int SHOWN = 8;

  public ModelStore {
    folders = List.copyOf(folders);
    caches = List.copyOf(caches);
  }

  /**
   * With the cache where Hugging Face's libraries have it: {@code HF_HUB_CACHE}, else {@code
   * HF_HOME/hub}, else {@code ~/.cache/huggingface/hub}.
   */
  public static ModelStore of(List<Path> folders) {
    return new ModelStore(
        folders, cache(System.getenv(), Path.of(System.getProperty("user.home", "."))));
  }

  static List<Path> cache(Map<String, String> environment, Path home) {
    for (String name : List.of("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")) {
      if (!environment.getOrDefault(name, "").isEmpty()) {
        return List.of(expand(environment.get(name), home));
      }
    }
    String hub = environment.getOrDefault("HF_HOME", "");
    if (!hub.isEmpty()) {
      return List.of(expand(hub, home).resolve("hub"));
    }
    String cache = environment.getOrDefault("XDG_CACHE_HOME", "");
    Path caches = cache.isEmpty() ? home.resolve(".cache") : expand(cache, home);
    return List.of(caches.resolve("huggingface").resolve("hub"));
  }

  private static Path expand(String path, Path home) {
    return path.equals("~") || path.startsWith("~/")
        ? home.resolve(path.substring(Math.min(2, path.length())))
        : Path.of(path);
  }

  /**
   * The folder or file of a model; its adapter is a reference of its own ({@code
   * resolve(reference.adapter().get())}).
   *
   * @throws IOException when it is not on this machine, naming the places looked at and what
   *     fetches it
   */
  public Path resolve(ModelReference reference) throws IOException {
    List<String> looked = new ArrayList<>();
    for (Path place : places(reference)) {
      if (Files.exists(place)) {
        return place;
      }
      looked.add(place.toAbsolutePath().normalize().toString());
    }
    if (isHubName(reference)) {
      for (Path cache : Stream.concat(folders.stream(), caches.stream()).toList()) {
        Optional<Path> found = inCache(cache, reference, looked);
        if (found.isPresent()) {
          return found.get();
        }
      }
    }
    throw new IOException(
        "no model '"
            + Names.cut(reference.withoutAdapter().toString())
            + "' on this machine; looked at"
            + String.join("", looked.stream().map(place -> "\n  " + place).toList())
            + "\n"
            + remedy(reference));
  }

  private static boolean isHubName(ModelReference reference) {
    return HUB_NAME.matcher(reference.model()).matches() && !reference.model().contains("..");
  }

  /** Where it may lie under its own name. */
  private List<Path> places(ModelReference reference) {
    List<Path> places = new ArrayList<>();
    if (reference.revision().isEmpty()) {
      places.add(Path.of(reference.model()));
    }
    if (isHubName(reference) && isBare(reference.revision().orElse(""))) {
      String name = reference.withoutAdapter().toString();
      for (Path folder : folders) {
        places.add(folder.resolve(name));
        if (name.contains("/")) {
          places.add(folder.resolve(name.replace("/", "__")));
        }
      }
    }
    return places;
  }

  private static boolean isBare(String revision) {
    return revision.isEmpty() || COMMIT.matcher(revision).matches();
  }

  private static Optional<Path> inCache(Path cache, ModelReference reference, List<String> looked)
      throws IOException {
    Path folder = cache.resolve("models--" + reference.model().replace("/", "--"));
    String revision = reference.revision().orElse("main");
    Path snapshots = folder.resolve("snapshots");
    if (!Files.isDirectory(snapshots) || revision.contains("..") || revision.startsWith("/")) {
      looked.add(folder.toAbsolutePath().normalize().toString());
      return Optional.empty();
    }
    Path ref = folder.resolve("refs").resolve(revision);
    String commit = Files.isRegularFile(ref) ? commit(ref) : revision;
    Path snapshot = snapshots.resolve(commit);
    if (isBare(commit) && Files.isDirectory(snapshot)) {
      return Optional.of(snapshot);
    }
    looked.add(
        folder.toAbsolutePath().normalize()
            + (Files.isRegularFile(ref)
                ? ", whose refs/" + revision + " names the snapshot " + commit + ", not there"
                : ", which has no refs/" + revision)
            + "; snapshots that are: "
            + names(snapshots));
    return Optional.empty();
  }

  private static String commit(Path ref) throws IOException {
    try (InputStream in = Files.newInputStream(ref)) {
      String text =
          new String(in.readNBytes(LONGEST_REFERENCE), StandardCharsets.ISO_8859_1).strip();
      if (!COMMIT.matcher(text).matches()) {
        throw new FormatException(
            ref + ": holds no commit but " + Names.quote(text) + "; fetch the model again");
      }
      return text;
    }
  }

  private static String names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names = files.map(f -> f.getFileName().toString()).sorted().toList();
      return names.size() <= SHOWN
          ? names.toString()
          : names.subList(0, SHOWN) + " and " + (names.size() - SHOWN) + " more";
    }
  }

  private static String remedy(ModelReference reference) {
    if (!isHubName(reference)) {
      return reference.revision().isPresent()
          ? "a path has no revision; name it without @" + Names.cut(reference.revision().get())
          : "name a file or folder that is there";
    }
    return "nothing is fetched here: run 'hf download "
        + reference.model()
        + reference.revision().map(r -> " --revision " + Names.cut(r)).orElse("")
        + "' (huggingface-cli download, in older versions), or name the folder that holds it under"
        + " its name (--models DIR)";
  }
}
