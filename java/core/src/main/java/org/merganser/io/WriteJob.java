// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.merganser.internal.Names;
import org.merganser.internal.io.TextFile;

/**
 * What a folder is being filled with: who goes on with it must have the same in mind.
 *
 * @param job of the caller: what the data follow from
 * @param plan digest of the plan
 * @param digests what is taken
 * @param provenance a JSON object for {@code merganser.json}
 * @param shards names of the files
 */
record WriteJob(String job, String plan, String digests, String provenance, List<String> shards) {
  static final String FILE = "job.json";

  private static final JsonFactory JSON = new JsonFactory();
  private static final Pattern SHARD =
      Pattern.compile("model(-\\d{5,10}-of-\\d{5,10})?\\.safetensors");

  WriteJob {
    shards = List.copyOf(shards);
  }

  void write(Path path) throws IOException {
    StringWriter out = new StringWriter();
    try (JsonGenerator g = JSON.createGenerator(out)) {
      g.setPrettyPrinter(new DefaultPrettyPrinter());
      g.writeStartObject();
      g.writeStringField("job", job);
      g.writeStringField("plan", plan);
      g.writeStringField("digests", digests);
      g.writeStringField("provenance", provenance);
      g.writeArrayFieldStart("shards");
      for (String shard : shards) {
        g.writeString(shard);
      }
      g.writeEndArray();
      g.writeEndObject();
    }
    TextFile.write(path, out.toString());
  }

  static WriteJob read(Path path) throws IOException {
    String job = "";
    String plan = "";
    String digests = "";
    String provenance = "";
    List<String> shards = new ArrayList<>();
    try (JsonParser p = JSON.createParser(TextFile.read(path))) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String field = p.currentName();
        p.nextToken();
        switch (field) {
          case "job" -> job = p.getText();
          case "plan" -> plan = p.getText();
          case "digests" -> digests = p.getText();
          case "provenance" -> provenance = p.getText();
          case "shards" -> {
            while (p.nextToken() == JsonToken.VALUE_STRING) {
              shards.add(p.getText());
            }
          }
          default -> p.skipChildren();
        }
      }
    } catch (JsonProcessingException e) {
      throw SafetensorsHeader.bad(path, "no valid JSON: " + e.getOriginalMessage());
    }
    check(path, provenance, shards);
    return new WriteJob(job, plan, digests, provenance, shards);
  }

  private static void check(Path path, String provenance, List<String> shards) {
    try {
      ModelManifest.requireObject(provenance);
    } catch (IllegalArgumentException e) {
      throw SafetensorsHeader.bad(path, e.getMessage());
    }
    if (shards.isEmpty()) {
      throw SafetensorsHeader.bad(path, "it names no shards");
    }
    for (String shard : shards) {
      if (!SHARD.matcher(shard).matches()) {
        throw SafetensorsHeader.bad(path, Names.quote(shard) + " is no name of a shard");
      }
    }
  }

  /** In what this is not the same as one that was begun before, or empty. */
  String differenceTo(WriteJob before) {
    if (!plan.equals(before.plan)) {
      return "names, types, shapes or the size of shards differ";
    }
    if (!job.equals(before.job)) {
      return "the recipe or the inputs differ (" + before.job + ", now " + job + ")";
    }
    return digests.equals(before.digests)
        ? ""
        : "digests are " + before.digests + " there, now " + digests;
  }
}
