// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.cka.ReliabilityReport.Check;
import org.merganser.cka.ReliabilityReport.Opinion;
import org.merganser.cka.ReliabilityReport.Significance;
import org.merganser.compute.DType;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.linalg.Gram;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.GridAccumulator;
import org.merganser.similarity.GridAccumulator.FullGram;
import org.merganser.similarity.SimilarityMeasure.Side;

/**
 * Linear Grams that were saved, instead of activations. They know them up to a rotation, so all
 * that a rotation does not change is the same; what it does (standardised features, ReLU, a
 * readout) is not said. Subsets are moved along the direction that was drawn when the Grams were
 * summed.
 *
 * @param k of X, centred
 * @param l of Y, centred
 * @param along X times that direction, centred
 * @param epsilon of the products that they were summed of
 */
record GramSides(
    Matrix k,
    Matrix l,
    long featuresX,
    long featuresY,
    double[] along,
    double epsilon,
    Blocks blocks,
    Workspace ws)
    implements Sides {

  /**
   * Sums as they are, which stay their owner's.
   *
   * @param a layer of X among those of A
   * @param b layer of Y among those of B
   */
  record Given(GridAccumulator sums, int a, int b, Blocks blocks, long featuresX)
      implements Source {
    static Given of(GridAccumulator sums, int a, int b) {
      try (FullGram x = sums.fullGram(Side.X, a)) {
        return new Given(sums, a, b, blocks(x), x.features());
      }
    }

    private static Blocks blocks(FullGram gram) {
      return Blocks.of(gram.gram().rows(), gram.positions());
    }

    @Override
    public Sides open(int[] samples, Workspace ws) {
      try (Opened opened = new Opened()) {
        FullGram x = opened.add(sums.fullGram(Side.X, a));
        FullGram y = opened.add(sums.fullGram(Side.Y, b));
        if (samples.length == blocks.samples()) {
          Samples.requireVarying("X", x.gram(), ws);
          Samples.requireVarying("Y", y.gram(), ws);
          opened.release();
          return new GramSides(
              x.gram(), y.gram(), x.features(), y.features(), along(x), epsilon(x), blocks, ws);
        }
        int[] rows = blocks.rowsOf(samples);
        Opened some = new Opened();
        try (some) {
          Matrix k = some.add(drawn("X", x, rows, ws));
          Matrix l = some.add(drawn("Y", y, rows, ws));
          some.release();
          return new GramSides(
              k,
              l,
              x.features(),
              y.features(),
              centred(along(x), rows),
              epsilon(x),
              blocks.withSamples(samples.length),
              ws);
        }
      }
    }

    /**
     * What is the same in all that were drawn may differ by the rounding of their products, and by
     * that of means of the whole Gram.
     */
    private static Matrix drawn(String name, FullGram all, int[] rows, Workspace ws) {
      int[] each = IntStream.range(0, Math.toIntExact(all.gram().rows())).toArray();
      double[] squares = all.gram().entries(each, ws);
      double own = Arrays.stream(rows).mapToDouble(i -> squares[i]).sum();
      double rounding =
          rows.length * epsilon(all) * own
              + squares.length * Math.ulp(1.0) * Translation.sum(squares);
      try (Opened opened = new Opened()) {
        Matrix gram = opened.add(among(all.gram(), rows, ws));
        Samples.requireVarying(name, gram, rounding, ws);
        opened.release();
        return gram;
      }
    }

    private static double epsilon(FullGram gram) {
      return gram.precision() == DType.F32 ? Math.ulp(1f) : Math.ulp(1.0);
    }

    private static double[] along(FullGram gram) {
      return gram.along().stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static double[] centred(double[] along, int[] rows) {
      double[] some = Arrays.stream(rows).mapToDouble(i -> along[i]).toArray();
      double mean = Translation.sum(some) / some.length;
      return Arrays.stream(some).map(each -> each - mean).toArray();
    }
  }

  /** Centred anew. */
  private static Matrix among(Matrix gram, int[] rows, Workspace ws) {
    try (Opened opened = new Opened()) {
      Matrix some = opened.add(GramPair.among(gram, rows, ws));
      Gram.centre(some, ws);
      opened.release();
      return some;
    }
  }

  @Override
  public GramPair pair(CkaKernel kernel) {
    try (Opened opened = new Opened()) {
      Matrix left = opened.add(kernel.ofLinear("X", k, ws));
      Matrix right = opened.add(kernel.ofLinear("Y", l, ws));
      GramPair pair = GramPair.borrowed(left, right, blocks.positions(), ws);
      opened.release();
      return pair;
    }
  }

  @Override
  public Matrix linear() {
    return k.on(ws);
  }

  @Override
  public Significance significance(
      GramPair pair, CkaKernel kernel, int permutations, int[] groups) {
    return PermutationTest.of(pair, permutations, groups, ws);
  }

  @Override
  public TranslationCurves curves(Matrix linear, double[] unseen) {
    return new TranslationCurves(linear, blocks, direction -> along, along, false, ws);
  }

  @Override
  public List<Check> checks(CkaKernel kernel) {
    return List.of();
  }

  @Override
  public List<Opinion> opinions(CkaKernel kernel) {
    return SecondOpinions.of(new Factors(this), kernel, blocks.noun(), ws);
  }

  /** Matrices with the same Grams as some rows. */
  private record Factors(GramSides of) implements SecondOpinions.Part {
    @Override
    public int rows() {
      return of.blocks.rows();
    }

    @Override
    public long featuresX() {
      return of.featuresX;
    }

    @Override
    public long featuresY() {
      return of.featuresY;
    }

    /** A Gram is to be decomposed, whatever the features are. */
    @Override
    public long decomposed() {
      return Math.max(rows(), Math.max(of.featuresX, of.featuresY));
    }

    @Override
    public GramPair pair(CkaKernel kernel) {
      return of.pair(kernel);
    }

    @Override
    public Matrix x(int[] rows) {
      return factor(of.k, rows);
    }

    @Override
    public Matrix y(int[] rows) {
      return factor(of.l, rows);
    }

    private Matrix factor(Matrix gram, int[] rows) {
      try (Matrix some = among(gram, rows, of.ws)) {
        return GramFactor.of(some, of.epsilon, of.ws);
      }
    }
  }

  @Override
  public void close() {
    k.close();
    l.close();
  }
}
