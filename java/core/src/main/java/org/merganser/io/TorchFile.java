// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;

/**
 * Finds the tensors of a file of {@code torch.save}: a zip whose {@code NAME/data.pkl} describes
 * them and whose entries {@code NAME/data/KEY} hold their elements, which stay in the file.
 *
 * @param begins first byte in the file of each storage, by its key
 */
record TorchFile(Map<String, TorchGlobals.Stored> tensors, Map<String, Long> begins) {
  private static final Pattern PICKLE = Pattern.compile("[^/]*/data\\.pkl");

  private static final Predicate<String> EXPORTED =
      Pattern.compile(".*/models/.*\\.json").asMatchPredicate();
  private static final System.Logger LOG = System.getLogger(TorchFile.class.getName());

  /** Under which a training script commonly keeps the tensors of the model, beside other things. */
  private static final List<String> PARTS = List.of("state_dict", "model_state_dict", "model");

  private static final int SHOWN = 8;

  static TorchFile read(FileBytes file) throws IOException {
    StoredZip zip = StoredZip.read(file);
    List<StoredZip.Entry> pickles =
        zip.entries().values().stream().filter(e -> PICKLE.matcher(e.name()).matches()).toList();
    if (pickles.size() != 1) {
      throw new FormatException(
          file.path()
              + ": a zip with "
              + pickles.size()
              + " entries NAME/data.pkl, where torch.save writes one"
              + (zip.entries().keySet().stream().anyMatch(EXPORTED)
                  ? "; it is a torch.export program: save its state_dict with torch.save"
                  : "")
              + ", at byte 0");
    }
    StoredZip.Entry pickle = pickles.get(0);
    String folder = pickle.name().substring(0, pickle.name().indexOf('/') + 1);
    refuseCode(zip, folder);
    requireLittleEndian(zip, folder);
    Object root =
        TorchPickle.read(
            zip.bytes(pickle, TorchPickle.MAX_BYTES),
            file.path().toString(),
            pickle.name(),
            zip.begin(pickle));
    Map<String, TorchGlobals.Stored> tensors = tensors(root, file, zip.begin(pickle));
    Map<String, Long> begins = new LinkedHashMap<>();
    for (Map.Entry<String, TorchGlobals.Stored> item : tensors.entrySet()) {
      TorchGlobals.Storage storage = item.getValue().storage();
      StoredZip.Entry entry = zip.entries().get(folder + "data/" + storage.key());
      long bytes = item.getValue().info().dtype().bytes(storage.count());
      if (entry == null || entry.size() != bytes) {
        throw StoredZip.bad(
            file,
            zip.begin(pickle),
            "tensor "
                + Names.quote(item.getKey())
                + " is in a storage of "
                + bytes
                + " bytes, entry "
                + Names.quote(folder + "data/" + storage.key())
                + (entry == null ? " is not there" : " has " + entry.size()));
      }
      begins.put(storage.key(), zip.begin(entry));
    }
    return new TorchFile(tensors, begins);
  }

  private static void refuseCode(StoredZip zip, String folder) {
    StoredZip.Entry code = zip.entries().get(folder + "constants.pkl");
    if (code != null) {
      throw StoredZip.bad(
          zip.file(),
          code.at(),
          "a TorchScript program; take its tensors, in Python:"
              + " torch.save(torch.jit.load(PATH).state_dict(), \"weights.pt\")");
    }
  }

  private static void requireLittleEndian(StoredZip zip, String folder) throws IOException {
    StoredZip.Entry entry = zip.entries().get(folder + "byteorder");
    if (entry == null) {
      return;
    }
    ByteBuffer order = zip.bytes(entry, 16);
    String text = StandardCharsets.ISO_8859_1.decode(order).toString();
    if (!text.equals("little")) {
      throw StoredZip.bad(
          zip.file(),
          zip.begin(entry),
          "byteorder is "
              + Names.quote(text)
              + ", read is little; load and save it on a little-endian machine, in Python");
    }
  }

  /** The dictionary with tensors in it: the whole, or the part that {@link #PARTS} names. */
  private static Map<String, TorchGlobals.Stored> tensors(Object root, FileBytes file, long at) {
    Object found = root;
    // A file may hold itself, so the descent is bounded: {"model": {"state_dict": ...}}.
    for (int depth = 0; depth <= PARTS.size(); depth++) {
      if (!(found instanceof TorchPickle.Dict dict)) {
        throw StoredZip.bad(
            file, at, "no dictionary of tensors, but " + kind(found) + TorchGlobals.REMEDY);
      }
      if (dict.values().isEmpty()) {
        return Map.of();
      }
      if (dict.values().values().stream().anyMatch(TorchGlobals.Stored.class::isInstance)) {
        return direct(dict, file, at);
      }
      List<String> parts =
          PARTS.stream()
              .filter(name -> dict.values().get(name) instanceof TorchPickle.Dict)
              .toList();
      if (parts.size() != 1) {
        throw StoredZip.bad(
            file,
            at,
            "a dictionary without tensors, with "
                + keys(dict)
                + "; looked for is one of "
                + PARTS
                + "; save the part that is the model, in Python: torch.save(torch.load(PATH)[KEY],"
                + " \"weights.pt\")");
      }
      found = dict.values().get(parts.get(0));
    }
    throw StoredZip.bad(file, at, "dictionaries in dictionaries without tensors");
  }

  /**
   * Its tensors; numbers, texts and None beside them are no weights, groups of tensors might be.
   */
  private static Map<String, TorchGlobals.Stored> direct(
      TorchPickle.Dict dict, FileBytes file, long at) {
    Map<String, TorchGlobals.Stored> tensors = new LinkedHashMap<>();
    dict.values()
        .forEach(
            (key, value) -> {
              if (value instanceof TorchGlobals.Stored tensor) {
                if (!(key instanceof String name) || name.isEmpty()) {
                  throw StoredZip.bad(file, at, "a tensor whose name is no text: " + key(key));
                }
                tensors.put(name, tensor);
              } else if (value instanceof TorchPickle.Dict || value instanceof TorchPickle.Items) {
                throw StoredZip.bad(
                    file,
                    at,
                    key(key)
                        + " is "
                        + kind(value)
                        + " beside tensors, so that it is not clear what the model is"
                        + TorchGlobals.REMEDY);
              }
            });
    if (tensors.size() < dict.values().size()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: {1} entries beside the tensors are no tensors and are left out",
          file.path(),
          dict.values().size() - tensors.size());
    }
    return tensors;
  }

  private static String keys(TorchPickle.Dict dict) {
    List<String> keys = dict.values().keySet().stream().limit(SHOWN).map(TorchFile::key).toList();
    int more = dict.values().size() - keys.size();
    return String.join(", ", keys) + (more > 0 ? " and " + more + " more" : "");
  }

  private static String key(Object key) {
    return key == TorchPickle.NONE ? "None" : Names.quote(String.valueOf(key));
  }

  private static String kind(Object value) {
    if (value instanceof TorchPickle.Dict || value instanceof TorchPickle.Items) {
      return value.toString();
    }
    return value instanceof TorchGlobals.Stored ? "a single tensor" : "a plain value";
  }
}
