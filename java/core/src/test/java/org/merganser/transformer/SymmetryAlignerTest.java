// SPDX-License-Identifier: Apache-2.0
package org.merganser.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.compute.Workspace;
import org.merganser.io.Checkpoint;
import org.merganser.io.MemoryCheckpoint;
import org.merganser.transformer.SymmetryAligner.Model;
import org.merganser.transformer.SymmetryAligner.Options;
import org.merganser.transformer.SymmetryAligner.Residual;
import org.merganser.transformer.SymmetryAligner.Result;
import org.merganser.transformer.SymmetryAligner.Scales;

/** Planted symmetries are found, by weights. */
class SymmetryAlignerTest {
  private static final Workspace WS = Workspace.open();

  @AfterAll
  static void close() {
    WS.close();
  }

  private static Result align(
      TransformerConfig config, Checkpoint source, Checkpoint target, Options options)
      throws IOException {
    return SymmetryAligner.of(options)
        .align(new Model(source, config), new Model(target, config), WS);
  }

  /** Moves the source by what was found, and compares weights and logits with the target. */
  private static void assertRecovered(
      TransformerConfig config, Result result, Checkpoint source, Checkpoint target)
      throws IOException {
    SymmetryReport report = result.report();
    assertThat(report.after()).as(report.toString()).isLessThan(1e-20 * report.before());
    Checkpoint moved = PlainApply.apply(result.element(), source, WS);
    double[][] here = ReferenceForward.logits(config, moved, GoldenModel.ids(), WS);
    double[][] there = ReferenceForward.logits(config, target, GoldenModel.ids(), WS);
    assertThat(ReferenceForward.difference(here, there)).isLessThan(1e-10);
    assertMonotone(report);
  }

  private static void assertMonotone(SymmetryReport report) {
    double last = report.started();
    for (double each : report.sweeps()) {
      assertThat(each).as(report.toString()).isLessThanOrEqualTo(last);
      last = each;
    }
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void symmetriesOfTheLayersAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    for (long seed = 1; seed <= 5; seed++) {
      SymmetryElement planted = PlantedElement.of(config, seed).still();
      MemoryCheckpoint source = PlainApply.apply(planted, target, WS);
      Result result = align(config, source, target, Options.defaults());
      assertRecovered(config, result, source, target);
    }
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void shiftsOfValuesAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    SymmetryElement planted = PlantedElement.of(config, 3).shifts().still();
    MemoryCheckpoint source = PlainApply.apply(planted, target, WS);
    assertRecovered(config, align(config, source, target, Options.defaults()), source, target);
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void factorsOfLeastDistanceAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    SymmetryElement planted = PlantedElement.of(config, 3).factors().still();
    MemoryCheckpoint source = PlainApply.apply(planted, target, WS);
    Options options =
        Options.defaults()
            .with("scales", Scales.QUARTIC)
            .with("sweeps", 100)
            .with("tolerance", 0.0);
    assertRecovered(config, align(config, source, target, options), source, target);
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void signedPermutationsOfTheStreamAreFound(GoldenModel model) throws IOException {
    TransformerConfig config = model.config();
    MemoryCheckpoint target = model.weights();
    SymmetryElement planted = PlantedElement.of(config, 4).signed();
    MemoryCheckpoint source = PlainApply.apply(planted, target, WS);
    Options options = Options.defaults().with("residual", Residual.SIGNED_PERMUTATION);
    assertRecovered(config, align(config, source, target, options), source, target);
  }

  @ParameterizedTest
  @EnumSource(GoldenModel.class)
  void aModelIsItself(GoldenModel model) throws IOException {
    MemoryCheckpoint weights = model.weights();
    for (Residual residual : List.of(Residual.NONE, Residual.SIGNED_PERMUTATION)) {
      Options options = Options.defaults().with("residual", residual);
      Result result = align(model.config(), weights, weights, options);
      assertThat(result.report().after()).isZero();
      assertThat(result.element().layers())
          .isEqualTo(SymmetryElement.identity(model.config()).layers());
    }
  }

  @Test
  void unrelatedModelsComeNearerEachSweep() throws IOException {
    TransformerConfig config = GoldenModel.medium();
    Options options = Options.defaults().with("residual", Residual.SIGNED_PERMUTATION);
    Result result =
        align(config, GoldenModel.weights(config, 1), GoldenModel.weights(config, 0), options);
    assertMonotone(result.report());
  }
}
