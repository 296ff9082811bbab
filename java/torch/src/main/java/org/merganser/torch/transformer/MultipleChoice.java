// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Threads;
import org.merganser.io.Checkpoint;

/**
 * A skill as a score: for each question the choice is what the model holds for the most probable
 * continuation, {@code log p(choice | context) = sum_i log p(c_i | context, c_1 ... c_(i-1))}. Of
 * equal ones it is the first.
 *
 * @param answers in the order of the questions
 */
public record MultipleChoice(List<Answer> answers) {
  public MultipleChoice {
    answers = List.copyOf(answers);
  }

  /** What is compared. */
  public enum Score {
    /** The sum over the tokens of a choice. */
    SUM,
    /** Their mean, for choices of different lengths. */
    MEAN
  }

  /**
   * A question in tokens.
   *
   * @param context at least one token
   * @param choices at least two, each at least one token
   * @param right number of the right one, from 0
   */
  public record Question(List<Integer> context, List<List<Integer>> choices, int right) {
    public Question {
      context = List.copyOf(context);
      choices = choices.stream().map(List::copyOf).toList();
      if (context.isEmpty() || choices.size() < 2 || choices.stream().anyMatch(List::isEmpty)) {
        throw new IllegalArgumentException(
            "a question needs a context and two choices, each of at least one token, not "
                + context
                + " and "
                + choices);
      }
      if (right < 0 || right >= choices.size()) {
        throw new IllegalArgumentException(
            "the right choice is 0.." + (choices.size() - 1) + ", not " + right);
      }
    }

    /** Of texts; a choice begins with its blank, as {@code " yes"}. */
    public static Question of(TokenSource source, String context, List<String> choices, int right) {
      return new Question(
          list(source.withBeginning(context)),
          choices.stream().map(choice -> list(source.ids(choice))).toList(),
          right);
    }

    private static List<Integer> list(int... ids) {
      return Arrays.stream(ids).boxed().toList();
    }

    private int[] tokens(int choice) {
      return Stream.concat(context.stream(), choices.get(choice).stream())
          .mapToInt(Integer::intValue)
          .toArray();
    }
  }

  /**
   * What became of a question.
   *
   * @param scores of its choices
   * @param chosen the largest
   */
  public record Answer(List<Double> scores, int chosen, boolean isRight) {
    public Answer {
      scores = List.copyOf(scores);
    }
  }

  /** Part of the questions that were answered rightly. */
  public double accuracy() {
    return answers.stream().filter(Answer::isRight).count() / (double) answers.size();
  }

  /**
   * Asks a model.
   *
   * @param questions at least one
   * @throws NumericalException when a score is not a number
   */
  public static MultipleChoice of(
      TransformerNetwork network,
      Checkpoint theta,
      List<Question> questions,
      Score score,
      Workspace ws)
      throws IOException {
    network.requireCausal();
    if (questions.isEmpty()) {
      throw new IllegalArgumentException("no questions; give at least one");
    }
    try (TransformerSession session = network.open(theta, ws);
        Threads threads = new Threads(Math.min(ws.threads(), questions.size()))) {
      List<Callable<Answer>> calls = new ArrayList<>();
      for (Question question : questions) {
        calls.add(
            () -> {
              ws.cancellation().check();
              return answer(session, question, score);
            });
      }
      return new MultipleChoice(threads.all(calls));
    }
  }

  private static Answer answer(TransformerSession session, Question question, Score score)
      throws IOException {
    double[] scores = new double[question.choices().size()];
    int chosen = 0;
    int[][] padded = padded(question);
    double[][] all = session.logProbabilities(question.context().size(), padded);
    for (int c = 0; c < scores.length; c++) {
      int length = question.choices().get(c).size();
      for (int i = 0; i < length; i++) {
        scores[c] += all[c][i];
      }
      scores[c] /= score == Score.MEAN ? length : 1;
      if (Double.isNaN(scores[c])) {
        throw new NumericalException(
            "log p of choice " + c + " is not a number; the model has weights that are not finite");
      }
      chosen = scores[c] > scores[chosen] ? c : chosen;
    }
    return new Answer(Arrays.stream(scores).boxed().toList(), chosen, chosen == question.right());
  }

  /** All choices of a question at once: what follows a token does not matter to it. */
  private static int[][] padded(Question question) {
    int[][] sequences = new int[question.choices().size()][];
    int longest = 0;
    for (int c = 0; c < sequences.length; c++) {
      sequences[c] = question.tokens(c);
      longest = Math.max(longest, sequences[c].length);
    }
    for (int c = 0; c < sequences.length; c++) {
      sequences[c] = Arrays.copyOf(sequences[c], longest);
    }
    return sequences;
  }
}
