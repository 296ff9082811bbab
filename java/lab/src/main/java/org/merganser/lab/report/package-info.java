// SPDX-License-Identifier: Apache-2.0
/** Tables, {@code results.json} and HTML pages about experiments. */
package org.merganser.lab.report;
