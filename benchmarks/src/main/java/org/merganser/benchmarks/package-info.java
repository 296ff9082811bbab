// SPDX-License-Identifier: Apache-2.0
/**
 * JMH benchmarks, one class a kernel, each checked against a reference before it is timed; peers
 * and limits run on the same inputs. {@code Guard} compares them with bounds, {@code Scaling} one
 * thread with two, {@code Ours} is the other end of {@code peers.py}.
 *
 * <p>{@code NpLibtorchBenchmark}, {@code NpTrainingBenchmark} and {@code NpMemory} need libtorch,
 * which is not in {@code benchmarks.jar}: add the class path of the command line, {@code
 * java/cli/target/merganser.classpath}.
 */
package org.merganser.benchmarks;
