// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.merganser.internal.Names;

/** Names what a file is that is not what was expected, from its first bytes, with the remedy. */
public final class FileKind {
  private static final int LOOKED_AT = 512;
  private static final String CONVERT =
      "; convert it to safetensors, in Python: safetensors.torch.save_file(torch.load(PATH,"
          + " weights_only=True), \"model.safetensors\")";

  /** "GGUF", little-endian. */
  private static final int GGUF = 0x46554747;

  private static final String ZIP = "PK\3\4";
  private static final String TORCH = "a zip of a pickle (torch.save, .pt, .pth, .ckpt, .bin)";

  private static final String EXPORT = "; save the weights as safetensors where they were trained";

  /** Its version, then the name of the program that wrote it. */
  private static final Pattern ONNX = Pattern.compile("\\x08[\\x01-\\x14](?:\\x12|:)");

  /** A short map whose first key is short text. */
  private static final Pattern MESSAGE_PACK =
      Pattern.compile("[\\x81-\\x8f][\\xa1-\\xbf][a-zA-Z_]");

  private static final Map<String, String> OTHERS =
      Map.of(
          "%PDF-", "a PDF document",
          "\u0089PNG", "a picture (PNG)",
          "\u00ff\u00d8\u00ff", "a picture (JPEG)",
          "PAR1", "a Parquet table",
          "ARROW1", "an Arrow table",
          "SQLite format 3", "an SQLite database",
          "\u007fELF", "a program or library (ELF)");

  private FileKind() {}

  /** Whether it begins as a zip file of {@code torch.save} does. */
  public static boolean isTorch(FileBytes file) throws IOException {
    byte[] head = file.read(0, (int) Math.min(LOOKED_AT, file.size())).array();
    String text = new String(head, StandardCharsets.ISO_8859_1);
    return text.startsWith(ZIP) && zip(text).startsWith(TORCH);
  }

  /** Whether it begins as a GGUF file does. */
  public static boolean isGguf(FileBytes file) throws IOException {
    return file.size() >= 4 && file.read(0, 4).getInt() == GGUF;
  }

  /** What the file is, or {@code otherwise} when its first bytes say nothing. */
  public static String or(FileBytes file, String otherwise) throws IOException {
    if (file.size() == 0) {
      return "an empty file";
    }
    byte[] head = file.read(0, (int) Math.min(LOOKED_AT, file.size())).array();
    return or(head, otherwise);
  }

  private static String or(byte[] head, String otherwise) {
    String kind = known(new String(head, StandardCharsets.ISO_8859_1));
    String text = kind.isEmpty() ? text(head) : kind;
    return text.isEmpty() ? otherwise : text;
  }

  /** What a file is that should be text, when it is another kind of file; else "". */
  static String ofText(byte[] bytes) {
    int length = Math.min(LOOKED_AT, bytes.length);
    return known(new String(bytes, 0, length, StandardCharsets.ISO_8859_1));
  }

  private static String known(String text) {
    String lower = text.stripLeading().toLowerCase(Locale.ROOT);
    if (text.startsWith("version https://git-lfs") || text.startsWith("version https://hawser")) {
      return "a Git LFS pointer, not the file itself; run 'git lfs pull' in its repository";
    }
    if (lower.startsWith("<!doctype html") || lower.startsWith("<html")) {
      return "a web page (HTML), not a model; the download went wrong, perhaps for want of a login";
    }
    if (lower.startsWith("<?xml")) {
      return "XML, not a model; the download may have gone wrong";
    }
    if (text.startsWith(ZIP) || text.startsWith("PK\5\6")) {
      return zip(text);
    }
    if (text.length() > 1 && text.charAt(0) == 0x80 && text.charAt(1) >= 2 && text.charAt(1) <= 5) {
      return "a pickle (torch.save of old), which can run code when read" + CONVERT;
    }
    if (text.startsWith("GGUF")) {
      return "a GGUF file (llama.cpp)";
    }
    if (text.startsWith("ggml") || text.startsWith("lmgg") || text.startsWith("tjgg")) {
      return "a GGML file (llama.cpp before GGUF); take the safetensors it was made from";
    }
    if (text.startsWith("\u0093NUMPY")) {
      return "a NumPy array (.npy)";
    }
    if (text.startsWith("\u0089HDF")) {
      return "an HDF5 file (Keras .h5); convert it to safetensors";
    }
    if (text.startsWith("\u001f\u008b")) {
      return "compressed (gzip); unpack it first: gunzip";
    }
    if (text.startsWith("\u0028\u00b5\u002f\u00fd")
        || text.startsWith("BZh")
        || text.startsWith("\u00fd7zXZ")
        || text.startsWith("7z\u00bc\u00af")) {
      return "compressed (zstd, bzip2, xz or 7z); unpack it first";
    }
    if (text.length() > 262 && text.startsWith("ustar", 257)) {
      return "a tar archive; unpack it first";
    }
    if (text.startsWith("TFL3", 4)) {
      return "a TensorFlow Lite model" + EXPORT;
    }
    if (ONNX.matcher(text).lookingAt()) {
      return "an ONNX model" + EXPORT;
    }
    if (MESSAGE_PACK.matcher(text).lookingAt()) {
      return "MessagePack (Flax .msgpack)" + EXPORT;
    }
    for (Map.Entry<String, String> other : OTHERS.entrySet()) {
      if (text.startsWith(other.getKey())) {
        return other.getValue() + ", not a model";
      }
    }
    return "";
  }

  private static String zip(String text) {
    if (text.contains(".npy")) {
      return "a zip of NumPy arrays (.npz); save each array with np.save, or a model as safetensors";
    }
    if (text.contains("model.weights.h5") || text.contains("config.json")) {
      return "a Keras model (.keras)" + EXPORT;
    }
    return text.contains("data.pkl") || text.contains("/version") || text.contains("byteorder")
        ? TORCH
        : "a zip archive (torch.save, .ckpt and .npz files are such); unpack or convert it first";
  }

  private static String text(byte[] head) {
    if (isUtf16(head)) {
      return "text in UTF-16";
    }
    String text = new String(head, StandardCharsets.ISO_8859_1);
    boolean printable = text.chars().allMatch(c -> c >= ' ' && c < 0x7f || c >= '\t' && c <= '\r');
    if (!printable) {
      return "";
    }
    String start = text.strip();
    return "text, which begins with "
        + Names.quote(start.substring(0, Math.min(40, start.length())));
  }

  /** By its byte order mark, or by every other byte of ASCII text being 0. */
  static boolean isUtf16(byte[] bytes) {
    if (bytes.length < 2) {
      return false;
    }
    int first = bytes[0] & 0xff;
    int second = bytes[1] & 0xff;
    return first == 0xff && second == 0xfe
        || first == 0xfe && second == 0xff
        || bytes.length >= 4
            && (first == 0) != (second == 0)
            && first < 0x80
            && second < 0x80
            && (bytes[2] == 0) == (first == 0)
            && (bytes[3] == 0) == (second == 0);
  }
}
