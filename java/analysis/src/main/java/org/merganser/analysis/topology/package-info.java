// SPDX-License-Identifier: Apache-2.0

/**
 * Persistent homology: Vietoris-Rips complexes, sublevel sets on graphs, diagrams and what compares
 * them.
 */
package org.merganser.analysis.topology;
