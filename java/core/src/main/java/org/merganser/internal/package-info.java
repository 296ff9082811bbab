// SPDX-License-Identifier: Apache-2.0
/** What the modules of this library share and nobody else should use: not an API. */
package org.merganser.internal;
