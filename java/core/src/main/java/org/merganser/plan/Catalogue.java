// SPDX-License-Identifier: Apache-2.0
package org.merganser.plan;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.align.Aligner;
import org.merganser.align.CcaAligner;
import org.merganser.align.IdentityAligner;
import org.merganser.align.PermutationAligner;
import org.merganser.align.PermutationScaledAligner;
import org.merganser.align.ProcrustesAligner;
import org.merganser.align.RidgeAligner;
import org.merganser.merge.ArceeFusionMerger;
import org.merganser.merge.BreadcrumbsMerger;
import org.merganser.merge.ConsensusMerger;
import org.merganser.merge.DareMerger;
import org.merganser.merge.DellaMerger;
import org.merganser.merge.EmrMerger;
import org.merganser.merge.ExpoMerger;
import org.merganser.merge.FisherMerger;
import org.merganser.merge.IsoMerger;
import org.merganser.merge.KarcherMerger;
import org.merganser.merge.KnotsMerger;
import org.merganser.merge.LinearMerger;
import org.merganser.merge.MagMaxMerger;
import org.merganser.merge.Merger;
import org.merganser.merge.ModelStockMerger;
import org.merganser.merge.MultiSlerpMerger;
import org.merganser.merge.NearSwapMerger;
import org.merganser.merge.NpMerger;
import org.merganser.merge.NuSlerpMerger;
import org.merganser.merge.PassthroughMerger;
import org.merganser.merge.RamMerger;
import org.merganser.merge.RamPlusMerger;
import org.merganser.merge.RegMeanMerger;
import org.merganser.merge.SceMerger;
import org.merganser.merge.SlerpMerger;
import org.merganser.merge.TaskArithmeticMerger;
import org.merganser.merge.TiesMerger;
import org.merganser.merge.TsvMerger;
import org.merganser.method.Method;
import org.merganser.method.Settings;
import org.merganser.repair.BatchNormReset;
import org.merganser.repair.Repair;
import org.merganser.repair.RepairRescale;
import org.merganser.similarity.AngularCka;
import org.merganser.similarity.CanonicalCorrelation;
import org.merganser.similarity.Hsic;
import org.merganser.similarity.KnnJaccard;
import org.merganser.similarity.LinearCka;
import org.merganser.similarity.LinearRegressionR2;
import org.merganser.similarity.MatchedFeatures;
import org.merganser.similarity.MinibatchCka;
import org.merganser.similarity.Procrustes;
import org.merganser.similarity.Pwcca;
import org.merganser.similarity.RbfCka;
import org.merganser.similarity.Rsa;
import org.merganser.similarity.RvCoefficient;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.similarity.SubspaceOverlap;
import org.merganser.similarity.Svcca;

/**
 * Every method by id, in the order of tables. A new method is tested, listed and offered on the
 * command line, with its settings, by its line here.
 */
public final class Catalogue {
  private static final Methods<Aligner> ALIGNERS = new Methods<>("aligner");
  private static final Methods<Merger> MERGERS = new Methods<>("merger");
  private static final Methods<Repair> REPAIRS = new Methods<>("repair");
  private static final Methods<SimilarityMeasure> MEASURES = new Methods<>("measure");

  static {
    ALIGNERS.add(new IdentityAligner());
    ALIGNERS.add(PermutationAligner::of, PermutationAligner.Options.defaults());
    ALIGNERS.add(new PermutationScaledAligner());
    ALIGNERS.add(CcaAligner::of, CcaAligner.Options.defaults());
    ALIGNERS.add(ProcrustesAligner.orthogonal());
    ALIGNERS.add(ProcrustesAligner.scaled());
    ALIGNERS.add(RidgeAligner::of, RidgeAligner.Options.defaults());
  }

