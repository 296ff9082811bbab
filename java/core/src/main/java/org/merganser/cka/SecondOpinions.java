// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.CanonicalCorrelation;
import org.merganser.similarity.KnnJaccard;
import org.merganser.similarity.Procrustes;
import org.merganser.similarity.Rsa;
import org.merganser.similarity.Similarity;
import org.merganser.similarity.SimilarityMeasure;

/**
 * What other measures say of the same pair: a kernel that sees what is near, the best rotation,
 * ranks of distances, neighbours, and what linear maps can see. Those that cost more than the Grams
 * are asked about a part of the samples, drawn, and say so.
 */
final class SecondOpinions {
  private static final double T = 0.5;
  private static final int NEIGHBOURS = 10;

  /** Of measures that sort distances. */
  private static final int MOST_SAMPLES = 1024;

  /** Products of numbers in the singular value decomposition of a side: seconds beyond. */
  private static final double MOST_PRODUCTS = 3e8;

  /** What is asked about, or a part of it. */
  interface Part {
    int rows();

    long featuresX();

    long featuresY();

    /** Features of what is to be decomposed, at most. */
    long decomposed();

    GramPair pair(CkaKernel kernel);

    /** Some rows, new. */
    Matrix x(int[] rows);

    Matrix y(int[] rows);
  }

  private final Part all;
  private final String noun;
  private final Workspace ws;
  private final List<Opinion> opinions = new ArrayList<>();

  private SecondOpinions(Part all, String noun, Workspace ws) {
    this.all = all;
    this.noun = noun;
    this.ws = ws;
  }

  /**
   * @param kernel whose value is doubted
   * @param noun what rows are
   */
  static List<Opinion> of(Part part, CkaKernel kernel, String noun, Workspace ws) {
    SecondOpinions all = new SecondOpinions(part, noun, ws);
    int n = part.rows();
    if (kernel.isLinear()) {
      all.cka("RBF" + T, "cka-rbf", new CkaKernel(T));
    } else {
      all.cka("linear", "cka-linear", CkaKernel.LINEAR);
    }
    int decomposed = decomposed(n, part.decomposed());
    all.ask("Procrustes", Procrustes.angular(), decomposed, found -> found.details().get("cosine"));
    Rsa rsa = Rsa.of(Rsa.Options.defaults());
    all.ask("RSA", rsa, Math.min(n, MOST_SAMPLES), Similarity::value);
    int sorted = Math.min(n, MOST_SAMPLES);
    int k = Math.max(1, Math.min(NEIGHBOURS, (sorted - 1) / 2));
    all.ask("kNN(" + k + ")", KnnJaccard.k(k), sorted, Similarity::value);
    all.cca(decomposed);
    return all.opinions;
  }

  /** As many samples as can be decomposed in a second or so. */
  private static int decomposed(int n, long p) {
    double wide = Math.sqrt(MOST_PRODUCTS / p);
    double fitting = wide <= p ? wide : MOST_PRODUCTS / ((double) p * p);
    return (int) Math.min(n, Math.max(32, fitting));
  }

  private void cka(String name, String id, CkaKernel other) {
    int samples = all.rows();
    double value = Double.NaN;
    String note = "";
    try (GramPair pair = all.pair(other)) {
      value = pair.centred.cka();
    } catch (NumericalException e) {
      note = e.getMessage();
    }
    opinions.add(new Opinion(name, id, value, note, samples, Map.of()));
  }

  /** Not of a part that it says nothing of, where it would say something of all. */
  private void cca(int samples) {
    CanonicalCorrelation cca = CanonicalCorrelation.mean();
    long features = all.featuresX() + all.featuresY();
    if (features < all.rows() && features >= samples) {
      String note = "not asked: slow for %d %s, forced for %d".formatted(all.rows(), noun, samples);
      opinions.add(new Opinion("CCA", cca.id(), Double.NaN, note, samples, Map.of()));
    } else {
      ask("CCA", cca, samples, Similarity::value);
    }
  }

  private void ask(
      String name, SimilarityMeasure measure, int samples, Function<Similarity, Double> value) {
    Opinion opinion;
    try {
      Similarity found = between(measure, samples);
      Double forced = found.details().get("forced");
      String note = forced == null ? "" : "%.0f forced".formatted(forced);
      if (samples < all.rows()) {
        note += (note.isEmpty() ? "" : ", ") + "of " + samples + " " + noun;
      }
      opinion = new Opinion(name, measure.id(), value.apply(found), note, samples, found.details());
    } catch (NumericalException | IllegalArgumentException e) {
      opinion = new Opinion(name, measure.id(), Double.NaN, e.getMessage(), samples, Map.of());
    }
    opinions.add(opinion);
  }

  private Similarity between(SimilarityMeasure measure, int samples) {
    int[] rows = Arrays.copyOf(order(samples), samples);
    try (Matrix someX = all.x(rows);
        Matrix someY = all.y(rows)) {
      return measure.between(someX, someY, ws);
    }
  }

  /** All rows, or some that are drawn, in order. */
  private int[] order(int samples) {
    int[] order = Seeds.order(all.rows(), ws.seed(), "cka second opinions");
    Arrays.sort(order, 0, samples);
    return order;
  }
}
