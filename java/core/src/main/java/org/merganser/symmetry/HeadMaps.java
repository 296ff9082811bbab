// SPDX-License-Identifier: Apache-2.0
package org.merganser.symmetry;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.merganser.transformer.TransformerConfig;

/**
 * What balancing makes of the activations of the heads of a layer: values and what the output
 * projection reads are multiplied with A, keys with B, queries with B^-T. Row-major dh x dh, an
 * empty array for the identity.
 *
 * @param queries of each query head
 * @param keys of each KV head
 * @param values likewise
 * @param outputs of each query head
 */
record HeadMaps(double[][] queries, double[][] keys, double[][] values, double[][] outputs) {

  /** Of heads that keep their places and turn no pairs. */
  static HeadMaps of(List<HeadSymmetry> heads) {
    int group = heads.get(0).queries().length;
    int all = heads.size() * group;
    return new HeadMaps(
        each(all, h -> query(heads.get(h / group).queryKey())),
        each(heads.size(), k -> key(heads.get(k).queryKey())),
        each(heads.size(), k -> heads.get(k).value()),
        each(all, h -> heads.get(h / group).value()));
  }

  static HeadMaps identity(TransformerConfig config) {
    double[][] heads = new double[config.heads()][0];
    double[][] groups = new double[config.keyValueHeads()][0];
    return new HeadMaps(heads, groups, groups, heads);
  }

  private interface Map {
    double[] of(int head);
  }

  private static double[][] each(int count, Map map) {
    return IntStream.range(0, count).mapToObj(map::of).toArray(double[][]::new);
  }

  private static double[] key(HeadSymmetry.QueryKey queryKey) {
    return queryKey instanceof HeadSymmetry.Rotary rotary
        ? diagonal(rotary.ratio())
        : ((HeadSymmetry.Dense) queryKey).key();
  }

  private static double[] query(HeadSymmetry.QueryKey queryKey) {
    return queryKey instanceof HeadSymmetry.Rotary rotary
        ? diagonal(Arrays.stream(rotary.ratio()).map(r -> 1 / r).toArray())
        : ((HeadSymmetry.Dense) queryKey).query();
  }

  /** Of pairs (i, i + dh/2). */
  private static double[] diagonal(double[] pairs) {
    if (Arrays.stream(pairs).allMatch(each -> each == 1)) {
      return new double[0];
    }
    int size = 2 * pairs.length;
    double[] square = new double[size * size];
    for (int i = 0; i < size; i++) {
      square[i * size + i] = pairs[i % pairs.length];
    }
    return square;
  }
}
