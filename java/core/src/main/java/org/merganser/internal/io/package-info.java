// SPDX-License-Identifier: Apache-2.0
/** Files as our modules read and write them: not an API. */
package org.merganser.internal.io;
