// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.merganser.io.Checkpoint;
import org.merganser.io.CheckpointView;

/** How data, experiments and reports depend on each other, and how large an experiment may be. */
class LabArchitectureTest {
  private static final JavaClasses LAB =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("org.merganser.lab");

  @Test
  void packagesHaveNoCycles() {
    slices().matching("org.merganser.lab.(*)..").should().beFreeOfCycles().check(LAB);
  }

  /** Results are data: a report knows rows, columns and charts, no experiment and no method. */
  @Test
  void reportsKnowNoExperiment() {
    noClasses()
        .that()
        .resideInAPackage("org.merganser.lab.report")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.merganser.lab.experiment",
            "org.merganser.lab.data",
            "org.merganser.align",
            "org.merganser.merge",
            "org.merganser.torch")
        .check(LAB);
  }

  /** Whatever is made of checkpoints forwards what it does not change. */
  @Test
  void viewsOfCheckpointsExtendTheirBase() {
    classes()
        .that()
        .areAssignableTo(Checkpoint.class)
        .should()
        .beAssignableTo(CheckpointView.class)
        .check(LAB);
  }

  /** Methods are compared by what they declare: what runs them knows none of them. */
  @Test
  void theRunnerKnowsNoAligner() {
    noClasses()
        .that()
        .resideInAPackage("org.merganser.lab.experiment")
        .and()
        .haveSimpleNameNotStartingWith("CcaMerge")
        .should()
        .dependOnClassesThat()
        .haveNameMatching("org\\.merganser\\.align\\.\\w+Aligner")
        .check(LAB);
  }

  @Test
  void experimentsAreSmall() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of("src"))) {
      List<Path> experiments =
          files.filter(file -> file.toString().endsWith("Experiment.java")).toList();
      assertThat(experiments).hasSizeGreaterThan(10);
      for (Path file : experiments) {
        assertThat(Files.readAllLines(file)).as(file.toString()).hasSizeLessThanOrEqualTo(250);
      }
    }
  }
}
