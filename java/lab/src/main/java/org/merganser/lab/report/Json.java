// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import org.merganser.internal.io.TextFile;

/**
 * Records, maps, lists, texts and numbers as JSON; what is null is left out, numbers come back as
 * they were.
 */
public final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.USE_LONG_FOR_INTS)
          .visibility(PropertyAccessor.IS_GETTER, Visibility.NONE)
          .defaultPropertyInclusion(
              JsonInclude.Value.construct(
                  JsonInclude.Include.NON_NULL, JsonInclude.Include.NON_NULL))
          .build();

  private Json() {}

  /** For properties that are left out when they are NaN too. */
  public static final class NotANumber {
    @Override
    public boolean equals(Object value) {
      return value == null || value.equals(Double.NaN);
    }

    @Override
    public int hashCode() {
      return 0;
    }
  }

  /** Writes a file, complete or not at all. */
  public static void write(Object value, Path path) throws IOException {
    TextFile.write(path, MAPPER.writeValueAsString(value));
  }

  /** On one line. */
  public static String text(Object value) throws IOException {
    return MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT).writeValueAsString(value);
  }

  /** Reads a file that holds one value. */
  public static <T> T read(Path path, Class<T> type) throws IOException {
    return MAPPER.readValue(path.toFile(), type);
  }

  /** The same as another type: a record as a map, or the other way. */
  public static <T> T convert(Object value, Class<T> type) {
    return MAPPER.convertValue(value, type);
  }
}
