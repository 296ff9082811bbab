// SPDX-License-Identifier: Apache-2.0
package org.merganser.similarity;

import java.util.Set;
import org.merganser.compute.Workspace;
import org.merganser.linalg.Matrix;
import org.merganser.method.Setting;
import org.merganser.method.Settings;
import org.merganser.similarity.HsicSums.Form;

/**
 * The angle between Gram matrices, {@code arccos(CKA)} of the biased linear {@link LinearCka}, in
 * [0, pi/2]: a metric on representations up to what CKA ignores.
 *
 * <p>Near 0 it is exact to 1e-8, as an arc cosine is.
 *
 * <p>Source: Williams, Kunz, Kornblith and Linderman 2021, "Generalized shape metrics on neural
 * representations".
 */
public final class AngularCka extends PairedMeasure {
  /** Settings. */
  public record Options(
      @Setting("products of features, or of samples where these are fewer") Route route) {
    public Options {
      Settings.check(Options.class, route);
    }

    /** The cheaper route. */
    public static Options defaults() {
      return new Options(Route.AUTO);
    }

    public Options withRoute(Route value) {
      return new Options(value);
    }
  }

  private final Options options;

  private AngularCka(Options options) {
    this.options = options;
  }

  public static AngularCka of(Options options) {
    return new AngularCka(options);
  }

  @Override
  public String id() {
    return "cka-angular";
  }

  @Override
  public String summary() {
    return "angle between Gram matrices, a metric";
  }

  @Override
  public Options options() {
    return options;
  }

  @Override
  public Kind kind() {
    return Kind.DISTANCE;
  }

  @Override
  public double greatest() {
    return Math.PI / 2;
  }

  @Override
  public Set<Trait> traits() {
    return set(Trait.SYMMETRIC, Trait.METRIC, Trait.NORMALISED, Trait.IGNORES_ORDER);
  }

  @Override
  Finding compare(Pair pair, Workspace ws) {
    Matrix x = pair.x().centred();
    Matrix y = pair.y().centred();
    double cosine = HsicSums.linear(x, y, Form.BIASED, options.route(), ws).cosine();
    return Finding.of(Math.acos(cosine), HsicSums.route(options.route(), x, y))
        .detail("cka-linear", cosine);
  }
}
