// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.FileKind;

/**
 * The header of a safetensors file, read without trusting it: every size is checked against the
 * file before anything is allocated for it, and what the format forbids is refused with its name.
 * Headers that the format's own library (0.8) reads are read, with two exceptions: a tensor that is
 * described twice, of which it takes the last, and sizes of 2^63 and more.
 *
 * @param dataStart first byte of the data in the file
 */
record SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata, long dataStart) {

  static final String METADATA = "__metadata__";
  static final long MAX_HEADER = 100_000_000;

  /** As deep as the format's own library reads. */
  private static final int MAX_NESTING = 127;

  private static final JsonFactory JSON =
      new JsonFactoryBuilder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_NESTING)
                  .maxStringLength((int) MAX_HEADER)
                  .maxNameLength((int) MAX_HEADER)
                  .build())
          .build();

  /** Where a tensor lies: bytes {@code begin} to {@code end} of the data. */
  record Entry(TensorInfo info, long begin, long end) {}

  static SafetensorsHeader read(FileBytes file) throws IOException {
    Path path = file.path();
    if (file.size() < 8) {
      throw bad(
          path,
          FileKind.or(file, "file has " + file.size() + " bytes, the header length alone needs 8"));
    }
    long length = file.read(0, 8).getLong();
    if (length < 2 || length > MAX_HEADER) {
      throw bad(
          path,
          FileKind.or(
              file,
              "header length "
                  + Long.toUnsignedString(length)
                  + " at byte 0 is not in 2.."
                  + MAX_HEADER
                  + "; is this a safetensors file?"));
    }
    if (length > file.size() - 8) {
      throw bad(
          path,
          FileKind.or(
              file,
              "header of "
                  + length
                  + " bytes does not fit the file of "
                  + file.size()
                  + " bytes; the file is truncated"));
    }
    String json = decode(file, file.read(8, (int) length));
    if (!json.stripLeading().startsWith("{")) {
      throw bad(path, FileKind.or(file, "header does not begin with '{' at byte 8"));
    }
    Parser parser = new Parser(path);
    try (JsonParser tokens = JSON.createParser(json)) {
      parser.parse(tokens);
    } catch (JsonProcessingException e) {
      throw new FormatException(
          path + ": header is no valid JSON: " + Names.cut(e.getOriginalMessage()), e);
    }
    checkLayout(path, parser.entries, file.size() - 8 - length);
    return new SafetensorsHeader(parser.entries, parser.metadata, 8 + length);
  }

  private static String decode(FileBytes file, ByteBuffer bytes) throws IOException {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .onUnmappableCharacter(CodingErrorAction.REPORT)
          .decode(bytes)
          .toString();
    } catch (CharacterCodingException e) {
      throw new FormatException(
          file.path() + ": " + FileKind.or(file, "header is no valid UTF-8"), e);
    }
  }

  /** Tensors must tile the data exactly: no gap, no overlap, nothing left over. */
  private static void checkLayout(Path path, Map<String, Entry> entries, long dataLength) {
    List<Map.Entry<String, Entry>> sorted = new ArrayList<>(entries.entrySet());
    sorted.sort(
        Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin())
            .thenComparingLong(e -> e.getValue().end()));
    long at = 0;
    for (Map.Entry<String, Entry> item : sorted) {
      Entry entry = item.getValue();
      if (entry.end() > dataLength) {
        throw bad(
            path,
            "tensor "
                + Names.quote(item.getKey())
                + " ends at byte "
                + entry.end()
                + " of the data, the file has only "
                + dataLength
                + "; the file is truncated");
      }
      if (entry.begin() != at) {
        throw bad(
            path,
            "tensor "
                + Names.quote(item.getKey())
                + " begins at byte "
                + entry.begin()
                + " of the data, expected "
                + at
                + (entry.begin() < at ? " (overlap)" : " (gap)"));
      }
      at = entry.end();
    }
    if (at != dataLength) {
      throw bad(path, "tensors end at byte " + at + " of the data, the file has " + dataLength);
    }
  }

  static FormatException bad(Path path, String problem) {
    return new FormatException(path + ": " + problem);
  }

  /** Walks the tokens of the header. */
  private static final class Parser {
    private final Path path;
    final Map<String, Entry> entries = new LinkedHashMap<>();
    final Map<String, String> metadata = new LinkedHashMap<>();

    Parser(Path path) {
      this.path = path;
    }

    void parse(JsonParser p) throws IOException {
      expect(p.nextToken(), JsonToken.START_OBJECT, "header");
      boolean seen = false;
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String name = p.currentName();
        JsonToken token = p.nextToken();
        if (name.equals(METADATA)) {
          if (seen) {
            throw bad(path, METADATA + " is there twice");
          }
          seen = true;
          if (token != JsonToken.VALUE_NULL) {
            expect(token, JsonToken.START_OBJECT, METADATA);
            parseMetadata(p);
          }
        } else {
          String what = "tensor " + Names.quote(name);
          expect(token, JsonToken.START_OBJECT, what);
          if (!Names.isText(name)) {
            throw bad(path, what + " has a lone surrogate in its name");
          }
          if (entries.put(name, parseEntry(p, what)) != null) {
            throw bad(path, what + " is described twice");
          }
        }
      }
      if (p.nextToken() != null) {
        throw bad(path, "header has text after its closing brace");
      }
    }

    private void parseMetadata(JsonParser p) throws IOException {
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String key = p.currentName();
        String what = METADATA + " " + Names.quote(key);
        expect(p.nextToken(), JsonToken.VALUE_STRING, what);
        if (!Names.isText(key) || !Names.isText(p.getText())) {
          throw bad(path, what + " holds a lone surrogate");
        }
        metadata.put(key, p.getText());
      }
    }

    private Entry parseEntry(JsonParser p, String what) throws IOException {
      DType dtype = null;
      long[] shape = null;
      long[] offsets = null;
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String field = p.currentName();
        JsonToken token = p.nextToken();
        boolean twice =
            switch (field) {
              case "dtype" -> dtype != null;
              case "shape" -> shape != null;
              case "data_offsets" -> offsets != null;
              default -> false;
            };
        if (twice) {
          throw bad(path, what + " has " + field + " twice");
        }
        switch (field) {
          case "dtype" -> {
            expect(token, JsonToken.VALUE_STRING, what + " dtype");
            dtype = dtype(what, p.getText());
          }
          case "shape" -> shape = integers(p, token, what + " shape");
          case "data_offsets" -> offsets = integers(p, token, what + " data_offsets");
          // Other writers add fields of their own.
          default -> p.skipChildren();
        }
      }
      if (dtype == null || shape == null || offsets == null) {
        throw bad(path, what + " needs dtype, shape and data_offsets");
      }
      if (offsets.length != 2 || offsets[0] > offsets[1]) {
        throw bad(
            path, what + " data_offsets must be two integers, the first not above the second");
      }
      long bytes = bytes(what, dtype, shape);
      if (offsets[1] - offsets[0] != bytes) {
        throw bad(
            path,
            what
                + " spans "
                + (offsets[1] - offsets[0])
                + " bytes, its type and shape need "
                + bytes);
      }
      return new Entry(TensorInfo.of(dtype, shape), offsets[0], offsets[1]);
    }

    private long bytes(String what, DType dtype, long[] shape) {
      long count = 1;
      try {
        for (long dim : shape) {
          count = Math.multiplyExact(count, dim);
        }
        return dtype.bytes(count);
      } catch (ArithmeticException | IllegalArgumentException e) {
        throw new FormatException(path + ": " + what + ": size overflows or is no whole byte", e);
      }
    }

    private DType dtype(String what, String name) {
      for (DType type : DType.values()) {
        if (type.name().equals(name)) {
          return type;
        }
      }
      throw bad(path, what + " has unknown dtype " + Names.quote(name));
    }

    private long[] integers(JsonParser p, JsonToken token, String what) throws IOException {
      expect(token, JsonToken.START_ARRAY, what);
      List<Long> values = new ArrayList<>();
      while (p.nextToken() != JsonToken.END_ARRAY) {
        expect(p.currentToken(), JsonToken.VALUE_NUMBER_INT, what);
        if (p.getNumberType() == JsonParser.NumberType.BIG_INTEGER || p.getText().startsWith("-")) {
          throw bad(path, what + " holds " + Names.cut(p.getText()) + ", not in 0..2^63-1");
        }
        values.add(p.getLongValue());
      }
      return values.stream().mapToLong(Long::longValue).toArray();
    }

    private void expect(JsonToken found, JsonToken wanted, String what) {
      if (found != wanted) {
        throw bad(path, what + " is " + found + ", expected " + wanted);
      }
    }
  }
}
