// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Declares a component of a record of options. Its name and type are those of the component, its
 * default that of the record's {@code defaults()}; {@link Settings#check} holds values to the
 * bounds.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Setting {
  /** What it is, in one line for tables. */
  String value();

  /** Least number. */
  double min() default Double.NEGATIVE_INFINITY;

  /** Largest number. */
  double max() default Double.POSITIVE_INFINITY;

  /** Numbers are greater. */
  double above() default Double.NEGATIVE_INFINITY;

  /** Numbers are less. */
  double below() default Double.POSITIVE_INFINITY;

  /** Whether tensors and layers may have values of their own. */
  boolean varies() default false;
}
