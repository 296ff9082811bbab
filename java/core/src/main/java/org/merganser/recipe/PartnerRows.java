// SPDX-License-Identifier: Apache-2.0
package org.merganser.recipe;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import org.merganser.io.Checkpoint;
import org.merganser.recipe.Vocabularies.RowSource;

/**
 * Rows of embeddings of several models, found for the rows of a target by the texts of tokens. A
 * row has partners where every model has one: where a model lacks the token, and where the target's
 * row has none (padding), all models have 0, so that their differences are 0 in whatever
 * coordinates.
 */
final class PartnerRows {
  private static final int NONE = -1;

  /** Of each model, by row of the target. */
  private final List<int[]> partners;

  private final int rows;

  private PartnerRows(List<int[]> partners, int rows) {
    this.partners = partners;
    this.rows = rows;
  }

  /** The same row everywhere. */
  static PartnerRows byIndex(int rows, int models) {
    int[] same = new int[rows];
    Arrays.setAll(same, row -> row);
    List<int[]> all = new ArrayList<>();
    for (int model = 0; model < models; model++) {
      all.add(same);
    }
    return new PartnerRows(all, rows);
  }

  /**
   * @param rows of the target's embeddings; tokens beyond them have no row
   * @param modelRows likewise of each model
   */
  static PartnerRows byToken(
      Vocabulary target, int rows, List<Vocabulary> models, List<Integer> modelRows) {
    List<int[]> partners = new ArrayList<>();
    for (int model = 0; model < models.size(); model++) {
      int[] own = new int[rows];
      Arrays.fill(own, NONE);
      partners.add(own);
    }
    for (Map.Entry<String, Integer> token : target.ids().entrySet()) {
      int row = token.getValue();
      for (int model = 0; model < models.size() && row < rows; model++) {
        int own = models.get(model).ids().getOrDefault(token.getKey(), NONE);
        partners.get(model)[row] = own < modelRows.get(model) ? own : NONE;
      }
    }
    for (int row = 0; row < rows; row++) {
      int at = row;
      if (partners.stream().anyMatch(own -> own[at] == NONE)) {
        partners.forEach(own -> own[at] = NONE);
      }
    }
    return new PartnerRows(partners, rows);
  }

  /** Rows of the target that have no partners. */
  int unmatched() {
    return (int) Arrays.stream(partners.get(0)).filter(row -> row == NONE).count();
  }

  /** Rows whose partners stand elsewhere in some model. */
  int moved() {
    int moved = 0;
    for (int row = 0; row < rows; row++) {
      int at = row;
      moved += partners.stream().anyMatch(own -> own[at] != NONE && own[at] != at) ? 1 : 0;
    }
    return moved;
  }

  /**
   * A model with the rows of the target; itself where it has them already.
   *
   * @param names of its tensors that have a row for each token, each as many
   */
  Checkpoint view(int model, Checkpoint source, List<String> names) {
    int[] own = partners.get(model);
    boolean same = names.stream().allMatch(name -> source.info(name).dim(0) == rows);
    for (int row = 0; row < rows && same; row++) {
      same = own[row] == row;
    }
    if (same) {
      return source;
    }
    List<RowSource> sources = new ArrayList<>(rows);
    for (int row : own) {
      sources.add(row == NONE ? RowSource.ZERO : RowSource.of(source, row));
    }
    return new ReindexedCheckpoint(source, names, sources, new BitSet(), 0);
  }
}
