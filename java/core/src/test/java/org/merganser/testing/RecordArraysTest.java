// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The rule finds what it is there for. */
@RunsOnce("reads classes, computes nothing")
class RecordArraysTest {
  /** Says nothing of its array. */
  public record Plain(int[] values) {}

  /** Copies, but compares by identity. */
  public record Half(int[] values) {
    @Override
    public int[] values() {
      return values.clone();
    }
  }

  /** As it should be. */
  public record Whole(int[] values) {
    @Override
    public int[] values() {
      return values.clone();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Whole that && Arrays.equals(values, that.values);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(values);
    }
  }

  @Test
  void exposedArraysAreFound() {
    ClassFileImporter importer = new ClassFileImporter();
    assertThat(RecordArrays.exposed(importer.importClasses(Plain.class))).hasSize(3);
    assertThat(RecordArrays.exposed(importer.importClasses(Half.class))).hasSize(2);
    assertThat(RecordArrays.exposed(importer.importClasses(Whole.class))).isEmpty();
  }
}
