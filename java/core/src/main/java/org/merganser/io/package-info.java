// SPDX-License-Identifier: Apache-2.0
/**
 * Named tensors and the files they live in. Reading is by position, never by mapping (a mapped file
 * that is truncated under native code kills the JVM); writing goes to a name of its own and is
 * renamed when complete.
 */
package org.merganser.io;
