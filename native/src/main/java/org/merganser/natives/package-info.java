// SPDX-License-Identifier: Apache-2.0
/**
 * Bindings generated from {@code merganser.h}; not an API. Only {@code
 * org.merganser.internal.kernel} calls them.
 */
package org.merganser.natives;
