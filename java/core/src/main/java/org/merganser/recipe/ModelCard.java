// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.merganser.plan.Doctor;

/** The {@code README.md} of a result, with the front matter that hubs read. */
final class ModelCard {
  private static final Pattern HUB_NAME =
      Pattern.compile("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9_][\\w.-]*");

  private final MergeJob job;

  ModelCard(MergeJob job) {
    this.job = job;
  }

  String text(String name) {
    StringBuilder card = new StringBuilder("---\n");
    List<String> hub =
        job.models().keySet().stream()
            .flatMap(ModelCard::parts)
            .map(ModelCard::name)
            .filter(this::isHub)
            .distinct()
            .toList();
    if (!hub.isEmpty()) {
      card.append("base_model:\n");
      hub.forEach(model -> card.append("- ").append(model).append('\n'));
    }
    card.append("library_name: transformers\ntags:\n- merge\n- merganser\n---\n# ").append(name);
    card.append("\n\nMerged by Merganser ").append(Doctor.version());
    card.append(" with the method `").append(job.recipe().method()).append("`");
    job.recipe().base().ifPresent(base -> card.append(", base `").append(base).append("`"));
    card.append(".\n\n## Models\n\n");
    job.models().keySet().forEach(model -> card.append(line(model)));
    card.append("\n## Recipe\n\n```yaml\n").append(source().strip()).append("\n```\n\n");
    card.append("## As it was read\n\n```\n");
    new JobDescription(job)
        .portable()
        .forEach(line -> card.append(line.replace("```", "'''")).append('\n'));
    return card.append("```\n\nDigests of inputs and outputs are in `merganser.json`.\n")
        .toString();
  }

  /** A fence in it would end that of the card. */
  private String source() {
    String source = job.options().source();
    return (source.isEmpty() ? job.recipe().toJson() : source).replace("```", "'''");
  }

  private String line(String reference) {
    return parts(reference)
        .map(
            part ->
                isHub(name(part))
                    ? "[%s](https://huggingface.co/%s)".formatted(part, name(part))
                    : "`" + part + "`")
        .collect(Collectors.joining(" + ", "- ", "\n"));
  }

  /** The model, and the adapter that is folded into it. */
  private static Stream<String> parts(String reference) {
    return Stream.of(reference.split("\\+"));
  }

  private static String name(String part) {
    return part.replaceFirst("@.*", "");
  }

  /** Named as on a hub, and found elsewhere than under that path. */
  private boolean isHub(String model) {
    return HUB_NAME.matcher(model).matches() && !Files.exists(Path.of(model));
  }
}
