// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Optional;
import org.merganser.error.RecipeException;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Node;

/**
 * A small YAML file, as nodes that know where they stand. Size, depth and number of nodes are
 * bounded before nodes are made.
 */
record YamlFile(Path path, String text, Node root) {
  private static final int MOST_BYTES = 1 << 20;
  private static final int MOST_EVENTS = 100_000;
  private static final int MOST_DEPTH = 16;
  private static final LoadSettings SETTINGS =
      LoadSettings.builder().setUseMarks(true).setMaxAliasesForCollections(MOST_EVENTS).build();

  static YamlFile read(Path path) throws IOException {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(path)) {
      bytes = in.readNBytes(MOST_BYTES + 1);
    }
    if (bytes.length > MOST_BYTES) {
      throw new RecipeException(
          path.toString(), "more than " + MOST_BYTES + " bytes, which no recipe has");
    }
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return parse(path, text.startsWith("\uFEFF") ? text.substring(1) : text);
    } catch (CharacterCodingException e) {
      throw new RecipeException(path.toString(), "no text in UTF-8, so no recipe", e);
    }
  }

  static YamlFile parse(Path path, String text) {
    try {
      bound(path, text);
      Optional<Node> root = new Compose(SETTINGS).composeString(text);
      return new YamlFile(
          path,
          text,
          root.orElseThrow(() -> new RecipeException(path.toString(), "an empty file")));
    } catch (MarkedYamlEngineException e) {
      String context = e.getContext();
      String problem = context == null || context.isEmpty() ? "" : context + ", ";
      throw new RecipeException(
          place(path, e.getProblemMark()), "no YAML: " + problem + e.getProblem(), e);
    } catch (YamlEngineException e) {
      throw new RecipeException(path.toString(), "no YAML: " + e.getMessage(), e);
    }
  }

  private static void bound(Path path, String text) {
    int depth = 0;
    int events = 0;
    int documents = 0;
    for (Iterator<Event> all = new Parse(SETTINGS).parseString(text).iterator(); all.hasNext(); ) {
      Event event = all.next();
      switch (event.getEventId()) {
        case MappingStart, SequenceStart -> depth++;
        case MappingEnd, SequenceEnd -> depth--;
        case DocumentStart -> documents++;
        default -> {}
      }
      String place = place(path, event.getStartMark());
      if (depth > MOST_DEPTH) {
        throw new RecipeException(place, "nested more than " + MOST_DEPTH + " deep");
      }
      if (documents > 1) {
        throw new RecipeException(
            place,
            "a second document; mergekit-multi's files are not read, give one recipe a file");
      }
      if (++events > MOST_EVENTS) {
        throw new RecipeException(place, "more values than any recipe has");
      }
    }
  }

  String place(Optional<Mark> mark) {
    return place(path, mark);
  }

  private static String place(Path path, Optional<Mark> mark) {
    return mark.map(at -> path + ":" + (at.getLine() + 1) + ":" + (at.getColumn() + 1))
        .orElse(path.toString());
  }
}
