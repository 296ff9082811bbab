// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.report;

import java.util.List;
import java.util.Map;

/**
 * A result as it is written: as a page, as {@code results.json}, and on a terminal.
 *
 * @param title of the page
 * @param text what was done, in a paragraph
 * @param facts fields of {@code results.json} before the sections
 * @param made fields after them: what it was made with
 * @param seconds wall time of each stage, the last field
 */
public record Report(
    String title,
    String text,
    Map<String, Object> facts,
    List<Section> sections,
    Map<String, Object> made,
    Map<String, Double> seconds) {}
