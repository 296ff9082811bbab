// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import com.tngtech.archunit.junit.ArchTag;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A test that is not repeated on the fake device, since its outcome cannot depend on the backend of
 * this JVM. All others are (the second execution of Surefire, which leaves this tag out).
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Tag("once")
@ArchTag("once")
public @interface RunsOnce {
  /** Why it cannot. */
  String value();
}