  static {
    MERGERS.add(LinearMerger::of, LinearMerger.Options.defaults());
    MERGERS.add(PassthroughMerger::of, PassthroughMerger.Options.defaults());
    MERGERS.add(ExpoMerger::of, ExpoMerger.Options.defaults());
    MERGERS.add(SlerpMerger::of, SlerpMerger.Options.defaults());
    MERGERS.add(TaskArithmeticMerger::of, TaskArithmeticMerger.Options.defaults());
    MERGERS.add(TiesMerger::of, TiesMerger.Options.defaults());
    MERGERS.add(DareMerger::linear, DareMerger.Options.defaults());
    MERGERS.add(DareMerger::ties, DareMerger.Options.defaults());
    MERGERS.add(DellaMerger::linear, DellaMerger.Options.defaults().withNormalise(false));
    MERGERS.add(DellaMerger::ties, DellaMerger.Options.defaults());
    MERGERS.add(BreadcrumbsMerger::linear, BreadcrumbsMerger.Options.defaults());
    MERGERS.add(BreadcrumbsMerger::ties, BreadcrumbsMerger.Options.defaults());
    MERGERS.add(ModelStockMerger::of, ModelStockMerger.Options.defaults());
    MERGERS.add(MultiSlerpMerger::of, MultiSlerpMerger.Options.defaults());
    MERGERS.add(NuSlerpMerger::of, NuSlerpMerger.Options.defaults());
    MERGERS.add(KarcherMerger::of, KarcherMerger.Options.defaults());
    MERGERS.add(NearSwapMerger::of, NearSwapMerger.Options.defaults());
    MERGERS.add(MagMaxMerger::of, MagMaxMerger.Options.defaults());
    MERGERS.add(RamMerger::of, RamMerger.Options.defaults());
    MERGERS.add(RamPlusMerger::of, RamPlusMerger.Options.defaults());
    MERGERS.add(SceMerger::of, SceMerger.Options.defaults());
    MERGERS.add(ConsensusMerger::of, ConsensusMerger.Options.defaults());
    MERGERS.add(EmrMerger::of, EmrMerger.Options.defaults());
    MERGERS.add(new ArceeFusionMerger());
    MERGERS.add(IsoMerger::common, IsoMerger.Options.defaults());
    MERGERS.add(IsoMerger::commonAndTasks, IsoMerger.TaskOptions.defaults());
    MERGERS.add(TsvMerger::of, TsvMerger.Options.defaults());
    MERGERS.add(KnotsMerger::of, KnotsMerger.Options.defaults());
    MERGERS.add(FisherMerger::of, FisherMerger.Options.defaults());
    MERGERS.add(RegMeanMerger::of, RegMeanMerger.Options.defaults());
    MERGERS.add(NpMerger::of, NpMerger.Options.defaults());
  }

  static {
    REPAIRS.add(new BatchNormReset());
    REPAIRS.add(RepairRescale.measured());
    REPAIRS.add(RepairRescale.closedForm());
  }

  static {
    MEASURES.add(Hsic::of, Hsic.Options.defaults());
    MEASURES.add(LinearCka::biased, LinearCka.Options.defaults());
    MEASURES.add(LinearCka::debiased, LinearCka.Options.defaults());
    MEASURES.add(RbfCka::of, RbfCka.Options.defaults());
    MEASURES.add(MinibatchCka::of, MinibatchCka.Options.defaults());
    MEASURES.add(AngularCka::of, AngularCka.Options.defaults());
    MEASURES.add(RvCoefficient::plain, RvCoefficient.Options.defaults());
    MEASURES.add(RvCoefficient::modified, RvCoefficient.Options.defaults());
    MEASURES.add(CanonicalCorrelation.mean());
    MEASURES.add(CanonicalCorrelation.squares());
    MEASURES.add(CanonicalCorrelation.overlap());
    MEASURES.add(Svcca::of, Svcca.Options.defaults());
    MEASURES.add(Pwcca::of, Pwcca.Options.defaults());
    MEASURES.add(Procrustes.distance());
    MEASURES.add(Procrustes.normalised());
    MEASURES.add(Procrustes.angular());
    MEASURES.add(Procrustes::permutation, Procrustes.Options.defaults());
    MEASURES.add(MatchedFeatures.correlation());
    MEASURES.add(LinearRegressionR2::of, LinearRegressionR2.Options.defaults());
    MEASURES.add(Rsa::of, Rsa.Options.defaults());
    MEASURES.add(SubspaceOverlap::of, SubspaceOverlap.Options.defaults());
    MEASURES.add(KnnJaccard::of, KnnJaccard.Options.defaults());
  }

  private Catalogue() {}

  public static Methods<Aligner> aligners() {
    return ALIGNERS;
  }

  /** An aligner from text, as {@link Methods#method}. */
  public static Aligner aligner(String text) {
    return ALIGNERS.method(text);
  }

  public static Methods<Merger> mergers() {
    return MERGERS;
  }

  public static Methods<Repair> repairs() {
    return REPAIRS;
  }

  public static Methods<SimilarityMeasure> measures() {
    return MEASURES;
  }

  /** The kinds of methods with their names in the plural, in the order of tables. */
  public static Map<String, Methods<?>> kinds() {
    Map<String, Methods<?>> kinds = new LinkedHashMap<>();
    kinds.put("aligners", ALIGNERS);
    kinds.put("mergers", MERGERS);
    kinds.put("repairs", REPAIRS);
    kinds.put("measures", MEASURES);
    return kinds;
  }

  /**
   * A method as it is listed.
   *
   * @param <M> its kind
   */
  public static final class Entry<M extends Method> {
    private final M usual;
    private final Settings<?> settings;
    private final Function<String, M> factory;

