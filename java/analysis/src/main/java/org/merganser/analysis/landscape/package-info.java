// SPDX-License-Identifier: Apache-2.0

/**
 * The loss around a minimum: directions, jump and retrain, surfaces, curvature. Needs
 * merganser-torch.
 */
package org.merganser.analysis.landscape;
