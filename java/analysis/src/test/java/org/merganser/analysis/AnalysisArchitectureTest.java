// SPDX-License-Identifier: Apache-2.0
package org.merganser.analysis;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** What needs libtorch, and how packages depend on each other. */
class AnalysisArchitectureTest {
  private static final JavaClasses ANALYSIS =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("org.merganser.analysis");

  @Test
  void packagesHaveNoCycles() {
    slices().matching("org.merganser.analysis.(*)..").should().beFreeOfCycles().check(ANALYSIS);
  }

  /** The dependency is optional: whoever embeds or counts holes has no libtorch. */
  @Test
  void onlyLandscapesNeedLibtorch() {
    noClasses()
        .that()
        .resideOutsideOfPackage("org.merganser.analysis.landscape")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.merganser.torch..", "org.bytedeco..", "org.merganser.analysis.landscape")
        .allowEmptyShould(true)
        .check(ANALYSIS);
  }
}
