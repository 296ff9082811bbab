// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.io.IOException;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.internal.Seeds;
import org.merganser.method.Settings;

/**
 * What is run for several seeds, goes on after an interruption, and ends in a table, {@code
 * results.json} and a page.
 */
public abstract class Experiment {
  private final String id;
  private final Record settings;
  private final Runs runs;
  private final Journal journal;

  /**
   * @param settings its own record
   * @param runs those of it that all have
   */
  Experiment(String id, Record settings, Runs runs) {
    Settings.check(settings);
    this.id = id;
    this.settings = settings;
    this.runs = runs;
    this.journal = new Journal(this);
  }

  /** Name on the command line and in files. */
  public final String id() {
    return id;
  }

  final Record settings() {
    return settings;
  }

  /** How often it is run, and where its files go. */
  public final Runs runs() {
    return runs;
  }

  /** Seed of what is drawn for a group of this experiment alone. */
  final long seed(int index) {
    return Seeds.derive(runs.seed() + index, id);
  }

  /** Of the page of results. */
  abstract String title();

  /** Its groups, not yet open. */
  abstract Groups groups() throws IOException;

  /** Runs everything; what {@code keep} asks for is written seed by seed. */
  public final ExperimentResult run(Workspace ws) throws IOException {
    return new Runner(this, ws).run(groups());
  }

  /** Writes the report of a run into its folder; then nothing is left to go on from. */
  public final void write(ExperimentResult result) throws IOException {
    result.report().write(runs.out().orElseThrow());
    journal.end();
  }

  /** Settings but for where things go, which changes no figure. */
  final Map<String, Object> facts() {
    Map<String, Object> values = Settings.values(settings);
    Settings.of(settings).entries().stream()
        .filter(entry -> entry.type().equals("path"))
        .forEach(entry -> values.remove(entry.name()));
    return values;
  }

  /** What has been found so far on this backend. */
  final Journal journal(Workspace ws) {
    return journal.on(ws.backend());
  }
}
