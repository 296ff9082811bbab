// SPDX-License-Identifier: Apache-2.0
package org.merganser.merge;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.method.Method;

/** A method that combines checkpoints. */
public interface Merger extends Method {
  /** What a problem must have; any models without a base, unless a method says otherwise. */
  default Needs needs() {
    return Needs.MODELS;
  }

  /**
   * The merged model: a lazy view, a tensor of which is merged when it is read, where a tensor
   * needs only its own counterparts; otherwise in memory.
   */
  Checkpoint merge(MergeProblem problem, Workspace ws) throws IOException;

  /** How much each model counts in the result; equally, unless a method says otherwise. */
  default List<Double> shares(int models) {
    return Collections.nCopies(models, 1.0 / models);
  }

  @Override
  default String requires() {
    return needs().text();
  }

  /** What was measured on the data of a model, under the names of its tensors. */
  enum Importance {
    NONE(""),
    /**
     * How much each parameter matters: the mean of squared derivatives of log-likelihoods, the
     * diagonal of the Fisher information; in the shape of the tensor.
     */
    FISHER("Fisher diagonals"),
    /**
     * What a linear layer reads: {@code X^T X} of its inputs X [samples x features]; [features x
     * features] under the name of its weight.
     */
    GRAM("Gram matrices of inputs");

    private final String text;

    Importance(String text) {
      this.text = text;
    }

    /** For messages, in the plural. */
    public String text() {
      return text;
    }
  }

  /**
   * What a problem must have.
   *
   * @param objective whether data and a loss are needed
   * @param base whether the model is needed that all were trained from
   * @param fewest models beside the base
   * @param most models beside the base
   * @param importance what must be known of the data of each model
   */
  record Needs(boolean objective, boolean base, int fewest, int most, Importance importance) {
    static final Needs MODELS = new Needs(false, false, 1, Integer.MAX_VALUE);

    /** Without importances. */
    public Needs(boolean objective, boolean base, int fewest, int most) {
      this(objective, base, fewest, most, Importance.NONE);
    }

    private static String counted(int models) {
      return models == 1 ? "1 model" : models + " models";
    }

    private String text() {
      List<String> parts = new ArrayList<>();
      if (objective) {
        parts.add("an objective");
      }
      if (base) {
        parts.add("the base");
      }
      if (importance != Importance.NONE) {
        parts.add(importance.text());
      }
      if (fewest > 1 || most == 1) {
        parts.add(fewest == most ? counted(fewest) : counted(fewest) + " or more");
      }
      return String.join(", ", parts);
    }

    /**
     * Refuses a problem that a method cannot solve.
     *
     * @throws IllegalArgumentException saying what is missing, or given and not used
     */
    public void check(String id, MergeProblem problem) {
      int models = problem.models().size();
      if (models < fewest || models > most) {
        throw new IllegalArgumentException(
            id
                + " merges "
                + (fewest == most
                    ? ""
                    : most == Integer.MAX_VALUE ? "at least " : most + " or fewer, at least ")
                + counted(fewest)
                + ", not "
                + models);
      }
      if (objective && problem.objective().isEmpty()) {
        throw new IllegalArgumentException(
            id
                + " needs an objective, data and a loss (--network and --data, in Java"
                + " MergeProblem.withObjective)");
      }
      if (base && problem.base().isEmpty()) {
        throw new IllegalArgumentException(
            id
                + " needs the base, the model that the others were trained from (--base,"
                + " MergeProblem.withBase)");
      }
      if (!base && problem.base().isPresent()) {
        throw new IllegalArgumentException(
            id + " uses no base; give it as one of the models, or take a method that does");
      }
      boolean weighed = !problem.importances().isEmpty();
      if (weighed != (importance != Importance.NONE)) {
        throw new IllegalArgumentException(
            id
                + (weighed
                    ? " uses no importances; leave them out, or take a method that does"
                    : " needs "
                        + importance.text()
                        + " of each model (--importance FILE, in a recipe importance: FILE, in Java"
                        + " MergeProblem.withImportances);"
                        + " 'merganser importance' makes them"));
      }
    }
  }
}
