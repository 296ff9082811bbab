// SPDX-License-Identifier: Apache-2.0
/**
 * What every method declares about itself, once: a name, a sentence, and its settings. The command
 * line, files of results, tables of the documentation and the tests of all methods follow from it.
 */
package org.merganser.method;
