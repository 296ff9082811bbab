// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.merganser.compute.Workspace;
import org.merganser.internal.Opened;
import org.merganser.internal.Seeds;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.lab.data.SkillSplit;
import org.merganser.lab.data.ToyLanguage;
import org.merganser.model.Evaluation;
import org.merganser.recipe.SkillTransfer;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.symmetry.SymmetryElement;
import org.merganser.symmetry.SymmetryMoments;
import org.merganser.torch.transformer.SymmetryStatistics;
import org.merganser.torch.transformer.TokenWindows;
import org.merganser.torch.transformer.TransformerNetwork;

/** The decoders of one seed, and what becomes of the skill in the targets. */
final class TransferSeed implements AutoCloseable {
  private static final int TEXTS = 200;

  /** Accuracy; of equals less loss is better. */
  private static final Comparator<Evaluation> BETTER =
      Comparator.comparingDouble(Evaluation::accuracy)
          .thenComparing(Comparator.comparingDouble(Evaluation::loss).reversed());

  /**
   * A model without the skill.
   *
   * @param meaning what it is, in words
   * @param language that it was trained on last
   */
  private record Target(String id, String meaning, MemoryCheckpoint model, ToyLanguage language) {}

  private final SkillTransferExperiment.Options options;
  private final TransformerNetwork network;
  private final int index;
  private final long seed;
  private final Findings findings;
  private final Stopwatch watch;
  private final Workspace ws;
  private final Opened opened = new Opened();
  private final SkillSplit split;
  private final SkillScore selection;
  private final SkillScore test;
  private final List<Target> targets = new ArrayList<>();
  private MemoryCheckpoint base;
  private MemoryCheckpoint skilled;

  private TransferSeed(
      SkillTransferExperiment.Options options,
      TransformerNetwork network,
      int index,
      Findings findings,
      Runner runner) {
    this.options = options;
    this.network = network;
    this.index = index;
    this.seed = runner.seed(index);
    this.findings = findings;
    this.watch = runner.watch();
    this.ws = runner.ws();
    this.split = new SkillSplit(options.skill(), seed);
    this.selection =
        SkillScore.draw(network, split, SkillSplit.Part.SELECTION, options.questions());
    this.test = SkillScore.draw(network, split, SkillSplit.Part.TEST, options.questions());
  }

  /**
   * Trains the four decoders of a seed.
   *
   * @param findings receives what is found
   */
  static TransferSeed train(
      SkillTransferExperiment.Options options,
      TransformerNetwork network,
      int index,
      Findings findings,
      Runner runner)
      throws IOException {
    TransferSeed one = new TransferSeed(options, network, index, findings, runner);
    try {
      runner.watch().run("train", one::train);
      return one;
    } catch (IOException | RuntimeException e) {
      one.close();
      throw e;
    }
  }

  private void train() throws IOException {
    Decoders decoders = new Decoders(network, options, seed, ws);
    ToyLanguage language = ToyLanguage.of(seed, 0);
    ToyLanguage other = ToyLanguage.of(seed, 1);
    base = opened.add(decoders.pretrained(language, "base"));
    skilled = opened.add(decoders.skilled(base, language, split));
    targets.add(
        new Target(
            "continued",
            "the base trained on with texts of another dialect",
            opened.add(decoders.continued(base, other)),
            other));
    targets.add(
        new Target(
            "apart",
            "trained from other initial weights, on other texts of the language",
            opened.add(decoders.pretrained(language, "apart")),
            language));
  }

  /** Everything that is measured. */
  void run() throws IOException {
    ToyLanguage language = ToyLanguage.of(seed, 0);
    add("base", "what the skill was trained from", base, language, "");
    add("skill", "the base fine-tuned on questions: what can be had", skilled, language, "");
    for (Target target : targets) {
      add(target.id(), target.meaning(), target.model(), target.language(), "");
      move(target);
    }
  }

