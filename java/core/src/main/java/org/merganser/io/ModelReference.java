// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.util.Optional;
import org.merganser.internal.Names;

/**
 * A model as recipes name it: {@code MODEL[@REVISION][+ADAPTER[@REVISION]]}, where a model is a
 * path or the name that it has on a hub ({@code org/name}). {@link ModelStore} finds its files.
 *
 * @param model path or name
 * @param revision branch, tag or commit, when one is named
 * @param adapter what is added to the model, when something is; has no adapter itself
 */
public record ModelReference(
    String model, Optional<String> revision, Optional<ModelReference> adapter) {

  /**
   * @throws IllegalArgumentException when a part is empty or holds {@code +}, {@code @} or control
   *     characters, or an adapter has an adapter
   */
  public ModelReference {
    require("model", model);
    revision.ifPresent(r -> require("revision", r));
    if (adapter.flatMap(ModelReference::adapter).isPresent()) {
      throw new IllegalArgumentException("an adapter with an adapter: " + adapter.get());
    }
  }

  private static void require(String part, String text) {
    if (text.isBlank() || text.chars().anyMatch(c -> c == '+' || c == '@')) {
      throw new IllegalArgumentException(
          "the "
              + part
              + " of a model reference is "
              + (text.isBlank() ? "empty" : Names.quote(text))
              + ", expected is MODEL[@REVISION][+ADAPTER[@REVISION]] (a path with + or @ in it can"
              + " be named by a link to it)");
    }
    if (text.codePoints().anyMatch(Names::isUnsafe)) {
      throw new IllegalArgumentException(
          "the " + part + " of a model reference has control characters: " + Names.quote(text));
    }
  }

  /**
   * Reads a reference; spaces around it mean nothing.
   *
   * @throws IllegalArgumentException as the constructor does
   */
  public static ModelReference parse(String text) {
    String trimmed = text.strip();
    int plus = trimmed.indexOf('+');
    return plus < 0
        ? part(trimmed, Optional.empty())
        : part(
            trimmed.substring(0, plus),
            Optional.of(part(trimmed.substring(plus + 1), Optional.empty())));
  }

  private static ModelReference part(String text, Optional<ModelReference> adapter) {
    int at = text.indexOf('@');
    return at < 0
        ? new ModelReference(text, Optional.empty(), adapter)
        : new ModelReference(text.substring(0, at), Optional.of(text.substring(at + 1)), adapter);
  }

  /** The model alone. */
  public ModelReference withoutAdapter() {
    return new ModelReference(model, revision, Optional.empty());
  }

  /** As it is written. */
  @Override
  public String toString() {
    return model + revision.map(r -> "@" + r).orElse("") + adapter.map(a -> "+" + a).orElse("");
  }
}
