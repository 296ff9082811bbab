// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

/** The normal distribution. */
final class Normal {
  private static final double[] CENTRAL = {
    3.3871328727963666080,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3
  };
  private static final double[] CENTRAL_BELOW = {
    1,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3
  };
  private static final double[] TAIL = {
    1.42343711074968357734,
    4.63033784615654529590,
    5.76949722146069140550,
    3.64784832476320460504,
    1.27045825245236838258,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4
  };
  private static final double[] TAIL_BELOW = {
    1,
    2.05319162663775882187,
    1.67638483018380384940,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9
  };

  private Normal() {}

  /**
   * The quantile, to 1e-15 (Wichura 1988, AS 241) for shares of 1e-10 to 1 - 1e-10; further out
   * nobody asks for an interval.
   */
  static double quantile(double share) {
    double q = share - 0.5;
    if (Math.abs(q) <= 0.425) {
      double r = 0.180625 - q * q;
      return q * polynomial(CENTRAL, r) / polynomial(CENTRAL_BELOW, r);
    }
    double r = Math.sqrt(-Math.log(Math.min(share, 1 - share))) - 1.6;
    return Math.copySign(polynomial(TAIL, r) / polynomial(TAIL_BELOW, r), q);
  }

  private static double polynomial(double[] coefficients, double x) {
    double value = 0;
    for (int k = coefficients.length - 1; k >= 0; k--) {
      value = value * x + coefficients[k];
    }
    return value;
  }
}