  private void move(Target target) throws IOException {
    SkillTransfer naive = transfer(target, SkillTransfer.Options.defaults());
    add(
        target,
        SkillTransferExperiment.NAIVE,
        "the difference added as it is",
        naive,
        SymmetryElement.identity(network.config()));
    List<int[]> texts = new ArrayList<>();
    SplittableRandom random = Seeds.stream(seed, "texts/calibration");
    for (int i = 0; i < options.calibration(); i++) {
      // Half of what the base was trained on, half of what the target was.
      ToyLanguage language = i % 2 == 0 ? ToyLanguage.of(seed, 0) : target.language();
      texts.add(language.text(options.length(), random));
    }
    try (SymmetryMoments moments =
        watch.time(
            "activations",
            () ->
                SymmetryStatistics.collect(
                    new SymmetryAligner.Model(base, network.config()),
                    new SymmetryAligner.Model(target.model(), network.config()),
                    TokenWindows.of(texts),
                    options.batch(),
                    SymmetryMoments.Tokens.UNIT,
                    ws))) {
      for (SymmetryAligner.Residual residual : options.residuals()) {
        SymmetryAligner.Options how =
            SymmetryAligner.Options.defaults()
                .with("residual", residual)
                .with("scales", options.scales());
        SkillTransfer transfer = transfer(target, SkillTransfer.Options.defaults().withAlign(how));
        move(target, "weights", residual, transfer, transfer.align(ws));
        move(target, "activations", residual, transfer, transfer.align(moments, ws));
      }
    }
  }

  private void move(
      Target target,
      String by,
      SymmetryAligner.Residual residual,
      SkillTransfer transfer,
      SymmetryAligner.Result found)
      throws IOException {
    String id = add(target, by + suffix(residual), "aligned by " + by, transfer, found.element());
    keep(id, found);
  }

  private static String suffix(SymmetryAligner.Residual residual) {
    return residual == SymmetryAligner.Residual.NONE
        ? ""
        : "+" + residual.name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
  }

  private SkillTransfer transfer(Target target, SkillTransfer.Options how) {
    return SkillTransfer.of(network.config(), target.model(), skilled, base, how);
  }

  /** How near the base came to the target. */
  private void keep(String id, SymmetryAligner.Result found) {
    var report = found.report();
    findings.map("alignment", id).put("before", report.before());
    findings.map("alignment", id).put("after", report.after());
    findings.map("alignment", id).put("movedUnits", report.movedUnits());
    findings.map("alignment", id).put("movedHeads", report.movedHeads());
    findings.map("alignment", id).put("unitCosine", report.unitCosine());
  }

  private String add(
      Target target, String method, String meaning, SkillTransfer transfer, SymmetryElement g)
      throws IOException {
    String id = target.id() + "+" + method;
    double best = watch.time("select", () -> select(id, transfer, g));
    try (MemoryCheckpoint model = MemoryCheckpoint.copyOf(transfer.add(g, best, ws), ws)) {
      findings.map("lambdas").put(id, best);
      add(id, target.id() + ", " + meaning, model, target.language(), "lambda=" + best);
    }
    return id;
  }

  /** The lambda that is best on the questions for it; of equals the smallest. */
  private double select(String id, SkillTransfer transfer, SymmetryElement g) throws IOException {
    double best = SkillTransfer.LAMBDAS.get(0);
    Evaluation most = null;
    for (double lambda : SkillTransfer.LAMBDAS) {
      try (MemoryCheckpoint model = MemoryCheckpoint.copyOf(transfer.add(g, lambda, ws), ws)) {
        Evaluation found = selection.of(model, ws);
        findings.map("curves", id).put("" + lambda, found.accuracy());
        findings.map("lossCurves", id).put("" + lambda, found.loss());
        if (most == null || BETTER.compare(found, most) > 0) {
          best = lambda;
          most = found;
        }
      }
    }
    return best;
  }

  private void add(String id, String meaning, Checkpoint model, ToyLanguage language, String chosen)
      throws IOException {
    watch.run(
        "evaluate",
        () -> {
          findings
              .rows()
              .put(
                  id,
                  new Findings.Found(meaning, test.of(model, ws), selection.of(model, ws), chosen));
          SplittableRandom random = Seeds.stream(seed, "texts/test");
          Stream<int[]> texts =
              Stream.generate(() -> language.text(options.length(), random)).limit(TEXTS);
          findings.map("language").put(id, SkillScore.loss(network, model, texts, ws));
        });
    options.runs().keep(index, id, model, ws);
  }

  @Override
  public void close() {
    opened.close();
  }
}
