// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import java.io.IOException;
import java.nio.file.Path;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/** A configuration in JSON, read token by token; what is wrong is told with its place. */
public final class JsonFile {
  /** Python writes Infinity and NaN. */
  private static final JsonFactory JSON =
      new JsonFactoryBuilder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .build();

  private final Path path;

  private JsonFile(Path path) {
    this.path = path;
  }

  /** What reads the object of a file. */
  public interface Content {
    /**
     * @param p at the opening brace, to be left at the closing one
     */
    void read(JsonFile file, JsonParser p) throws IOException;
  }

  /**
   * Reads a file that holds one object.
   *
   * @throws FormatException when it is no valid JSON, or something else
   */
  public static void read(Path path, Content content) throws IOException {
    JsonFile file = new JsonFile(path);
    try (JsonParser p = JSON.createParser(TextFile.read(path))) {
      file.expect(p, p.nextToken() == JsonToken.START_OBJECT, "the file", "an object");
      content.read(file, p);
      file.expect(p, p.nextToken() == null, "what follows the closing brace", "nothing");
    } catch (JsonProcessingException e) {
      JsonLocation at = e.getLocation();
      throw new FormatException(
          (at == null ? path.toString() : file.place(at))
              + ": no valid JSON: "
              + Names.cut(e.getOriginalMessage().lines().findFirst().orElse("")),
          e);
    }
  }

  private String place(JsonLocation at) {
    return path + ":" + at.getLineNr() + ":" + at.getColumnNr();
  }

  /**
   * @throws FormatException when the current token is not right
   */
  public void expect(JsonParser p, boolean right, String what, String expected) {
    if (!right) {
      throw new FormatException(
          "%s: %s is %s, expected %s"
              .formatted(place(p.currentTokenLocation()), what, p.currentToken(), expected));
    }
  }
}
