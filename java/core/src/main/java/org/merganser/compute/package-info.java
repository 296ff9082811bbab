// SPDX-License-Identifier: Apache-2.0
/**
 * Where and how things run: {@link org.merganser.compute.Workspace} carries backend, threads, seed,
 * progress and cancellation; {@link org.merganser.compute.Memory} owns bytes outside the heap.
 */
package org.merganser.compute;
