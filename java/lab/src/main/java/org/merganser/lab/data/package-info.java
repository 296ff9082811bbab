// SPDX-License-Identifier: Apache-2.0
/** Data sets: drawn, embedded, or read from folders. */
package org.merganser.lab.data;
