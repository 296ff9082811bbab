// SPDX-License-Identifier: Apache-2.0
/**
 * What can go wrong. Everything is unchecked and derives from {@link
 * org.merganser.error.MerganserException}, except {@link java.io.IOException} and {@link
 * IllegalArgumentException}, which pass as they are.
 */
package org.merganser.error;
