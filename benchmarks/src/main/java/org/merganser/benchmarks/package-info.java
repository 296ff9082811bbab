// SPDX-License-Identifier: Apache-2.0
/**
 * JMH benchmarks, one class a kernel, each checked against a reference before it is timed; peers
 * and limits run on the same inputs. {@code Guard} compares them with bounds, {@code Scaling} one
 * thread with two, {@code Ours} is the other end of {@code peers.py}.
 */
package org.merganser.benchmarks;
