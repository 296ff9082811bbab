// SPDX-License-Identifier: Apache-2.0
/** What sits on top: the list of methods and the report about this installation. */
package org.merganser.plan;
