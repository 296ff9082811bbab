// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.merganser.model.Evaluation;

/** Starts are chosen on validation data, whatever the test data say. */
class ActivationRowsTest {
  private final Findings found = new Findings(new ExperimentResult.Training(0, 0));

  private void start(String name, Evaluation test, Evaluation validation) {
    found
        .map("runs", "rows", "static", name)
        .putAll(
            Map.of(
                "accuracy", List.of(.1, test.accuracy()),
                "loss", List.of(2.3, test.loss()),
                "validation", validation.accuracy(),
                "validationLoss", validation.loss(),
                "guess", .25,
                "guessLoss", Math.log(4)));
  }

  private Findings.Found row(String end) {
    ActivationRows.add(SequenceTask.ROWS, ShapeLearning.STATIC, found);
    return found.row("rows-static" + end);
  }

  @Test
  void theBestOnTestDataIsNotTheOneChosen() {
    start("a", new Evaluation(.9, .1), new Evaluation(.5, .9));
    start("b", new Evaluation(.6, .5), new Evaluation(.8, .7));
    start("c", new Evaluation(.7, .4), new Evaluation(.8, .6));
    start("d", new Evaluation(.8, .2), new Evaluation(.7, .1));
    Findings.Found best = row("-best");
    assertThat(best.chosen()).isEqualTo("c");
    assertThat(best.test()).isEqualTo(new Evaluation(.7, .4));
    assertThat(best.selection()).isEqualTo(new Evaluation(.8, .6));
  }

  @Test
  void theMedianIsOfEachDataForItself() {
    start("a", new Evaluation(.9, .1), new Evaluation(.5, .9));
    start("b", new Evaluation(.6, .5), new Evaluation(.8, .7));
    start("c", new Evaluation(.7, .4), new Evaluation(.6, .6));
    Findings.Found typical = row("");
    assertThat(typical.meaning()).isEqualTo("median over 3 starts");
    assertThat(typical.test()).isEqualTo(new Evaluation(.7, .4));
    assertThat(typical.selection()).isEqualTo(new Evaluation(.6, .7));
  }

  @Test
  void whatDivergedIsAGuessOnBoth() {
    start("a", new Evaluation(.9, .1), new Evaluation(.95, .1));
    found.map("runs", "rows", "static", "a").put("diverged", "in step 3");
    start("b", new Evaluation(.2, 5), new Evaluation(.2, 6));
    Findings.Found best = row("-best");
    Evaluation guess = new Evaluation(.25, Math.log(4));
    assertThat(best.chosen()).isEqualTo("a");
    assertThat(best.test()).isEqualTo(guess);
    assertThat(best.selection()).isEqualTo(guess);
  }
}
