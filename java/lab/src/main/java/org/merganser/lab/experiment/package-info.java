// SPDX-License-Identifier: Apache-2.0
/** Published experiments, each with its options, its run and what it reports. */
package org.merganser.lab.experiment;
