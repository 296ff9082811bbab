// SPDX-License-Identifier: Apache-2.0
/**
 * Methods that combine checkpoints into one, one file a method. They know nothing of alignment:
 * give them aligned views.
 */
package org.merganser.merge;
