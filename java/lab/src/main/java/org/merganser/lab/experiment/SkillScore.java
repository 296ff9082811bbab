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
import org.merganser.lab.data.ToyLanguage;
import org.merganser.linalg.Tensor;
import org.merganser.model.Evaluation;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.torch.transformer.TransformerSession;

/**
 * How well decoders answer questions and say texts of a language, on samples that no training saw.
 *
 * @param sequences questions with their answers
 * @param asked tokens of a sequence before the answer
 */
record SkillScore(TransformerNetwork network, List<List<Integer>> sequences, int asked) {

  /**
   * @param count of questions
   * @param stream name of the stream of the seed that they are drawn from
   */
  static SkillScore draw(
      TransformerNetwork network, Skill skill, int count, long seed, String stream) {
    SplittableRandom random = Seeds.stream(seed, stream);
    List<List<Integer>> sequences = new ArrayList<>();
    int asked = 0;
    for (int i = 0; i < count; i++) {
      Skill.Task task = skill.draw(random);
      List<Integer> tokens = new ArrayList<>(List.of(ToyLanguage.START));
      tokens.addAll(task.tokens());
      sequences.add(tokens);
      asked = 1 + task.prompt().size();
    }
    return new SkillScore(network, sequences, asked);
  }

  /**
   * Share of the questions whose whole answer is what the model says greedily, and mean of {@code
   * -log p} of the tokens of answers.
   */
  Evaluation of(Checkpoint model, Workspace ws) throws IOException {
    int[][] tokens = sequences.stream().map(SkillScore::array).toArray(int[][]::new);
    try (TransformerSession session = network.open(model, ws);
        Tensor logits = session.logits(tokens)) {
      float[] values = logits.toFloatArray();
      int length = tokens[0].length;
      int vocabulary = network.config().vocabulary();
      int right = 0;
      double loss = 0;
      for (int s = 0; s < tokens.length; s++) {
        boolean all = true;
        for (int t = asked; t < length; t++) {
          // What is said given the right tokens before is what is said, as long as it is right.
          int from = (s * length + t - 1) * vocabulary;
          all &= largest(values, from, vocabulary) == tokens[s][t];
          loss -= logProbability(values, from, vocabulary, tokens[s][t]);
        }
        right += all ? 1 : 0;
      }
      int answered = tokens.length * (length - asked);
      return new Evaluation((double) right / tokens.length, loss / answered);
    }
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
