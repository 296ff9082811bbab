// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.transformer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Workspace;
import org.merganser.error.NumericalException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Threads;
import org.merganser.internal.io.TextFile;
import org.merganser.io.Checkpoint;
import org.merganser.method.Setting;
import org.merganser.method.Settings;

/**
 * How well a decoder predicts a text of tokens {@code t_0 ... t_(n-1)}:
 *
 * <pre>
 *   exp(-1/(n-1) sum_(i=1)^(n-1) log p(t_i | t_b(i) ... t_(i-1)))
 * </pre>
 *
 * Windows of w tokens begin at 0, s, 2s, ...; the last is the first that reaches the end of the
 * text, and is shorter where that does not fit. Each token but the first of the text is scored
 * once, in the first window that has it at a place other than its first: b(i) is where that one
 * begins. So after the first window a token has at least w - s before it. Logits and their softmax
 * have the precision of the network; logarithms are added in F64, in order: the same result for any
 * number of threads.
 *
 * @param nats mean of {@code -log p}
 * @param tokens that were scored, n - 1
 * @param windows of them
 */
public record Perplexity(double nats, long tokens, long windows) {

  /**
   * @param window w, tokens that the model sees at once
   * @param stride s, less than the window
   */
  public record Options(
      @Setting(value = "tokens that the model sees at once", min = 2) int window,
      @Setting(value = "tokens from one window to the next", min = 1) int stride) {
    public Options {
      Settings.check(Options.class, window, stride);
      if (stride >= window) {
        throw new IllegalArgumentException(
            "stride must be less than the window of "
                + window
                + " tokens, not "
                + stride
                + ": the first token of a window has nothing before it");
      }
    }

    /** Windows of 512, of which each begins 256 after the one before. */
    public static Options defaults() {
      return new Options(512, 256);
    }

    public Options withWindow(int value) {
      return Settings.with(this, "window", value);
    }

    public Options withStride(int value) {
      return Settings.with(this, "stride", value);
    }
  }

  /** {@code exp(nats)}. */
  public double value() {
    return Math.exp(nats);
  }

  /**
   * Of a file in UTF-8, with the token that a text begins with where the model has one.
   *
   * @throws ShapeException when it has fewer than two tokens
   */
  public static Perplexity ofText(
      TransformerNetwork network,
      Checkpoint theta,
      TokenSource source,
      Path text,
      Options options,
      Workspace ws)
      throws IOException {
    return of(network, theta, source.withBeginning(TextFile.read(text)), options, ws);
  }

  /**
   * Of tokens.
   *
   * @throws ShapeException when there are fewer than two
   * @throws NumericalException when a probability is not finite
   */
  public static Perplexity of(
      TransformerNetwork network, Checkpoint theta, int[] tokens, Options options, Workspace ws)
      throws IOException {
    network.requireCausal();
    if (tokens.length < 2) {
      throw new ShapeException(
          "a text of " + tokens.length + " tokens has none that is predicted; give at least 2");
    }
    List<Window> windows = windows(tokens.length, options);
    try (TransformerSession session = network.open(theta, ws);
        Threads threads = new Threads(Math.min(ws.threads(), windows.size()))) {
      AtomicLong done = new AtomicLong();
      List<Callable<Double>> calls = new ArrayList<>();
      for (Window window : windows) {
        calls.add(
            () -> {
              ws.cancellation().check();
              double sum = window.score(session, tokens);
              report(ws, done.incrementAndGet(), windows.size());
              return sum;
            });
      }
      double sum = 0;
      for (double each : threads.all(calls)) {
        sum += each;
      }
      return new Perplexity(-sum / (tokens.length - 1), tokens.length - 1, windows.size());
    }
  }

  private static void report(Workspace ws, long done, long of) {
    synchronized (ws) {
      ws.progress().report("perplexity", done, of);
    }
  }

  private static List<Window> windows(int tokens, Options options) {
    List<Window> windows = new ArrayList<>();
    int scored = 1;
    for (int from = 0; scored < tokens; from += options.stride()) {
      int to = (int) Math.min((long) from + options.window(), tokens);
      windows.add(new Window(from, scored, to));
      scored = to;
    }
    return windows;
  }

  /**
   * Part of a text.
   *
   * @param from first token
   * @param scored the first that counts
   * @param to after the last
   */
  private record Window(int from, int scored, int to) {
    double score(TransformerSession session, int... tokens) throws IOException {
      double[] scores =
          session.logProbabilities(scored - from, Arrays.copyOfRange(tokens, from, to))[0];
      double sum = 0;
      for (int i = scored; i < to; i++) {
        double score = scores[i - scored];
        if (!Double.isFinite(score)) {
          throw new NumericalException(
              "log p of token %d (id %d) is %s; the model has weights that are not finite, or F32"
                      .formatted(i, tokens[i], score)
                  + " is not enough for its activations");
        }
        sum += score;
      }
      return sum;
    }
  }
}
