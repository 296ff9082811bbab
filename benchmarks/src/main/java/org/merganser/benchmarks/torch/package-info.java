// SPDX-License-Identifier: Apache-2.0
/**
 * Benchmarks that need libtorch, which is not in {@code benchmarks.jar}: run them with the class
 * path of the command line, {@code java/cli/target/merganser.classpath}.
 */
package org.merganser.benchmarks.torch;
