// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.testing.OptionsRecords;
import org.merganser.testing.RecordArrays;
import org.merganser.torch.experts.ExpertOptions;
import org.merganser.torch.experts.LoraOptions;
import org.merganser.torch.experts.MoeTraining;
import org.merganser.torch.recurrent.RnnTraining;
import org.merganser.torch.training.Trainer;
import org.merganser.torch.transformer.DecoderTraining;

/** Records of torch, analysis and lab. */
class PublicRecordsTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("org.merganser.torch", "org.merganser.analysis", "org.merganser.lab");

  /** Those of torch and lab copy and compare by value; results of analysis are whole matrices. */
  @Test
  void recordsKeepTheirArraysToThemselves() {
    JavaClasses classes = CLASSES.that(resideOutsideOfPackage("org.merganser.analysis.."));
    assertThat(classes.stream().filter(JavaClass::isRecord)).hasSizeGreaterThan(20);
    assertThat(RecordArrays.exposed(classes)).isEmpty();
  }

  @Test
  void optionsHaveDefaults() {
    List<Class<?>> options = OptionsRecords.in(CLASSES);
    assertThat(options).hasSizeGreaterThan(25);
    // How long to train, of what rank, and what to compare, is asked of the caller.
    assertThat(OptionsRecords.withoutDefaults(options))
        .containsExactlyInAnyOrder(
            Trainer.Options.class,
            RnnTraining.Options.class,
            DecoderTraining.Options.class,
            ExpertOptions.class,
            LoraOptions.class,
            MoeTraining.Options.class);
  }

  /** Those of experiments are set by name, as on the command line. */
  @Test
  void optionsAreSetOneByOne() {
    List<Class<?>> options =
        OptionsRecords.in(CLASSES).stream()
            .filter(type -> !type.getPackageName().equals("org.merganser.lab.experiment"))
            .toList();
    assertThat(options).hasSizeGreaterThan(12);
    assertThat(OptionsRecords.missingWays(options)).isEmpty();
  }
}
