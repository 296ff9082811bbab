// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.lab.data.Skill;
import org.merganser.lab.data.SkillSplit;
import org.merganser.lab.data.ToyLanguage;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.torch.transformer.TransformerSession;

/**
 * How well decoders answer questions and say texts of a language.
 *
 * @param sequences questions with their answers, of one length
 * @param asked tokens of a sequence before the answer
 */
record SkillScore(TransformerNetwork network, List<List<Integer>> sequences, int asked) {
  private static final int BATCH = 64;

  /** Of different questions of a part. */
  static SkillScore draw(
      TransformerNetwork network, SkillSplit split, SkillSplit.Part part, int count) {
    SplittableRandom random = Seeds.stream(split.seed(), "questions/" + part);
    List<Skill.Task> tasks = split.questions(part, count, random);
    List<List<Integer>> sequences = new ArrayList<>();
    for (Skill.Task task : tasks) {
      List<Integer> tokens = new ArrayList<>(List.of(ToyLanguage.START));
      tokens.addAll(task.tokens());
      sequences.add(tokens);
    }
    return new SkillScore(network, sequences, 1 + tasks.get(0).prompt().size());
  }

  /**
   * Share of the questions whose whole answer is what the model says greedily, and mean of {@code
   * -log p} of the tokens of answers.
   */
  Evaluation of(Checkpoint model, Workspace ws) throws IOException {
    int right = 0;
    double loss = 0;
    try (TransformerSession session = network.open(model, ws)) {
      for (int first = 0; first < sequences.size(); first += BATCH) {
        ws.cancellation().check();
        int[][] tokens =
            sequences.stream()
                .skip(first)
                .limit(BATCH)
                .map(SkillScore::array)
                .toArray(int[][]::new);
        try (Tensor logits = session.logits(tokens)) {
          float[] values = logits.toFloatArray();
          for (int s = 0; s < tokens.length; s++) {
            Evaluation answer = answer(values, s, tokens[s]);
            right += answer.accuracy() == 1 ? 1 : 0;
            loss += answer.loss();
          }
        }
      }
    }
    return new Evaluation((double) right / sequences.size(), loss / sequences.size());
  }

  /**
   * Of one question: all have as many tokens of an answer.
   *
   * @param s its number in the batch of these logits
   */
  private Evaluation answer(float[] logits, int s, int... tokens) {
    int vocabulary = network.config().vocabulary();
    int length = tokens.length;
    int said = 0;
    double loss = 0;
    for (int t = asked; t < length; t++) {
      // What is said given the right tokens before is what is said, as long as it is right.
      int from = (s * length + t - 1) * vocabulary;
      said += largest(logits, from, vocabulary) == tokens[t] ? 1 : 0;
      loss -= logProbability(logits, from, vocabulary, tokens[t]);
    }
    int answer = length - asked;
    return new Evaluation((double) said / answer, loss / answer);
  }

  /** Mean of {@code -log p} of the tokens of texts but the first of each. */
  static double loss(
      TransformerNetwork network, Checkpoint model, Stream<int[]> texts, Workspace ws)
      throws IOException {
    try (TransformerSession session = network.open(model, ws)) {
      double sum = 0;
      int count = 0;
      for (double[] text : session.logProbabilities(texts.toArray(int[][]::new))) {
        for (double p : text) {
          sum -= p;
          count++;
        }
      }
      return sum / count;
    }
  }

  private static int[] array(List<Integer> tokens) {
    return tokens.stream().mapToInt(t -> t).toArray();
  }

  private static int largest(float[] values, int from, int count) {
    return IntStream.range(0, count)
        .reduce(0, (best, i) -> values[from + i] > values[from + best] ? i : best);
  }

  private static double logProbability(float[] values, int from, int count, int token) {
    double most = values[from + largest(values, from, count)];
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += StrictMath.exp(values[from + i] - most);
    }
    return values[from + token] - most - StrictMath.log(sum);
  }
}
