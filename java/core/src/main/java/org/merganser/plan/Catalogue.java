// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.merganser.align.Aligner;
import org.merganser.align.CcaAligner;
import org.merganser.align.IdentityAligner;
import org.merganser.align.PermutationAligner;
import org.merganser.align.PermutationScaledAligner;
import org.merganser.align.ProcrustesAligner;
import org.merganser.align.RidgeAligner;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.Merger;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.Repair;
import org.merganser.repair.RepairRescale;

/**
 * Every method with its defaults, by id, in the order of tables. A new method is tested, listed and
 * offered on the command line by its line here.
 */
public final class Catalogue {
  private static final Map<String, Supplier<Aligner>> ALIGNERS = new LinkedHashMap<>();
  private static final Map<String, Supplier<Merger>> MERGERS = new LinkedHashMap<>();

  private static final Map<String, Supplier<Repair>> REPAIRS = new LinkedHashMap<>();

  static {
    ALIGNERS.put("identity", IdentityAligner::new);
    ALIGNERS.put("permutation", PermutationAligner::byCorrelation);
    ALIGNERS.put("permutation-scaled", PermutationScaledAligner::new);
    ALIGNERS.put("cca", () -> CcaAligner.of(CcaAligner.Options.defaults()));
    ALIGNERS.put("procrustes", ProcrustesAligner::orthogonal);
    ALIGNERS.put("procrustes-scaled", ProcrustesAligner::scaled);
    ALIGNERS.put("ridge", () -> RidgeAligner.of(RidgeAligner.Options.defaults()));
    MERGERS.put("linear", LinearMerger::uniform);
    REPAIRS.put("bn-reset", BatchNormReset::new);
    REPAIRS.put("repair", RepairRescale::measured);
    REPAIRS.put("repair-closed-form", RepairRescale::closedForm);
  }

  private Catalogue() {}

  public static Map<String, Supplier<Aligner>> aligners() {
    return Collections.unmodifiableMap(ALIGNERS);
  }

  public static Map<String, Supplier<Merger>> mergers() {
    return Collections.unmodifiableMap(MERGERS);
  }

  public static Map<String, Supplier<Repair>> repairs() {
    return Collections.unmodifiableMap(REPAIRS);
  }

  /**
   * An aligner with its defaults.
   *
   * @throws IllegalArgumentException naming the known ids
   */
  public static Aligner aligner(String id) {
    Supplier<Aligner> supplier = ALIGNERS.get(id);
    if (supplier == null) {
      throw new IllegalArgumentException(
          "no aligner '" + id + "'; there are " + String.join(", ", ALIGNERS.keySet()));
    }
    return supplier.get();
  }
}
