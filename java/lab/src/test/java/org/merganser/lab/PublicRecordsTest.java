// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;
import org.merganser.testing.RecordArrays;

/** Records of torch and lab copy and compare by value. */
class PublicRecordsTest {
  @Test
  void recordsKeepTheirArraysToThemselves() {
    JavaClasses classes =
        new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.merganser.torch", "org.merganser.lab");
    assertThat(classes.stream().filter(JavaClass::isRecord)).hasSizeGreaterThan(20);
    assertThat(RecordArrays.exposed(classes)).isEmpty();
  }
}
