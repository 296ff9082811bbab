// SPDX-License-Identifier: Apache-2.0
package org.merganser.error;

/**
 * A recipe cannot be followed as it is written. The message begins with the place: of a file {@code
 * file:line:column}, of a recipe made in Java the way to the value, such as {@code
 * models[1].parameters.density}.
 */
public class RecipeException extends MerganserException {
  private static final long serialVersionUID = 1L;

  private final String place;
  private final String problem;

  /**
   * @param place where; empty for the whole recipe
   * @param problem what is wrong, and what to do
   */
  public RecipeException(String place, String problem) {
    this(place, problem, null);
  }

  public RecipeException(String place, String problem, Throwable cause) {
    super(place.isEmpty() ? problem : place + ": " + problem, cause);
    this.place = place;
    this.problem = problem;
  }

  /** Where; empty for the whole recipe. */
  public String place() {
    return place;
  }

  /** The message without the place. */
  public String problem() {
    return problem;
  }
}