    private <O extends Record> Entry(Function<O, ? extends M> factory, O defaults) {
      Settings<O> declared = Settings.of(defaults);
      this.settings = declared;
      this.usual = factory.apply(defaults);
      this.factory = text -> factory.apply(declared.parse(usual.id(), text));
    }

    public String id() {
      return usual.id();
    }

    public String summary() {
      return usual.summary();
    }

    public Settings<?> settings() {
      return settings;
    }

    /** With its defaults. */
    public M method() {
      return usual;
    }

    /**
     * With settings as text, {@code gamma=0.1,unit=absolute}.
     *
     * @throws IllegalArgumentException as {@link Settings#parse}
     */
    public M method(String text) {
      return factory.apply(text);
    }
  }

  /**
   * The methods of one kind.
   *
   * @param <M> the kind
   */
  public static final class Methods<M extends Method> {
    private final String kind;
    private final Map<String, Entry<M>> entries = new LinkedHashMap<>();

    private Methods(String kind) {
      this.kind = kind;
    }

    /** A method without settings. */
    private void add(M method) {
      add(none -> method, new Method.NoOptions());
    }

    private <O extends Record> void add(Function<O, ? extends M> factory, O defaults) {
      Entry<M> entry = new Entry<>(factory, defaults);
      entries.put(entry.id(), entry);
    }

    public List<String> ids() {
      return List.copyOf(entries.keySet());
    }

    public List<Entry<M>> entries() {
      return List.copyOf(entries.values());
    }

    /**
     * Every method as {@link #method(String)} reads it: with its defaults, and with each other
     * constant of each setting that has constants.
     */
    public List<String> variants() {
      List<String> variants = new ArrayList<>();
      for (Entry<M> entry : entries()) {
        variants.add(entry.id());
        for (Settings.Entry setting : entry.settings().entries()) {
          for (String constant : setting.constants()) {
            if (!constant.equals(setting.initial())) {
              String choice = setting.with().isEmpty() ? "" : setting.with() + ",";
              variants.add(entry.id() + ":" + choice + setting.name() + "=" + constant);
            }
          }
        }
      }
      return variants;
    }

    /**
     * One of them.
     *
     * @throws IllegalArgumentException naming the known ids
     */
    public Entry<M> entry(String id) {
      Entry<M> entry = entries.get(id);
      if (entry == null) {
        throw new IllegalArgumentException(
            "no " + kind + " '" + id + "'; there are " + String.join(", ", entries.keySet()));
      }
      return entry;
    }

    /**
     * A method from text: its id, alone or with settings after a colon, {@code
     * cca:gamma=0.1,unit=absolute}.
     *
     * @throws IllegalArgumentException when there is no such method, setting or value
     */
    public M method(String text) {
      int colon = text.indexOf(':');
      return colon < 0
          ? entry(text).method()
          : entry(text.substring(0, colon)).method(text.substring(colon + 1));
    }

    /**
     * The id that a text begins with.
     *
     * @throws IllegalArgumentException naming the known ids
     */
    public String id(String text) {
      int colon = text.indexOf(':');
      return entry(colon < 0 ? text : text.substring(0, colon)).id();
    }

    /** The text of a method with one more setting, {@code NAME=VALUE}. */
    public static String with(String text, String setting) {
      return text + (text.indexOf(':') < 0 ? ":" : ",") + setting;
    }

    /**
     * Texts of methods from one whose values may be several, divided by slashes: {@code
     * cca:gamma=0.1/1,unit=relative} is {@code cca:gamma=0.1,unit=relative} and {@code
     * cca:gamma=1,unit=relative}. All combinations, the last setting changing first.
     */
    public static List<String> alternatives(String text) {
      List<String> texts = List.of("");
      int colon = text.indexOf(':');
      String separator = text.substring(0, colon < 0 ? text.length() : colon + 1);
      for (String setting : colon < 0 ? new String[] {""} : text.substring(colon + 1).split(",")) {
        int equals = setting.indexOf('=');
        String name = separator + setting.substring(0, equals + 1);
        List<String> longer = new ArrayList<>();
        for (String before : texts) {
          for (String value : setting.substring(equals + 1).split("/", -1)) {
            longer.add(before + name + value);
          }
        }
        texts = longer;
        separator = ",";
      }
      return texts;
    }

    /**
     * Divides a list at its commas, less those between settings of one method: {@code
     * identity,cca:gamma=0.1,unit=absolute} has two.
     */
    public static List<String> split(String texts) {
      List<String> methods = new ArrayList<>();
      for (String part : texts.split(",", -1)) {
        int equals = part.indexOf('=');
        boolean continues = equals >= 0 && part.lastIndexOf(':', equals) < 0 && !methods.isEmpty();
        if (continues) {
          methods.set(methods.size() - 1, methods.get(methods.size() - 1) + "," + part);
        } else {
          methods.add(part);
        }
      }
      return Collections.unmodifiableList(methods);
    }
  }
}
