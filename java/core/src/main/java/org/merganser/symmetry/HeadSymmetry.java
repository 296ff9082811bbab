// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.merganser.transformer.TransformerConfig;

/**
 * What becomes one KV head and the G query heads that read it. With V, K, Q_h the rows of the head
 * in the projections and O_h its columns of the output projection:
 *
 * <pre>
 * V' = A V + c      O_h' = O_h A^-1      b' = b - sum_h O_h' c
 * K' = B K          Q_h' = B^-T Q_h
 * </pre>
 *
 * @param source the KV head that becomes this one
 * @param queries the query head j of the group becomes number {@code queries[j]} of the source's
 * @param value A, row-major dh x dh; empty for the identity, which is kept so
 * @param valueInverse A^-1; empty for the identity
 * @param queryKey B
 * @param shift c [dh], only where the output projection has a bias; empty for none
 */
public record HeadSymmetry(
    int source,
    int[] queries,
    double[] value,
    double[] valueInverse,
    QueryKey queryKey,
    double[] shift) {

  /** What keys are multiplied with, and queries with the transposed inverse of. */
  public sealed interface QueryKey {}

  /**
   * With rotary embedding: the pair (i, i + dh/2) of a key turns by phase[i] and grows by ratio[i];
   * that of the queries turns alike and shrinks by it.
   *
   * @param phase dh/2 angles in radians
   * @param ratio dh/2 positive factors
   */
  public record Rotary(double[] phase, double[] ratio) implements QueryKey {
    public Rotary {
      if (phase.length != ratio.length) {
        throw new IllegalArgumentException(
            phase.length + " phases and " + ratio.length + " ratios of a head");
      }
      phase = Arrays.copyOf(phase, phase.length);
      ratio = Arrays.copyOf(ratio, ratio.length);
      requireFinite("phase", phase);
      for (int i = 0; i < ratio.length; i++) {
        if (!(ratio[i] > 0) || Double.isInfinite(ratio[i])) {
          throw new IllegalArgumentException(
              "ratio " + i + " of a head must be positive, not " + ratio[i]);
        }
      }
    }

    /** Of pairs that stay as they are. */
    public static Rotary identity(int pairs) {
      double[] ones = new double[pairs];
      Arrays.fill(ones, 1);
      return new Rotary(new double[pairs], ones);
    }

    @Override
    public double[] phase() {
      return phase.clone();
    }

    @Override
    public double[] ratio() {
      return ratio.clone();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Rotary that
          && Arrays.equals(phase, that.phase)
          && Arrays.equals(ratio, that.ratio);
    }

    @Override
    public int hashCode() {
      return 31 * Arrays.hashCode(phase) + Arrays.hashCode(ratio);
    }
  }

  /**
   * Without rotary embedding: any invertible B.
   *
   * @param key B, row-major dh x dh; empty for the identity
   * @param query B^-T; empty for the identity
   */
  public record Dense(double[] key, double[] query) implements QueryKey {
    /** That changes nothing. */
    public static final Dense IDENTITY = new Dense(new double[0], new double[0]);

    public Dense {
      key = Arrays.copyOf(key, key.length);
      query = Arrays.copyOf(query, query.length);
      requireFinite("key", key);
      requireFinite("query", query);
      Squares.requireInverse("query and key", key, Squares.transpose(query));
      if (Squares.isIdentity(key) && Squares.isIdentity(query)) {
        key = new double[0];
        query = new double[0];
      }
    }

    @Override
    public double[] key() {
      return key.clone();
    }

    @Override
    public double[] query() {
      return query.clone();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Dense that
          && Arrays.equals(key, that.key)
          && Arrays.equals(query, that.query);
    }

    @Override
    public int hashCode() {
      return 31 * Arrays.hashCode(key) + Arrays.hashCode(query);
    }
  }

  public HeadSymmetry {
    queries = Arrays.copyOf(queries, queries.length);
    value = Arrays.copyOf(value, value.length);
    valueInverse = Arrays.copyOf(valueInverse, valueInverse.length);
    shift = Arrays.copyOf(shift, shift.length);
    if (source < 0) {
      throw new IllegalArgumentException("source " + source + " of a head");
    }
    LayerSymmetry.requirePermutation("queries", queries);
    requireFinite("value", value);
    requireFinite("valueInverse", valueInverse);
    requireFinite("shift", shift);
    Squares.requireInverse("value and valueInverse", value, valueInverse);
    if (Squares.isIdentity(value) && Squares.isIdentity(valueInverse)) {
      value = new double[0];
      valueInverse = new double[0];
    }
    if (Arrays.stream(shift).allMatch(each -> each == 0)) {
      shift = new double[0];
    }
  }

  /** That changes nothing. */
  public static HeadSymmetry identity(TransformerConfig config, int head) {
    double[] none = {};
    QueryKey queryKey =
        config.rope().isPresent() ? Rotary.identity(config.headSize() / 2) : Dense.IDENTITY;
    return new HeadSymmetry(
        head, IntStream.range(0, config.group()).toArray(), none, none, queryKey, none);
  }

  static void requireFinite(String what, double[] values) {
    for (int i = 0; i < values.length; i++) {
      if (!Double.isFinite(values[i])) {
        throw new IllegalArgumentException(what + " " + i + " is " + values[i]);
      }
    }
  }

  @Override
  public int[] queries() {
    return queries.clone();
  }

  @Override
  public double[] value() {
    return value.clone();
  }

  @Override
  public double[] valueInverse() {
    return valueInverse.clone();
  }

  @Override
  public double[] shift() {
    return shift.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof HeadSymmetry that
        && source == that.source
        && Arrays.equals(queries, that.queries)
        && Arrays.equals(value, that.value)
        && Arrays.equals(valueInverse, that.valueInverse)
        && queryKey.equals(that.queryKey)
        && Arrays.equals(shift, that.shift);
  }

  @Override
  public int hashCode() {
    int hash = 31 * source + Arrays.hashCode(queries);
    hash = 31 * hash + Arrays.hashCode(value);
    hash = 31 * hash + Arrays.hashCode(valueInverse);
    hash = 31 * hash + queryKey.hashCode();
    return 31 * hash + Arrays.hashCode(shift);
  }
}
