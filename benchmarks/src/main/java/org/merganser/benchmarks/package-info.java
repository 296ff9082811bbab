// SPDX-License-Identifier: Apache-2.0
/**
 * JMH benchmarks, one class a kernel. Inputs are checked against a reference before anything is
 * timed; peers run in the same process on the same inputs.
 */
package org.merganser.benchmarks;
