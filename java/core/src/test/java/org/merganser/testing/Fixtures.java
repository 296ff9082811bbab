// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The align-n-merge problems: inputs, and what the published code returned for them. */
public final class Fixtures {
  public static final int PROBLEMS = 5;
  public static final List<String> GAMMAS = List.of("0.0", "0.01", "0.1", "1.0");

  /**
   * One problem; models side by side in every array.
   *
   * @param samples of every model, [samples x n]
   */
  public record Problem(int number, int n, List<double[][]> samples, double[][] covariance) {
    public int models() {
      return samples.size();
    }

    /** Covariance of models i and j. */
    public double[][] block(int i, int j) {
      double[][] block = new double[n][n];
      for (int r = 0; r < n; r++) {
        System.arraycopy(covariance[i * n + r], j * n, block[r], 0, n);
      }
      return block;
    }

    /** T of a model: its columns of {@code merge}, which the published code divides by N. */
    public double[][] map(String method, int model) throws IOException {
      double[][] merge = array(number, method + ".merge");
      return Oracle.scale(part(merge, n, model), models());
    }

    /** The inverse of T: the model's rows of {@code unmerge}. */
    public double[][] inverse(String method, int model) throws IOException {
      double[][] unmerge = array(number, method + ".unmerge");
      double[][] rows = new double[n][];
      System.arraycopy(unmerge, model * n, rows, 0, n);
      return rows;
    }

    @Override
    public String toString() {
      return "problem " + number + " (n = " + n + ", " + models() + " models)";
    }
  }

  private Fixtures() {}

  public static List<Problem> problems() throws IOException {
    List<Problem> problems = new ArrayList<>();
    for (int k = 0; k < PROBLEMS; k++) {
      double[][] covariance = array(k, "covariance");
      double[][] features = array(k, "features");
      int n = array(k, "identity.merge").length;
      List<double[][]> samples = new ArrayList<>();
      for (int m = 0; m < covariance.length / n; m++) {
        samples.add(part(features, n, m));
      }
      problems.add(new Problem(k, n, samples, covariance));
    }
    return problems;
  }

  /** A reader of its own: some of the arrays are in Fortran order, which the library refuses. */
  static double[][] array(int problem, String name) throws IOException {
    Path path = path("/fixtures/align-n-merge/problem" + problem + "/" + name + ".npy");
    ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
    int start = 10 + file.getShort(8);
    String header = new String(file.array(), 10, start - 10, StandardCharsets.US_ASCII);
    Matcher shape = Pattern.compile("\\((\\d+), (\\d+)\\)").matcher(header);
    if (!shape.find()) {
      throw new IOException(path + ": " + header);
    }
    int rows = Integer.parseInt(shape.group(1));
    int columns = Integer.parseInt(shape.group(2));
    boolean fortran = header.contains("True");
    boolean single = header.contains("<f4");
    double[][] result = new double[rows][columns];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        int index = fortran ? j * rows + i : i * columns + j;
        result[i][j] =
            single ? file.getFloat(start + 4 * index) : file.getDouble(start + 8 * index);
      }
    }
    return result;
  }

  private static Path path(String resource) throws IOException {
    try {
      Path path = Path.of(Fixtures.class.getResource(resource).toURI());
      if (!Files.exists(path)) {
        throw new IOException("no fixture " + resource);
      }
      return path;
    } catch (URISyntaxException e) {
      throw new IOException(resource, e);
    }
  }

  private static double[][] part(double[][] sideBySide, int n, int model) {
    double[][] rows = new double[sideBySide.length][n];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(sideBySide[i], model * n, rows[i], 0, n);
    }
    return rows;
  }
}
