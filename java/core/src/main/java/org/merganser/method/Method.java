// SPDX-License-Identifier: Apache-2.0
package org.merganser.method;

/**
 * An aligner, merger, repair or measure: what it is called and how it is set. Immutable,
 * thread-safe.
 */
public interface Method {
  /** Name in tables, files and on the command line. */
  String id();

  /** What it does, in one line for tables: no capital at the start, no stop at the end. */
  String summary();

  /** What it needs beside the models, for tables, such as "activations"; empty for nothing. */
  String requires();

  /** Its settings: a record with {@link Setting}s, {@link NoOptions} where it has none. */
  default Record options() {
    return new NoOptions();
  }

  /** As it is typed, with all its settings: {@code cca:gamma=1,unit=relative}. */
  default String text() {
    String settings = Settings.full(options());
    return settings.isEmpty() ? id() : id() + ":" + settings;
  }

  /** Of a method without settings. */
  record NoOptions() {}
}
