// SPDX-License-Identifier: Apache-2.0
/**
 * Corrects the statistics of merged models: averaging weights shrinks the variance of activations
 * (Jordan et al. 2022, arXiv 2211.08403), and dense maps make running statistics stale.
 */
package org.merganser.repair;
